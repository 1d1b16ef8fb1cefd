"""What a month's usage comes to, one line per model, service tier, component and price version.

Read from the daily rollups, never from events. Quantities are compared and billed by `LineKey`; everything a line
prints follows from its key and quantity, because a price in force never changes.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, NamedTuple

from django.db.models import F, Sum
from django.db.models.expressions import Combinable
from django.db.models.functions import TruncMonth

from metering.catalogue.models import LanguageModel, PriceVersion
from metering.components import BY_NAME, COMPONENTS, NAMES, Component, priced_parts, rates_per_million
from metering.ingest.models import EventStatus
from metering.invoicing.models import InvoiceLine
from metering.money import from_pico
from metering.periods import Period, month_of
from metering.rollups.models import DailyRollup
from workspaces.models import Workspace

BILLED_STATUSES = (EventStatus.SUCCEEDED, EventStatus.ABORTED)


class LedgerMismatch(Exception):
    """A bug, not a refusal: the rollups' cost is not their tokens times the rates of their price version."""


class LineKey(NamedTuple):
    """What is billed once: a month's tokens of one component under one price version.

    A discount's and a minimum's have only a month: model 0 and empty texts. A fee's and a manual line's have its id as `price`.
    """

    month: datetime
    model_id: int
    service_tier: str
    price: str
    component: str


Quantities = dict[LineKey, int]


@dataclass(frozen=True, slots=True)
class DraftLine:
    """A line before it is stored: tokens, USD per million tokens, exact USD, and its share of the rounded subtotal."""

    key: LineKey
    kind: str
    description: str
    model: str
    quantity: int
    rate_per_million: Decimal
    amount_exact: Decimal
    period: Period
    amount: Decimal = Decimal("0.00")

    @property
    def service_tier(self) -> str:
        return self.key.service_tier

    @property
    def component(self) -> str:
        return self.key.component

    @property
    def price(self) -> str:
        return self.key.price

    def showing(self, amount: Decimal) -> "DraftLine":
        """The same line with its displayed amount, in whole cents."""
        return replace(self, amount=amount)


def used(workspace: Workspace, start: datetime | None, end: datetime) -> Quantities:
    """Billable tokens of the months from `start` (None: from the first) up to `end`, whatever was billed of them before.

    At the rates of their price versions they come to the cost of the rollups; raises LedgerMismatch otherwise.
    """
    return used_by_workspace([workspace], start, end)[workspace.pk]


def used_by_workspace(workspaces: Sequence[Workspace], start: datetime | None, end: datetime) -> dict[int, Quantities]:
    """The same of many, by their primary keys."""
    found: dict[int, Quantities] = {each.pk: {} for each in workspaces}
    rows = _used_rows(list(found), start, end)
    prices = PriceVersion.objects.in_bulk({row["price_id"] for row in rows})
    micros = {pk: {name: int(rate.scaleb(6)) for name, rate in rates_per_million(each).items()} for pk, each in prices.items()}
    for row in rows:
        price = prices.get(row["price_id"])
        if price is None or row["total_cost"] != from_pico(sum(row[name] * rate for name, rate in micros[price.pk].items())):
            owner = next(each.public_id for each in workspaces if each.pk == row["workspace_id"])
            raise LedgerMismatch(f"{owner} {row['month']:%Y-%m}, price {price or row['price_id']}: {row}")
        quantities = found[row["workspace_id"]]
        for name in NAMES:
            if row[name]:
                quantities[LineKey(row["month"], row["model_id"], row["tier"], price.public_id, name)] = row[name]
    return found


def _used_rows(workspace_ids: list[int], start: datetime | None, end: datetime) -> list[dict[str, Any]]:
    rollups = DailyRollup.objects.filter(
        workspace__in=workspace_ids, day__lt=end, price_id__gt=0, status__in=BILLED_STATUSES
    ).order_by()
    if start is not None:
        rollups = rollups.filter(day__gte=start)
    what = {"tier": F("service_tier__name"), "month": TruncMonth("day", tzinfo=UTC)}
    sums = {**{each.name: _billed_sum(each) for each in COMPONENTS}, "total_cost": Sum("cost")}
    return [dict(row) for row in rollups.values("workspace_id", "model_id", "price_id", **what).annotate(**sums)]


def _billed_sum(component: Component) -> Sum:
    """Over rollups: what was counted of it, less what is billed as other components."""
    billed: Combinable = F(component.quantity)
    for part in priced_parts(component):
        billed -= F(part.quantity)
    return Sum(billed)


def draft_lines(
    quantities: Mapping[LineKey, int], own: Period, prices: Mapping[str, PriceVersion], models: Mapping[int, LanguageModel]
) -> list[DraftLine]:
    """Quantities of tokens as lines of the invoice for `own`: its own month as usage, the rest as adjustments.

    Usage comes first, then the adjustments month by month; within a month by model, tier, price and component. What is
    free is shown as usage and left out as an adjustment: it would correct no money.
    """
    several = with_several_versions(quantities, prices)

    def order(key: LineKey) -> tuple[object, ...]:
        price = prices[key.price]
        version = (price.effective_from, price.revision, price.above_input_tokens, price.public_id)
        kind_and_month = (line_kind(key, quantities[key], own) != InvoiceLine.Kind.USAGE, key.month)
        what = (models[key.model_id].slug, key.service_tier != "default", key.service_tier)
        return (*kind_and_month, *what, *version, NAMES.index(key.component))

    lines = []
    for key in sorted(quantities, key=order):
        quantity, price = quantities[key], prices[key.price]
        kind, model = line_kind(key, quantity, own), models[key.model_id].slug
        amount = amount_of(key, quantity, prices)
        if kind == InvoiceLine.Kind.ADJUSTMENT and not amount:
            continue
        text = description(model, key, price, dated=(key.month, key.model_id, key.service_tier) in several)
        if kind == InvoiceLine.Kind.ADJUSTMENT:
            text = f"{key.month:%B %Y}: {text}"
        rate = rate_of(price, key.component)
        lines.append(DraftLine(key, kind, text, model, quantity, rate, amount, month_of(key.month)))
    return lines


def line_kind(key: LineKey, quantity: int, own: Period) -> str:
    """Usage is the invoice's own month; another month's tokens, or tokens taken back, adjust."""
    if key.month == own.start and quantity > 0:
        return InvoiceLine.Kind.USAGE
    return InvoiceLine.Kind.ADJUSTMENT


def amount_of(key: LineKey, quantity: int, prices: Mapping[str, PriceVersion]) -> Decimal:
    """What so many tokens at this price cost: exact USD."""
    return from_pico(pico(prices[key.price], key.component, quantity))


def prices_of(keys: Iterable[LineKey]) -> dict[str, PriceVersion]:
    """Price versions by their public ids."""
    return PriceVersion.objects.in_bulk({key.price for key in keys}, field_name="public_id")


def description(model: str, key: LineKey, price: PriceVersion, dated: bool) -> str:
    """Such as "codex-mini, cached input" and "grok-3, output, priority tier, price from 2026-10-15"."""
    parts = [model, BY_NAME[key.component].label]
    if key.service_tier != "default":
        parts.append(f"{key.service_tier} tier")
    if price.above_input_tokens:
        parts.append(f"requests above {price.above_input_tokens:,} input tokens")
    if dated:
        at_midnight = price.effective_from == price.effective_from.replace(hour=0, minute=0, second=0, microsecond=0)
        parts.append(f"price from {price.effective_from:{'%Y-%m-%d' if at_midnight else '%Y-%m-%d %H:%M'}}")
        if price.revision:
            parts.append("corrected" if price.revision == 1 else f"corrected {price.revision} times")
    return ", ".join(parts)


def with_several_versions(keys: Iterable[LineKey], prices: Mapping[str, PriceVersion]) -> set[tuple[datetime, int, str]]:
    """The (month, model, tier) whose lines need a date to be distinguished."""
    versions: dict[tuple[datetime, int, str], dict[int, set[str]]] = defaultdict(lambda: defaultdict(set))
    for key in keys:
        threshold = prices[key.price].above_input_tokens
        versions[key.month, key.model_id, key.service_tier][threshold].add(key.price)
    return {what for what, found in versions.items() if any(len(ids) > 1 for ids in found.values())}


def rate_of(price: PriceVersion, component: str) -> Decimal:
    """USD per million tokens."""
    return rates_per_million(price)[component]


def pico(price: PriceVersion, component: str, tokens: int) -> int:
    """Pico-dollars, exact: a rate has six decimals per million tokens."""
    return tokens * int(rate_of(price, component).scaleb(6))
