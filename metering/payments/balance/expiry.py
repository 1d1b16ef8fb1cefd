"""Writing off credits that have expired."""

from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Sum

from metering.credits import ledger
from metering.credits.models import CreditGrant
from metering.invoicing.composing.adjustments import voided_months
from metering.invoicing.lifecycle.schedule import due_months
from metering.periods import month_of
from workspaces.locks import lock_workspace

A_MOMENT = timedelta(microseconds=1)


def expire_due_credits(now: datetime) -> dict[str, int]:
    """Writes off what is left of expired grants, once no invoice can use them any more. Counts of `expired` and `waiting`."""
    counts = {"expired": 0, "waiting": 0}
    expired = CreditGrant.objects.filter(expires_at__lte=now)
    for grant in expired.annotate(left=Sum("entries__amount")).filter(left__gt=0).order_by("pk"):
        with transaction.atomic():
            lock_workspace(grant.workspace_id)
            if _may_still_be_used(grant, now):
                counts["waiting"] += 1
            elif ledger.write_off(grant, now):
                counts["expired"] += 1
    return counts


def _may_still_be_used(grant: CreditGrant, now: datetime) -> bool:
    """While an invoice of its last month, or of one before, can still be made: late, or again for one that was voided."""
    assert grant.expires_at is not None  # noqa: S101 - only grants that expire are asked about
    last = month_of(grant.expires_at - A_MOMENT)
    if now < last.end + timedelta(days=settings.INVOICE_GRACE_DAYS + 1):
        return True
    if any(month.start <= last.start for month, _ in due_months(now, grant.workspace)):
        return True
    return bool(voided_months(grant.workspace, month_of(last.end)))
