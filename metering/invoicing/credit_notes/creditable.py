"""What is left of an invoice to credit."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from django.db.models import Sum

from metering.invoicing.composing.taxes import Tax
from metering.invoicing.credit_notes.models import CreditNote, CreditNoteLine
from metering.invoicing.models import Invoice, InvoiceLine

NOTHING = Decimal("0.00")


@dataclass(frozen=True, slots=True)
class Creditable:
    """What earlier credit notes left of an invoice, in whole cents: of each line, before tax, of each tax, and in all.

    Lines below zero, such as a discount, and promotional credits lower what is left before tax, and are not credited.
    """

    lines: Sequence[tuple[InvoiceLine, Decimal]]
    net: Decimal
    taxes: Sequence[Tax]

    @property
    def total(self) -> Decimal:
        return self.net + sum((tax.amount for tax in self.taxes), NOTHING)


def net_left(invoice: Invoice) -> Decimal:
    """Before tax, without a look at its lines."""
    return invoice.subtotal - invoice.promotional - sum((note.subtotal for note in invoice.credit_notes.all()), NOTHING)


def creditable(invoice: Invoice) -> Creditable:
    notes = list(invoice.credit_notes.all())
    by_line = CreditNoteLine.objects.filter(credit_note__invoice=invoice).order_by().values("invoice_line")
    credited = {row["invoice_line"]: row["amount"] for row in by_line.annotate(amount=Sum("amount"))}
    lines = [(line, line.amount - credited.get(line.pk, NOTHING)) for line in invoice.lines.order_by("position")]
    return Creditable(
        lines=[(line, left) for line, left in lines if left > 0],
        net=net_left(invoice),
        taxes=[
            Tax(
                tax["name"],
                Decimal(tax["percent"]),
                Decimal(tax["taxable"]) - credited_of_tax(notes, at, "taxable"),
                Decimal(tax["amount"]) - credited_of_tax(notes, at, "amount"),
            )
            for at, tax in enumerate(invoice.taxes)
        ],
    )


def credited_of_tax(notes: Sequence[CreditNote], at: int, what: str) -> Decimal:
    """What was credited of the invoice's tax at this place in its list: credit notes list the same taxes in the same order."""
    return sum((Decimal(note.taxes[at][what]) for note in notes), NOTHING)
