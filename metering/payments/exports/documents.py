"""Invoices and credit notes, and what became of invoices: by the day of each act."""

from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from typing import Any

from metering.invoicing.credit_notes.models import CreditNote
from metering.invoicing.models import Invoice
from metering.journal.accounts import JournalAccount
from metering.journal.entries import Kind
from metering.journal.models import JournalPosting
from metering.money import cents_text, from_smallest_unit
from metering.payments.exports.invoice_states import InvoiceState, states_at
from metering.payments.exports.rows import AT_ONCE, Row, of_workspace, some_at_once
from metering.periods import Period
from omixa_billing.instants import instant_text
from workspaces.models import Workspace

ZERO = Decimal("0.00")
WRITE_OFFS = {Kind.WRITE_OFF: "write_off", Kind.WRITE_OFF_REVERSED: "write_off_reversed"}


def invoices(period: Period, workspace: Workspace | None) -> Iterator[Row]:
    """Finalized in the period, as they stood at its end. Then with amounts below zero those voided in it, and its credit notes;
    then what was written off in it, as what is not due any more, and what of that was owed after all.
    """
    found = Invoice.objects.filter(finalized_at__gte=period.start, finalized_at__lt=period.end)
    for some in some_at_once(_ordered(found, workspace, "finalized_at")):
        states = states_at(some, period.end)
        yield from (_invoice(each, states[each.public_id], period.end) for each in some)
    voided = Invoice.objects.filter(voided_at__gte=period.start, voided_at__lt=period.end)
    for invoice in _ordered(voided, workspace, "voided_at").iterator(AT_ONCE):
        yield _void(invoice)
    notes = CreditNote.objects.filter(issued_at__gte=period.start, issued_at__lt=period.end)
    notes = of_workspace(notes, workspace, "invoice__workspace").select_related("invoice__workspace")
    for note in notes.order_by("issued_at", "pk").iterator(AT_ONCE):
        yield _note(note)
    yield from _write_offs(period, workspace)


def _ordered(found: Any, workspace: Workspace | None, at: str) -> Any:
    return of_workspace(found, workspace).select_related("workspace").order_by(at, "pk")


def _invoice(invoice: Invoice, state: InvoiceState, end: datetime) -> Row:
    amounts = (
        invoice.subtotal,
        -invoice.promotional,
        invoice.tax,
        invoice.total,
        invoice.credits_applied,
        state.amount_paid,
        state.credited,
        state.amount_due,
    )
    voided_at = invoice.voided_at if state.status == Invoice.Status.VOID else None
    days = invoice.finalized_at, invoice.due_at, state.paid_at, voided_at
    return _row("invoice", str(invoice.number), state.status, invoice, days, amounts)


def _void(invoice: Invoice) -> Row:
    """Takes back what its row said of it."""
    amounts = (-invoice.subtotal, invoice.promotional, -invoice.tax, -invoice.total, -invoice.credits_applied, ZERO, ZERO, ZERO)
    return _row("void", str(invoice.number), "void", invoice, (invoice.voided_at, None, None, invoice.voided_at), amounts)


def _write_offs(period: Period, workspace: Workspace | None) -> Iterator[Row]:
    """By the journal, oldest first."""
    lost = JournalPosting.objects.filter(
        account=JournalAccount.BAD_DEBT,
        entry__kind__in=WRITE_OFFS,
        entry__happened_at__gte=period.start,
        entry__happened_at__lt=period.end,
    )
    ordered = of_workspace(lost, workspace).select_related("entry").order_by("entry__happened_at", "pk")
    for some in some_at_once(ordered):
        documents = Invoice.objects.filter(public_id__in=[each.entry.document for each in some]).select_related("workspace")
        by_id = {each.public_id: each for each in documents}
        for posting in some:
            invoice = by_id.get(posting.entry.document)
            if invoice is not None:
                name, amount = WRITE_OFFS[Kind(posting.entry.kind)], from_smallest_unit(posting.amount, posting.currency)
                days = posting.entry.happened_at, None, None, None
                yield _row(name, str(invoice.number), f"of {invoice.number}", invoice, days, [*[ZERO] * 7, -amount])


def _row(
    document: str, number: str, status: str, about: Invoice | CreditNote, days: tuple[datetime | None, ...], amounts: Any
) -> Row:
    """`days` are the act's, the due day, and those of the payment and the void."""
    invoice = about if isinstance(about, Invoice) else about.invoice
    return [
        document,
        number,
        status,
        invoice.workspace.public_id,
        about.buyer.get("name", ""),
        about.buyer.get("tax_id", ""),
        f"{invoice.period_start:%Y-%m}",
        *map(instant_text, days),
        about.currency,
        *map(cents_text, amounts),
    ]


def _note(note: CreditNote) -> Row:
    amounts = (-note.subtotal, ZERO, -note.tax, -note.total, ZERO, ZERO, ZERO, ZERO)
    return _row("credit_note", note.number, f"for {note.invoice.number}", note, (note.issued_at, None, None, None), amounts)
