"""Writing off credits that have expired."""

from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Sum

from metering.credits import ledger
from metering.credits.models import CreditGrant
from metering.invoicing.draft import hold
from metering.invoicing.models import Invoice
from metering.periods import month_of

A_MOMENT = timedelta(microseconds=1)


def expire_credits(now: datetime) -> dict[str, int]:
    """Writes off what is left of expired grants, once the last month they count for has been invoiced.

    That month ends its grace first, and a draft of it is waited for. Counts of grants `expired` and `waiting`.
    """
    counts = {"expired": 0, "waiting": 0}
    expired = CreditGrant.objects.filter(expires_at__lte=now)
    for grant in expired.annotate(left=Sum("entries__amount")).filter(left__gt=0).order_by("pk"):
        with transaction.atomic():
            hold(grant.workspace_id)
            if _may_still_be_used(grant, now):
                counts["waiting"] += 1
            elif ledger.write_off(grant, now):
                counts["expired"] += 1
    return counts


def _may_still_be_used(grant: CreditGrant, now: datetime) -> bool:
    assert grant.expires_at is not None  # noqa: S101 - only grants that expire are asked about
    month = month_of(grant.expires_at - A_MOMENT)
    in_grace = now < month.end + timedelta(days=settings.INVOICE_GRACE_DAYS + 1)
    drafts = Invoice.objects.filter(workspace=grant.workspace_id, status=Invoice.Status.DRAFT, period_start__lte=month.start)
    return in_grace or drafts.exists()
