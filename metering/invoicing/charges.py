"""Discounts and minimum commitments, month by month: what they should come to minus what was billed of them.

It is the same subtraction as for tokens, so late usage of a month that was topped up to its minimum costs nothing until
the minimum is reached, and a month's discount follows its usage in both directions. A month keeps the terms that it was
first billed by.
"""

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db.models import Sum

from metering.catalogue.models import PriceVersion
from metering.invoicing.adjustments import FINALIZED, Unbilled
from metering.invoicing.lines import DraftLine, LineKey, amount_of, prices_of
from metering.invoicing.models import InvoiceLine
from metering.invoicing.terms import minimum_of
from metering.invoicing.terms_models import BillingTerms
from metering.money import ONE_PICO, WIDE, cents_text
from metering.periods import Period, month_of

NOTHING = Decimal(0)
KINDS = (InvoiceLine.Kind.DISCOUNT, InvoiceLine.Kind.MINIMUM)


@dataclass(slots=True)
class Usage:
    """What a month's usage costs: all of it, and the part at list prices. Exact USD."""

    total: Decimal = NOTHING
    at_list_price: Decimal = NOTHING


@dataclass(frozen=True, slots=True)
class Agreed:
    """What holds for one month: percent off list prices, and the least it costs in whole cents."""

    discount_percent: Decimal
    minimum: Decimal


@dataclass(slots=True)
class Billed:
    """What finalized invoices say of earlier months: the terms each was first billed by, and sums by (month, kind)."""

    terms: dict[datetime, dict[str, Any]] = field(default_factory=dict)
    amounts: dict[tuple[datetime, str], Decimal] = field(default_factory=dict)


def charges(terms: BillingTerms, unbilled: Unbilled, period: Period) -> tuple[list[DraftLine], dict[datetime, Agreed]]:
    """The discount and minimum lines of the invoice for `period`, and what holds for each month it looks at."""
    billed = billed_charges(terms, unbilled, period)
    usage = usage_by_month(unbilled)
    months = {month for month in (*usage, *billed.terms, period.start) if month not in unbilled.voided}
    agreed = {month: agreed_for(month, billed, terms) for month in sorted(months)}
    lines = []
    for month, what in agreed.items():
        used = usage.get(month, Usage())
        discount = -percent_of(used.at_list_price, what.discount_percent)
        topped_up = max(NOTHING, what.minimum - (used.total + discount))
        for kind, should in ((InvoiceLine.Kind.DISCOUNT, discount), (InvoiceLine.Kind.MINIMUM, topped_up)):
            missing = WIDE.subtract(should, billed.amounts.get((month, kind), NOTHING))
            if missing:
                lines.append(line(kind, month, missing, what, period))
    return lines, agreed


def usage_by_month(unbilled: Unbilled) -> dict[datetime, Usage]:
    prices: dict[str, PriceVersion] = prices_of(unbilled.used)
    months: dict[datetime, Usage] = defaultdict(Usage)
    for key, quantity in unbilled.used.items():
        amount, month = amount_of(key, quantity, prices), months[key.month]
        month.total = WIDE.add(month.total, amount)
        if prices[key.price].workspace_id is None:
            month.at_list_price = WIDE.add(month.at_list_price, amount)
    return months


def billed_charges(terms: BillingTerms, unbilled: Unbilled, period: Period) -> Billed:
    lines = InvoiceLine.objects.filter(
        invoice__workspace=terms.workspace, invoice__status__in=FINALIZED, period_start__lt=period.end
    )
    if unbilled.start is not None:
        lines = lines.filter(period_start__gte=unbilled.start)
    first = lines.order_by("period_start", "invoice__finalized_at", "invoice_id").distinct("period_start")
    sums = lines.filter(kind__in=KINDS).order_by().values_list("period_start", "kind").annotate(amount=Sum("amount_exact"))
    return Billed(
        terms=dict(first.values_list("period_start", "invoice__terms")),
        amounts={(month, kind): amount for month, kind, amount in sums},
    )


def agreed_for(month: datetime, billed: Billed, terms: BillingTerms) -> Agreed:
    """An invoiced month's terms are those it was first billed by; another's are today's."""
    if month not in billed.terms:
        return Agreed(terms.discount_percent, minimum_of(terms, month_of(month)))
    kept = billed.terms[month].get(f"{month:%Y-%m}", {})
    return Agreed(Decimal(kept.get("discount_percent", "0")), Decimal(kept.get("minimum_commitment", "0.00")))


def agreed_json(agreed: dict[datetime, Agreed]) -> dict[str, dict[str, str]]:
    """As an invoice keeps it, by month: {"2026-10": {"discount_percent": "10.00", "minimum_commitment": "500.00"}}."""
    return {
        f"{month:%Y-%m}": {"discount_percent": f"{what.discount_percent:f}", "minimum_commitment": cents_text(what.minimum)}
        for month, what in agreed.items()
        if what.discount_percent or what.minimum
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
