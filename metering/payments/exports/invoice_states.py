"""How invoices stood at an instant, by the journal: later payments, credit notes, write-offs and voids change nothing of it."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.db.models import Max, QuerySet, Sum

from metering.invoicing.models import Invoice
from metering.journal.accounts import JournalAccount
from metering.journal.entries import Kind
from metering.journal.models import JournalPosting
from metering.money import from_smallest_unit
from metering.payments.refunds.models import ReopenedAmount

NOTHING = Decimal("0.00")


@dataclass(frozen=True, slots=True)
class InvoiceState:
    """In whole cents. Of a void one nothing is due."""

    status: str
    amount_paid: Decimal
    credited: Decimal
    amount_due: Decimal
    paid_at: datetime | None


def states_at(invoices: Sequence[Invoice], end: datetime) -> dict[str, InvoiceState]:
    """By public id, of invoices that were finalized before `end`: three statements, however many."""
    moved: dict[str, dict[str, Decimal]] = defaultdict(lambda: defaultdict(Decimal))
    booked_at: dict[str, datetime] = {}
    ids = [each.public_id for each in invoices]
    receivable = _until(end, invoices, JournalAccount.RECEIVABLE).filter(part__in=ids)
    rows = receivable.order_by().values_list("part", "entry__kind", "currency").annotate(Sum("amount"), Max("entry__booked_at"))
    for part, kind, currency, units, last in rows:
        moved[part][kind] += from_smallest_unit(units, currency)
        booked_at[part] = max(last, booked_at.get(part, last))
    written_off = _written_off(invoices, end)
    return {
        each.public_id: _state(
            each, moved[each.public_id], written_off[each.public_id], booked_at.get(each.public_id, each.finalized_at), end
        )
        for each in invoices
    }


def _state(
    invoice: Invoice, moved: dict[str, Decimal], written_off: Decimal, last: datetime | None, end: datetime
) -> InvoiceState:
    paid, credited = -moved[Kind.PAYMENT_RECEIVED], -moved[Kind.CREDIT_NOTE]
    if invoice.voided_at is not None and invoice.voided_at < end:
        return InvoiceState(Invoice.Status.VOID, NOTHING, NOTHING, NOTHING, None)
    due = sum(moved.values(), NOTHING) + written_off
    if due <= 0:
        return InvoiceState(Invoice.Status.PAID, paid, credited, due, last)
    status = Invoice.Status.UNCOLLECTIBLE if written_off > 0 else Invoice.Status.OPEN
    return InvoiceState(status, paid, credited, due, None)


def _written_off(invoices: Sequence[Invoice], end: datetime) -> dict[str, Decimal]:
    """What of each is not expected to be paid: written off, or owed again when it was written off before."""
    of_document = {each.public_id: each.public_id for each in invoices}
    reopened = ReopenedAmount.objects.filter(invoice__in=invoices).select_related("invoice", "dispute", "refund")
    for each in reopened:
        cause = each.dispute.stripe_id if each.dispute else each.refund.public_id if each.refund else ""
        of_document[cause] = each.invoice.public_id
    found: dict[str, Decimal] = defaultdict(Decimal)
    lost = _until(end, invoices, JournalAccount.BAD_DEBT).filter(entry__document__in=of_document)
    for document, currency, units in lost.order_by().values_list("entry__document", "currency").annotate(Sum("amount")):
        found[of_document[document]] += from_smallest_unit(units, currency)
    return found


def _until(end: datetime, invoices: Iterable[Invoice], account: JournalAccount) -> QuerySet[JournalPosting]:
    workspaces = {each.workspace_id for each in invoices}
    return JournalPosting.objects.filter(workspace__in=workspaces, account=account, entry__happened_at__lt=end)
