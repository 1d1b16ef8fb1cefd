"""Prepaid workspaces: their keys work while there is credit."""

from datetime import datetime

import structlog
from django.db import transaction
from django.db.models import Q

from metering.invoicing.draft import hold
from metering.invoicing.terms_models import BillingTerms
from metering.payments.balance import balance_of
from metering.payments.suspension import USED_UP, judge_prepaid
from workspaces.models import Workspace

log = structlog.get_logger(__name__)


def watch_prepaid(now: datetime) -> dict[str, int]:
    """Suspends those whose balance is used up, and lets those work that have some again. Counts of used_up and failed."""
    counts = {"used_up": 0, "failed": 0}
    watched = Q(billing_terms__mode=BillingTerms.Mode.PREPAID) | Q(suspended_because=USED_UP)
    for workspace in Workspace.objects.filter(watched, sandbox=False).order_by("pk"):
        try:
            judge_now(workspace, now)
        except Exception:
            log.exception("prepaid_not_judged", workspace_id=workspace.public_id)
            counts["failed"] += 1
    counts["used_up"] = Workspace.objects.filter(suspended_because=USED_UP).count()
    return counts


def judge_now(workspace: Workspace, now: datetime) -> None:
    left = balance_of(workspace, now).left
    with transaction.atomic():
        hold(workspace.pk)
        judge_prepaid(workspace, left, now)
