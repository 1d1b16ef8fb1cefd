"""Writing off credits that have expired."""

from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Sum

from metering.credits import ledger
from metering.credits.models import CreditGrant
from metering.invoicing.composing.compose import InvoicePreview
from metering.invoicing.lifecycle.current_books import books_until_now
from metering.payments.balance.balance import invoices_to_come
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
    """While its last month can be billed in time, and as long as an invoice to come uses it: late, or again for a void one."""
    assert grant.expires_at is not None  # noqa: S101 - only grants that expire are asked about
    last = month_of(grant.expires_at - A_MOMENT)
    if now < last.end + timedelta(days=settings.INVOICE_GRACE_DAYS + 1):
        return True
    books = books_until_now(grant.workspace, now).as_reissued()
    return any(_is_kept_for(grant, preview) for preview in invoices_to_come(books, now))


def _is_kept_for(grant: CreditGrant, preview: InvoicePreview) -> bool:
    """Whether the invoice would use it, and bills a month in which it was valid."""
    assert grant.expires_at is not None  # noqa: S101 - only grants that expire are asked about
    uses = {use.grant.pk for use in (*preview.promotional_uses, *preview.credit_uses)}
    months = {line.period for line in preview.lines}
    return grant.pk in uses and any(grant.granted_at < month.end and month.start < grant.expires_at for month in months)
