"""Refusing a workspace's live keys: while an invoice is past due, if that was agreed, and while prepaid credit is used up.

Decided in one place, from what is so at that moment, under the workspace's lock: after each change of it that is committed
(`limits/changed.py`), and by the watch, which also sees usage and finds what a process that died left undone.
"""

from datetime import datetime
from typing import Any

import structlog
from django.db import transaction
from django.db.models import Q

from metering.invoicing.models import Invoice
from metering.invoicing.terms.in_force import terms_of
from metering.invoicing.terms.models import BillingTerms
from metering.payments.balance.balance import Balance
from metering.payments.balance.spendable import prepare_account, update_spendable
from metering.payments.clock import ticking
from metering.payments.models import Dunning
from omixa_billing.instants import Clock
from workspaces import audit
from workspaces.locks import lock_workspace
from workspaces.models import Workspace

log = structlog.get_logger(__name__)
ACTOR = "metering"
USED_UP = "Its prepaid credit is used up."


def update_suspension(workspace_id: int, now: datetime) -> str:
    """Suspends the workspace or lets it work again, as it should be now; why it is suspended, empty where it is not."""
    prepare_account(workspace_id)
    with transaction.atomic():
        workspace = lock_workspace(workspace_id)
        terms = terms_of(workspace)
        found = _reasons(workspace, terms, update_spendable(workspace, terms, now))
        codes, because = list(found), " ".join(found.values())
        if (codes, because) != (workspace.suspensions, workspace.suspended_because):
            _set(workspace, codes, because, now)
    return because


def after_change(workspace_id: int, now: datetime, **_: Any) -> None:
    """Once a change of credit, terms or dunning is committed. What fails here is left to the watch."""
    try:
        update_suspension(workspace_id, now)
    except Exception:
        log.exception("suspension_not_judged", workspace_id=workspace_id)


def answer_wanted(workspace_id: int, now: datetime, **_: Any) -> None:
    """A decision needs the balance: it waits for this, and is refused as unavailable where this fails."""
    update_suspension(workspace_id, now)


def update_suspensions(now: datetime | Clock) -> dict[str, int]:
    """Updates every workspace that is suspended or may have to be. Counts of newly suspended, lifted, and failed."""
    clock = ticking(now)
    counts = {"suspended": 0, "lifted": 0, "failed": 0}
    for workspace in _workspaces_to_check():
        before = workspace.suspended_because
        try:
            because = update_suspension(workspace.pk, clock())
            counts["suspended"] += bool(because and not before)
            counts["lifted"] += bool(before and not because)
        except Exception:
            log.exception("suspension_not_judged", workspace_id=workspace.public_id)
            counts["failed"] += 1
    return counts


def _workspaces_to_check() -> list[Workspace]:
    past_due = Dunning.objects.filter(state=Dunning.State.PAST_DUE).values("invoice__workspace")
    agreed = Q(billing_terms__suspend_when_past_due=True, pk__in=past_due)
    prepaid = Q(billing_terms__mode=BillingTerms.Mode.PREPAID, sandbox=False)
    return list(Workspace.objects.filter(agreed | prepaid | Q(suspended_at__isnull=False)).order_by("pk"))


def _reasons(workspace: Workspace, terms: BillingTerms, balance: Balance | None) -> dict[str, str]:
    """Every reason and its sentence. The workspace is locked, so that its balance and its invoices stand still."""
    reasons: dict[str, str] = {}
    if workspace.closed_at is not None:
        return reasons  # it has no keys that could work again
    if terms.suspend_when_past_due and (invoice := past_due_invoice(workspace)):
        reasons[Workspace.Suspension.PAST_DUE.value] = f"The invoice {invoice.number} is overdue."
    if balance is not None and balance.left <= 0:
        reasons[Workspace.Suspension.NO_CREDIT.value] = USED_UP
    return reasons


def past_due_invoice(workspace: Workspace) -> Invoice | None:
    due = Invoice.objects.owed().filter(workspace=workspace, dunning__state=Dunning.State.PAST_DUE)
    return due.order_by("pk").first()


def _set(workspace: Workspace, codes: list[str], because: str, now: datetime) -> None:
    since = (workspace.suspended_at or now) if codes else None
    Workspace.objects.filter(pk=workspace.pk).update(suspended_at=since, suspensions=codes, suspended_because=because)
    if codes:
        audit.record(ACTOR, "workspace.suspended", workspace.public_id, workspace, now=now, reason=because)
    else:
        audit.record(ACTOR, "workspace.unsuspended", workspace.public_id, workspace, now=now)
