"""Credit notes: what is taken back of a finalized invoice, never more than is left of a line, of the net or of the total.

They move money. What was billed in tokens stays billed, so a later invoice does not bill it again; but a correction of the same
lines that waits for the next invoice is settled by them (settled_adjustments.py), so that it is given back once.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from metering.checked_inputs import checked_amount, checked_reason, checked_reference, refuse_repeated_reference
from metering.errors import NothingToCredit
from metering.invoicing.allowed import check_credit
from metering.invoicing.booked import credit_note_issued, write_off_reversed
from metering.invoicing.composing.taxes import Tax, tax_on
from metering.invoicing.credit_notes.as_json import credit_note_summary_json
from metering.invoicing.credit_notes.creditable import Creditable, creditable, rates_of_line
from metering.invoicing.credit_notes.models import CreditNote, CreditNoteLine
from metering.invoicing.credit_notes.settled_adjustments import settle_adjustment
from metering.invoicing.lifecycle.amount_due import lower_due
from metering.invoicing.models import Invoice, InvoiceLine
from metering.invoicing.numbering import next_credit_note_number
from metering.journal.post import post
from metering.money import ONE_CENT, WIDE, cents_text, share_out
from metering.notifications.announce import announce
from omixa_billing.api.errors import InvalidParameter
from workspaces import audit

NOTHING = Decimal("0.00")


@dataclass(frozen=True, slots=True)
class PlannedCreditNote:
    """A credit note worked out, before anything is written."""

    lines: Sequence[tuple[InvoiceLine, Decimal]]
    subtotal: Decimal
    taxes: Sequence[Tax]
    off_due: Decimal

    @property
    def tax(self) -> Decimal:
        return sum((tax.amount for tax in self.taxes), NOTHING)

    @property
    def total(self) -> Decimal:
        return self.subtotal + self.tax

    @property
    def given_back(self) -> Decimal:
        return self.total - self.off_due


def plan_credit_note(invoice: Invoice, amounts: Mapping[str, Decimal] | None) -> PlannedCreditNote:
    """What a credit note of `amounts`, whole cents before tax by line id, would say; None: of all that is left.

    First it takes off what is due; the rest is given back. Raises InvoiceNotOpen, NothingToCredit and InvalidParameter.
    """
    check_credit(invoice)
    left = creditable(invoice)
    if left.net <= 0 or not left.lines:
        raise NothingToCredit(f"Nothing is left of {invoice} to credit: later invoices took back the rest of it.")
    lines = spread(left) if amounts is None else chosen(left, amounts)
    subtotal = sum((amount for _, amount in lines), NOTHING)
    if subtotal > left.net:
        raise NothingToCredit(
            f"Before tax {cents_text(left.net)} are left of {invoice}, after discounts and earlier credit notes: "
            f"not {cents_text(subtotal)}."
        )
    taxes = list(left.taxes) if subtotal == left.net else taxes_of(invoice, left, lines)
    planned = PlannedCreditNote(lines, subtotal, taxes, NOTHING)
    if not 0 < planned.total <= left.total:
        raise NothingToCredit(
            f"{cents_text(left.total)} are left of {invoice}, not {cents_text(planned.total)}: credit all of it."
        )
    due = invoice.amount_due if invoice.status in Invoice.OWED else NOTHING
    return PlannedCreditNote(lines, subtotal, planned.taxes, min(planned.total, due))


def chosen_amounts(invoice: Invoice, line_id: str | None, amount: Decimal | None) -> dict[str, Decimal] | None:
    """Amounts by line id as `plan_credit_note` takes them: of one line or of all, `amount` or all that is left.

    Raises NothingToCredit and InvalidParameter.
    """
    if line_id is None and amount is None:
        return None
    left = creditable(invoice)
    if line_id is not None:
        lefts = {line.public_id: rest for line, rest in left.lines}
        return {line_id: amount if amount is not None else min(lefts.get(line_id, NOTHING), left.net)}
    assert amount is not None  # noqa: S101 - one of the two
    if checked_amount(amount) > left.net:
        raise NothingToCredit(f"{cents_text(left.net)} are left of {invoice}, not {cents_text(amount)}.", param="amount")
    return {line.public_id: share for line, share in spread(left, amount)}


def spread(left: Creditable, amount: Decimal | None = None) -> list[tuple[InvoiceLine, Decimal]]:
    """An amount, or all that is left before tax, over the lines in proportion to what is left of each."""
    wanted = left.net if amount is None else amount
    whole = sum((rest for _, rest in left.lines), NOTHING)
    parts = [WIDE.divide(WIDE.multiply(wanted, rest), whole) for _, rest in left.lines]
    shares = zip(left.lines, share_out(wanted, parts), strict=True)
    return [(line, share) for (line, _), share in shares if share]


def chosen(left: Creditable, amounts: Mapping[str, Decimal]) -> list[tuple[InvoiceLine, Decimal]]:
    """The asked amounts, each at most what is left of its line. Raises InvalidParameter and NothingToCredit."""
    left_of = {line.public_id: amount for line, amount in left.lines}
    for line_id, amount in amounts.items():
        if checked_amount(amount, param=line_id) > left_of.get(line_id, NOTHING):
            most = cents_text(left_of.get(line_id, NOTHING))
            raise NothingToCredit(f"{most} are left of the line {line_id}, not {cents_text(amount)}.", param=line_id)
    if not amounts:
        raise InvalidParameter("Say what to credit: an amount of at least one line.", param="amounts")
    return [(line, amounts[line.public_id].quantize(ONE_CENT)) for line, _ in left.lines if line.public_id in amounts]


def taxes_of(invoice: Invoice, left: Creditable, lines: Sequence[tuple[InvoiceLine, Decimal]]) -> list[Tax]:
    """Each of the invoice's taxes on the lines that it was on, rounded half up, and never more than is left of it.

    What exhausts the net takes exactly the rest of each instead.
    """
    found = []
    for rest in left.taxes:
        taxable = sum((amount for line, amount in lines if rest.rate in rates_of_line(invoice, line)), NOTHING)
        amount = max(NOTHING, min(tax_on(taxable, rest.rate).amount, rest.amount))
        found.append(Tax(rest.name, rest.percent, taxable, amount))
    return found


def checked_note_reference(invoice: Invoice, reference: str) -> str:
    """A credit note may have none. Raises InvalidParameter, and NothingToCredit where a note of the invoice has the same."""
    if not reference.strip():
        return ""
    reference = checked_reference(reference, "credit note")
    refuse_repeated_reference(invoice.credit_notes.all(), reference, "credit note")
    return reference


def issue(
    invoice: Invoice,
    amounts: Mapping[str, Decimal] | None,
    reason: str,
    settlement: str,
    actor: str,
    now: datetime,
    reference: str = "",
) -> CreditNote:
    """A numbered credit note of an invoice that the transaction holds locked, its workspace before it.

    `settlement` says how what is given back reaches the customer; the caller does that
    (payments/refunds/reversals.py). Raises what `plan_credit_note` raises, and what `checked_note_reference` does.
    """
    reason, reference = checked_reason(reason), checked_note_reference(invoice, reference)
    planned = plan_credit_note(invoice, amounts)
    if planned.given_back and settlement not in CreditNote.Settlement.values:
        raise InvalidParameter(
            f"{cents_text(planned.given_back)} go back to the customer: say how, as one of "
            f"{', '.join(CreditNote.Settlement.values)}.",
            param="settlement",
        )
    note = CreditNote.objects.create(
        invoice=invoice,
        number=next_credit_note_number(now),
        reason=reason,
        reference=reference,
        currency=invoice.currency,
        subtotal=planned.subtotal,
        taxes=[tax.as_json() for tax in planned.taxes],
        tax=planned.tax,
        total=planned.total,
        off_due=planned.off_due,
        given_back=planned.given_back,
        settlement=settlement if planned.given_back else "",
        seller=invoice.seller,
        buyer=invoice.buyer,
        issued_at=now,
        issued_by=actor,
    )
    CreditNoteLine.objects.bulk_create(
        CreditNoteLine(credit_note=note, invoice_line=line, position=position, description=line.description, amount=amount)
        for position, (line, amount) in enumerate(planned.lines)
    )
    settled = settle_adjustment(note)
    total = cents_text(note.total)
    audit.record(
        actor,
        "credit_note.issued",
        note.public_id,
        invoice.workspace,
        now=now,
        number=note.number,
        invoice=invoice.number,
        total=total,
        reason=reason,
        reference=reference,
        settlement=note.settlement,
        settled_adjustment=cents_text(settled),
    )
    if planned.off_due and invoice.status == Invoice.Status.UNCOLLECTIBLE:
        post(write_off_reversed(invoice, planned.off_due, note.public_id, actor, now), now)
    post(credit_note_issued(note, ((line.kind, amount) for line, amount in planned.lines), actor, now), now)
    if planned.off_due:
        lower_due(invoice, planned.off_due, actor, now)
    shown = credit_note_summary_json(note)
    announce(invoice.workspace, "credit_note.issued", f"credit_note.issued:{note.public_id}", shown, now)
    return note
