"""Writing off credits that have ended: expired, or given to a workspace that is closed."""

from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Q, Sum

from metering.credits import ledger
from metering.credits.models import CreditGrant
from metering.invoicing.composing.compose import InvoicePreview
from metering.invoicing.lifecycle.current_books import books_until_now
from metering.payments.balance.balance import invoices_to_come
from metering.periods import month_of
from workspaces.locks import lock_workspace

A_MOMENT = timedelta(microseconds=1)


def expire_due_credits(now: datetime) -> dict[str, int]:
    """Writes off what is left of grants that ended, once no invoice can use them any more. Counts of `expired` and `waiting`.

    What was given to a workspace comes back after its closing where an invoice of it is voided: the reissue uses it first.
    """
    counts = {"expired": 0, "waiting": 0}
    given_to_closed = Q(workspace__closed_at__isnull=False) & ~Q(kind=CreditGrant.Kind.PURCHASED)
    ended = CreditGrant.objects.filter(Q(expires_at__lte=now) | given_to_closed)
    for grant in ended.annotate(left=Sum("entries__amount")).filter(left__gt=0).order_by("pk"):
        with transaction.atomic():
            grant.workspace = lock_workspace(grant.workspace_id)
            if may_still_be_used(grant, now):
                counts["waiting"] += 1
            elif ledger.write_off(grant, now):
                counts["expired"] += 1
    return counts


def may_still_be_used(grant: CreditGrant, now: datetime) -> bool:
    """While its last month can be billed in time, and as long as an invoice to come uses it: late, or again for a void one.

    Of a grant that ends, in a workspace that is locked. A closed workspace was billed in time.
    """
    end = grant.end_in(grant.workspace)
    assert end is not None  # noqa: S101 - only grants that end are asked about
    last = month_of(end - A_MOMENT)
    if grant.workspace.closed_at is None and now < last.end + timedelta(days=settings.INVOICE_GRACE_DAYS + 1):
        return True
    books = books_until_now(grant.workspace, now)
    return any(_is_kept_for(grant, end, preview) for preview in invoices_to_come(books, now))


def _is_kept_for(grant: CreditGrant, end: datetime, preview: InvoicePreview) -> bool:
    """Whether the invoice would use it, and bills a month in which it was valid."""
    uses = {use.grant.pk for use in (*preview.promotional_uses, *preview.credit_uses)}
    months = {line.period for line in preview.lines}
    return grant.pk in uses and any(grant.granted_at < month.end and month.start < end for month in months)
