"""Discounts and minimum commitments, month by month: what they should come to minus what was billed of them.

It is the same subtraction as for tokens, so late usage of a month that was topped up to its minimum costs nothing until
the minimum is reached, and a month's discount follows its usage in both directions. A month keeps the terms that it was
first billed by, its taxes among them.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db.models import Sum

from metering.catalogue.models import PriceVersion
from metering.invoicing.composing.adjustments import Unbilled
from metering.invoicing.composing.lines import DraftLine, LineKey, amount_of, prices_of
from metering.invoicing.composing.taxes import TaxShare, rates_from
from metering.invoicing.models import Invoice, InvoiceLine
from metering.invoicing.terms.in_force import in_force, pricing_of, tax_rates_of
from metering.invoicing.terms.models import AgreedPricing, BillingTerms
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


@dataclass(slots=True)
class BilledCharges:
    """What finalized invoices say of earlier months: what each was first billed by, and sums by (month, kind)."""

    agreed: dict[datetime, Agreed] = field(default_factory=dict)
    amounts: dict[tuple[datetime, str], Decimal] = field(default_factory=dict)


def discount_and_minimum_lines(
    terms: BillingTerms, unbilled: Unbilled, period: Period
) -> tuple[list[DraftLine], dict[datetime, Agreed]]:
    """The discount and minimum lines of the invoice for `period`, and what holds for each month it looks at."""
    billed = billed_charges(terms, unbilled, period)
    usage = usage_by_month(unbilled)
    pricing, taxes = pricing_of(terms.workspace), tax_rates_of(terms)
    looked_at = {*usage, *billed.agreed, *committed_months(pricing, unbilled.start, period), period.start}
    agreed = {
        month: billed.agreed.get(month) or agreed_on(month, pricing, taxes) for month in sorted(looked_at - unbilled.voided)
    }
    lines = []
    for month, what in agreed.items():
        used = usage.get(month, MonthUsage())
        discount = -percent_of(used.at_list_price, what.discount_percent)
        topped_up = max(NOTHING, what.minimum - (used.total + discount))
        for kind, should in ((InvoiceLine.Kind.DISCOUNT, discount), (InvoiceLine.Kind.MINIMUM, topped_up)):
            missing = WIDE.subtract(should, billed.amounts.get((month, kind), NOTHING))
            if missing:
                lines.append(line(kind, month, missing, what, period))
    return lines, agreed


def usage_by_month(unbilled: Unbilled) -> dict[datetime, MonthUsage]:
    prices: dict[str, PriceVersion] = prices_of(unbilled.used)
    months: dict[datetime, MonthUsage] = defaultdict(MonthUsage)
    for key, quantity in unbilled.used.items():
        amount, month = amount_of(key, quantity, prices), months[key.month]
        month.total = WIDE.add(month.total, amount)
        if prices[key.price].workspace_id is None:
            month.at_list_price = WIDE.add(month.at_list_price, amount)
    return months


def billed_charges(terms: BillingTerms, unbilled: Unbilled, period: Period) -> BilledCharges:
    lines = InvoiceLine.objects.filter(
        invoice__workspace=terms.workspace, invoice__status__in=Invoice.FINALIZED, period_start__lt=period.end
    )
    if unbilled.start is not None:
        lines = lines.filter(period_start__gte=unbilled.start)
    first = lines.order_by("period_start", "invoice__finalized_at", "invoice_id").distinct("period_start")
    sums = lines.filter(kind__in=KINDS).order_by().values_list("period_start", "kind").annotate(amount=Sum("amount_exact"))
    kept = first.values_list("period_start", "invoice__terms", "invoice__taxes")
    return BilledCharges(
        agreed={month: agreed_then(month, agreed, taxes) for month, agreed, taxes in kept},
        amounts={(month, kind): amount for month, kind, amount in sums},
    )


def committed_months(pricing: Sequence[AgreedPricing], start: datetime | None, own: Period) -> Iterator[datetime]:
    """Months with a minimum: one without usage and without an invoice owes it all the same."""
    first = next((each.effective_from for each in pricing if each.minimum_commitment is not None), own.end)
    month = max(first, start or first)
    while month < own.end:
        if in_force(pricing, month).minimum_commitment is not None:
            yield month
        month = next_month(month)


def agreed_on(month: datetime, pricing: Sequence[AgreedPricing], taxes: tuple[TaxShare, ...]) -> Agreed:
    """Of a month that was never invoiced: what was agreed for it, and today's taxes."""
    found = in_force(pricing, month)
    return Agreed(found.discount_percent, found.minimum_commitment or Decimal("0.00"), taxes)


def agreed_then(month: datetime, kept: dict[str, Any], taxes: list[dict[str, Any]]) -> Agreed:
    """Of a month's first invoice, from `Invoice.terms` and `Invoice.taxes`: the older ones tax all their months alike."""
    found = kept.get(f"{month:%Y-%m}", {})
    return Agreed(
        Decimal(found.get("discount_percent", "0")),
        Decimal(found.get("minimum_commitment", "0.00")),
        rates_from(found.get("taxes", taxes)),
    )


def agreed_json(agreed: dict[datetime, Agreed]) -> dict[str, dict[str, Any]]:
    """As an invoice keeps it, by month: {"2026-10": {"discount_percent", "minimum_commitment", "taxes": [{name, percent}]}}."""
    return {
        f"{month:%Y-%m}": {
            "discount_percent": f"{what.discount_percent:f}",
            "minimum_commitment": cents_text(what.minimum),
            "taxes": [rate.as_json() for rate in what.taxes],
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
