"""What is left of an invoice to credit."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal
from typing import Any

from django.db.models import F, OuterRef, Subquery, Sum
from django.db.models.functions import Coalesce

from metering.invoicing.composing.taxes import Tax, TaxShare, rates_from, tax_on
from metering.invoicing.credit_notes.models import CreditNote, CreditNoteLine
from metering.invoicing.models import Invoice, InvoiceLine
from metering.money import ONE_CENT, WIDE

NOTHING = Decimal("0.00")


@dataclass(frozen=True, slots=True)
class Creditable:
    """What is left of an invoice, in whole cents: of each line, before tax, of each tax, and in all.

    What credit notes gave back is not, nor what later invoices took back of the same usage, with its discount and tax.

    Lines below zero, such as a discount, and promotional credits lower what is left before tax, and are not credited.
    """

    lines: Sequence[tuple[InvoiceLine, Decimal]]
    net: Decimal
    taxes: Sequence[Tax]

    @property
    def total(self) -> Decimal:
        return self.net + sum((tax.amount for tax in self.taxes), NOTHING)


def net_left(invoice: Invoice) -> Decimal:
    """Before tax and after credit notes, without a look at its lines and at later invoices."""
    return invoice.subtotal - invoice.promotional - sum((note.subtotal for note in invoice.credit_notes.all()), NOTHING)


def creditable(invoice: Invoice) -> Creditable:
    notes = list(invoice.credit_notes.all())
    by_line = CreditNoteLine.objects.filter(credit_note__invoice=invoice).order_by().values("invoice_line")
    credited = {row["invoice_line"]: row["amount"] for row in by_line.annotate(amount=Sum("amount"))}
    standing, left, gone = _standing(invoice), [], {}
    for line in invoice.lines.order_by("position"):
        rest = line.amount - credited.get(line.pk, NOTHING)
        if rest > 0:
            left.append((line, min(rest, standing.get(_item(line), rest))))
            gone[line] = rest - left[-1][1]
    withdrawn = _after_discount(invoice, gone)
    taxes = []
    for at, tax in enumerate(invoice.taxes):
        rate = TaxShare(tax["name"], Decimal(tax["percent"]))
        taxable = sum((amount for line, amount in withdrawn.items() if rate in rates_of_line(invoice, line)), NOTHING)
        rest = Decimal(tax["taxable"]) - credited_of_tax(notes, at, "taxable") - taxable
        amount = Decimal(tax["amount"]) - credited_of_tax(notes, at, "amount") - tax_on(taxable, rate).amount
        taxes.append(Tax(rate.name, rate.percent, rest, max(amount, NOTHING) if taxable else amount))
    return Creditable(
        lines=[(line, rest) for line, rest in left if rest > 0],
        net=net_left(invoice) - sum(withdrawn.values(), NOTHING),
        taxes=taxes,
    )


def rates_of_line(invoice: Invoice, line: InvoiceLine) -> tuple[TaxShare, ...]:
    """How the line was taxed: as its month was."""
    return rates_from(invoice.terms[f"{line.period_start:%Y-%m}"]["taxes"])


# What a line is about, at whatever price: lines of several invoices about the same bill it, and take it back.
ITEM = ("period_start", "language_model", "service_tier", "component")


def _item(line: InvoiceLine) -> tuple[Any, ...]:
    return (line.period_start, line.language_model_id, line.service_tier, line.component)


def _standing(invoice: Invoice) -> dict[tuple[Any, ...], Decimal]:
    """Of each item that a later invoice took some of back: what invoices and credit notes leave of it, nothing at least."""
    usage = InvoiceLine.objects.filter(invoice__workspace=invoice.workspace_id, invoice__status__in=Invoice.FINALIZED)
    usage = usage.filter(kind__in=(InvoiceLine.Kind.USAGE, InvoiceLine.Kind.ADJUSTMENT))
    usage = usage.filter(period_start__in=invoice.lines.values("period_start"))
    reduced = set(usage.filter(amount__lt=0, invoice__pk__gt=invoice.pk).values_list(*ITEM))
    if not reduced:
        return {}
    credited = CreditNoteLine.objects.filter(invoice_line=OuterRef("pk")).order_by().values("invoice_line")
    back = Coalesce(Subquery(credited.annotate(sum=Sum("amount")).values("sum")), NOTHING)
    sums = usage.order_by().values_list(*ITEM).annotate(sum=Sum(F("amount") - back))
    return {tuple(item): max(amount, NOTHING) for *item, amount in sums if tuple(item) in reduced}


def _after_discount(invoice: Invoice, withdrawn: Mapping[InvoiceLine, Decimal]) -> dict[InvoiceLine, Decimal]:
    """What was taken back of lines, less the invoice's discounts, in whole cents: rounded up, so that not too much is left."""
    whole = sum((line.amount for line in invoice.lines.all() if line.amount > 0), NOTHING)
    net = invoice.subtotal - invoice.promotional
    shares = {line: WIDE.divide(WIDE.multiply(amount, net), whole) for line, amount in withdrawn.items() if amount > 0}
    return {line: share.quantize(ONE_CENT, rounding=ROUND_CEILING) for line, share in shares.items()}


def credited_of_tax(notes: Sequence[CreditNote], at: int, what: str) -> Decimal:
    """What was credited of the invoice's tax at this place in its list: credit notes list the same taxes in the same order."""
    return sum((Decimal(note.taxes[at][what]) for note in notes), NOTHING)
