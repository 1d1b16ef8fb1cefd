"""Discounts and minimum commitments, month by month: what they should come to minus what was billed of them.

It is the same subtraction as for tokens, so late usage of a month that was topped up to its minimum costs nothing until
the minimum is reached, and a month's discount follows its usage in both directions. A month keeps the terms that it was
first billed by, its taxes among them.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from metering.invoicing.composing.adjustments import Unbilled
from metering.invoicing.composing.books import BookedInvoice, Books
from metering.invoicing.composing.fee_lines import months_with_fees
from metering.invoicing.composing.lines import DraftLine, LineKey, Quantities, amount_of
from metering.invoicing.composing.taxes import Tax, TaxShare, rates_from
from metering.invoicing.models import Invoice, InvoiceLine
from metering.invoicing.terms.in_force import in_force
from metering.invoicing.terms.models import AgreedPricing
from metering.money import ONE_PICO, WIDE, cents_text
from metering.periods import Period, month_of, next_month

NOTHING = Decimal(0)
KINDS = (InvoiceLine.Kind.DISCOUNT, InvoiceLine.Kind.MINIMUM)


@dataclass(slots=True)
class MonthUsage:
    """What a month's usage costs: all of it, and the part at list prices. Exact USD."""

    total: Decimal = NOTHING
    at_list_price: Decimal = NOTHING


@dataclass(frozen=True, slots=True)
class Agreed:
    """What holds for one month: percent off list prices, the least it costs in whole cents, and how it is taxed."""

    discount_percent: Decimal
    minimum: Decimal
    taxes: tuple[TaxShare, ...]


Charges = dict[str, Decimal]


def discount_and_minimum_lines(
    books: Books, unbilled: Unbilled, period: Period
) -> tuple[list[DraftLine], dict[datetime, Agreed]]:
    """The discount and minimum lines of the invoice for `period`, and what holds for each month it looks at."""
    usage, waits, waiting = (usage_by_month(each, books) for each in (unbilled.used, unbilled.waits, unbilled.waiting))
    start = unbilled.start
    invoiced = {month for month in (*books.billed.invoices, *books.waiting.invoices) if start is None or month >= start}
    with_fees = {
        each for each in months_with_fees(books.fees, books.manual_lines, period.end) if start is None or each >= start
    }
    looked_at = {*usage, *invoiced, *with_fees, *committed_months(books.pricing, start, period), period.start}
    agreed = {month: agreed_for(month, books, period) for month in sorted(looked_at) if month < period.end}
    lines = []
    for month, what in agreed.items():
        should = charges_on(usage.get(month), what)
        if month in books.waiting.invoices and month < period.start:
            should = less(should, waiting_charges(books, month, waits.get(month), waiting.get(month), what))
        for kind in KINDS:
            missing = WIDE.subtract(should[kind], books.billed.charges.get((month, kind, ""), NOTHING))
            if missing:
                lines.append(line(kind, month, missing, what, period))
    return lines, agreed


def charges_on(used: MonthUsage | None, what: Agreed) -> Charges:
    """What a month's discount and minimum should come to, exact USD."""
    used = used or MonthUsage()
    discount = -percent_of(used.at_list_price, what.discount_percent)
    topped_up = max(NOTHING, what.minimum - (used.total + discount))
    return {InvoiceLine.Kind.DISCOUNT: discount, InvoiceLine.Kind.MINIMUM: topped_up}


def waiting_charges(
    books: Books, month: datetime, waits: MonthUsage | None, waiting: MonthUsage | None, what: Agreed
) -> Charges:
    """What a void invoice says of its month's discount and minimum, moved by what became of its usage since."""
    said = {kind: books.waiting.charges.get((month, kind, ""), NOTHING) for kind in KINDS}
    moved = less(charges_on(waiting, what), charges_on(waits, what))
    return {kind: WIDE.add(said[kind], moved[kind]) for kind in KINDS}


def less(charges: Charges, others: Charges) -> Charges:
    return {kind: WIDE.subtract(charges[kind], others[kind]) for kind in KINDS}


def usage_by_month(quantities: Quantities, books: Books) -> dict[datetime, MonthUsage]:
    months: dict[datetime, MonthUsage] = defaultdict(MonthUsage)
    for key, quantity in quantities.items():
        amount, month = amount_of(key, quantity, books.prices), months[key.month]
        month.total = WIDE.add(month.total, amount)
        if books.prices[key.price].workspace_id is None:
            month.at_list_price = WIDE.add(month.at_list_price, amount)
    return months


def agreed_for(month: datetime, books: Books, own: Period) -> Agreed:
    """A month keeps what its invoice says, or else the first that billed something of it.

    While its invoice is void, later invoices follow the discount and the minimum that waits on it. Its reissue follows what
    is agreed now. Its taxes are those of the first invoice that stands, or today's.
    """
    of_month = [each for each in books.invoices if each.month == month and each.status != Invoice.Status.DRAFT]
    others = books.billed.invoices.get(month, ())
    stands = [each for each in books.invoices if each.id in others]
    first = min(stands, key=lambda each: (each.month != month, each.finalized_at, each.id), default=None)
    now = agreed_on(month, books.pricing, books.taxes)
    if first is None or (of_month and first.month != month):
        taxes = now.taxes if first is None else agreed_then(month, first).taxes
        pricing = agreed_then(month, of_month[-1]) if month in books.waiting.invoices and month < own.start else now
        return replace(pricing, taxes=taxes)
    return agreed_then(month, first)


def committed_months(pricing: Sequence[AgreedPricing], start: datetime | None, own: Period) -> Iterator[datetime]:
    """Months with a minimum: one without usage and without an invoice owes it all the same."""
    first = next((each.effective_from for each in pricing if each.minimum_commitment is not None), own.end)
    month = max(first, start or first)
    while month < own.end:
        if in_force(pricing, month).minimum_commitment is not None:
            yield month
        month = next_month(month)


def agreed_on(month: datetime, pricing: Sequence[AgreedPricing], taxes: tuple[TaxShare, ...]) -> Agreed:
    """What was agreed for a month that was never invoiced, and today's taxes."""
    found = in_force(pricing, month)
    return Agreed(found.discount_percent, found.minimum_commitment or Decimal("0.00"), taxes)


def agreed_then(month: datetime, invoice: BookedInvoice) -> Agreed:
    """What was agreed as an invoice that billed the month keeps it: older ones tax all their months alike."""
    found = invoice.terms.get(f"{month:%Y-%m}", {})
    return Agreed(
        Decimal(found.get("discount_percent", "0")),
        Decimal(found.get("minimum_commitment", "0.00")),
        rates_from(found.get("taxes", invoice.taxes)),
    )


def agreed_json(agreed: Mapping[datetime, Agreed], taxed: Mapping[datetime, Sequence[Tax]]) -> dict[str, dict[str, Any]]:
    """What an invoice keeps by month, with what of its taxes is for that month: {"2026-10": {"discount_percent",
    "minimum_commitment", "taxes": [{name, percent}], "taxed": [{name, percent, taxable, amount}]}}.
    """
    return {
        f"{month:%Y-%m}": {
            "discount_percent": f"{what.discount_percent:f}",
            "minimum_commitment": cents_text(what.minimum),
            "taxes": [rate.as_json() for rate in what.taxes],
            "taxed": [tax.as_json() for tax in taxed.get(month, ())],
        }
        for month, what in agreed.items()
    }


def percent_of(amount: Decimal, percent: Decimal) -> Decimal:
    """Rounded to the pico-dollar: the one place where a product of exact amounts has more places than twelve."""
    return WIDE.multiply(amount, percent).scaleb(-2, WIDE).quantize(ONE_PICO, context=WIDE)


def line(kind: str, month: datetime, amount: Decimal, what: Agreed, own: Period) -> DraftLine:
    if kind == InvoiceLine.Kind.DISCOUNT:
        text = f"Discount of {what.discount_percent.normalize():f} % on list prices"
    else:
        text = f"Minimum commitment of {cents_text(what.minimum)} USD"
    if month != own.start:
        text = f"{month:%B %Y}: {text}"
    key = LineKey(month, 0, "", "", "")
    return DraftLine(key, kind, text, "", 1, NOTHING, amount, month_of(month))
