"""What a month's usage comes to, one line per model, service tier, component and price version.

Read from the daily rollups, never from events. Quantities are compared and billed by `LineKey`; everything a line
prints follows from its key and quantity, because a price in force never changes.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple

from metering.breakdown import billed_of, pico_rates
from metering.catalogue.models import LanguageModel, PriceVersion
from metering.components import COUNTED, Counts, component_named, place_of, rates_per_million
from metering.ingest.models import EventStatus
from metering.invoicing.models import InvoiceLine
from metering.money import from_pico
from metering.periods import Period, month_of
from metering.rows import columns_of, fetch_together, instances_of
from workspaces.models import Workspace

BILLED_STATUSES = (EventStatus.SUCCEEDED, EventStatus.ABORTED)


class LedgerMismatch(Exception):
    """A bug, not a refusal: the rollups' cost is not their tokens times the rates of their price version."""


class LineKey(NamedTuple):
    """What is billed once: how much of one component a month used under one price version.

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
    """A line before it is stored: a quantity, USD per million of it, exact USD, and its share of the rounded subtotal."""

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
    asked = {"workspaces": list(found), "start": start, "end": end, "billed": [each.value for each in BILLED_STATUSES]}
    rows, more = fetch_together([USED, USED_OTHERS], asked)
    others: dict[tuple[Any, ...], dict[str, int]] = defaultdict(dict)
    for *item, component, quantity in more:
        others[tuple(item)][component] = int(quantity)
    picos: dict[int, dict[str, int]] = {}
    for *item, tier, cost, requests, counts, version in map(_read_row, rows):
        owner, month, model, _, price = item
        if price not in picos and version[0] is not None:
            (rated_by,) = instances_of(PriceVersion, [version])
            picos[price] = pico_rates(rates_per_million(rated_by))
        rates = picos.get(price, {})
        billed = billed_of(counts, tuple(others[tuple(item)].items()), requests, rates)
        if not rates or cost != from_pico(sum(quantity * rates.get(name, 0) for name, quantity in billed.items())):
            whose = next(each.public_id for each in workspaces if each.pk == owner)
            raise LedgerMismatch(f"{whose} {month:%Y-%m}, price {price}: {billed}, {cost}")
        for name, quantity in billed.items():
            if quantity:
                found[owner][LineKey(month, model, tier, version[PUBLIC_ID], name)] = quantity
    return found


def _read_row(row: tuple[Any, ...]) -> tuple[Any, ...]:
    """A row of USED, with its counts and its price version as one."""
    *plain, requests = row[:WHAT]
    counts = Counts(*map(int, row[WHAT : WHAT + len(COUNTED)]))
    return *plain, int(requests), counts, row[WHAT + len(COUNTED) :]


ITEM = "workspace_id, date_trunc('month', day, 'UTC') AS month, model_id, service_tier_id, price_id"
BILLABLE = """workspace_id = ANY(%(workspaces)s) AND day < %(end)s AND price_id > 0 AND status = ANY(%(billed)s)
      AND (%(start)s::timestamptz IS NULL OR day >= %(start)s)"""
USED = f"""
WITH used AS (
    SELECT {ITEM}, sum(cost) AS cost, sum(requests) AS requests,
           {", ".join(f"sum({each.quantity}) AS {each.name}" for each in COUNTED)}
    FROM metering_dailyrollup WHERE {BILLABLE} GROUP BY 1, 2, 3, 4, 5
)
SELECT used.workspace_id, month, used.model_id, service_tier_id, price_id, tier.name, cost, requests,
       {", ".join(f"used.{each.name}" for each in COUNTED)}, {columns_of(PriceVersion, "price")}
FROM used JOIN metering_servicetier tier ON tier.id = service_tier_id
LEFT JOIN metering_priceversion price ON price.id = price_id
"""  # noqa: S608 - columns
WHAT = 8  # columns before the counts
USED_OTHERS = f"""
SELECT {ITEM}, component, sum(quantity) FROM metering_dailyquantity WHERE {BILLABLE} GROUP BY 1, 2, 3, 4, 5, 6
"""  # noqa: S608 - constants
PUBLIC_ID = [field.attname for field in PriceVersion._meta.concrete_fields].index("public_id")


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
        return (*kind_and_month, *what, *version, place_of(key.component))

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


def prices_and_models_of(keys: Collection[LineKey]) -> tuple[dict[str, PriceVersion], dict[int, LanguageModel]]:
    """Price versions by their public ids, and models by their primary keys."""
    asked = {"prices": list({key.price for key in keys}), "models": list({key.model_id for key in keys})}
    prices, models = fetch_together([PRICES, MODELS], asked)
    return (
        {each.public_id: each for each in instances_of(PriceVersion, prices)},
        {each.pk: each for each in instances_of(LanguageModel, models)},
    )


PRICES = f"""
SELECT {columns_of(PriceVersion, "price")} FROM metering_priceversion price WHERE public_id = ANY(%(prices)s)
"""  # noqa: S608 - columns
MODELS = f"""
SELECT {columns_of(LanguageModel, "model")} FROM metering_languagemodel model WHERE id = ANY(%(models)s)
"""  # noqa: S608 - columns


def description(model: str, key: LineKey, price: PriceVersion, dated: bool) -> str:
    """Such as "codex-mini, cached input" and "grok-3, output, priority tier, price from 2026-10-15"."""
    parts = [model, component_named(key.component).label]
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
    """USD per million of the smallest unit of the component: tokens, for most."""
    return rates_per_million(price)[component]


def pico(price: PriceVersion, component: str, quantity: int) -> int:
    """Pico-dollars, exact: a rate has six decimals per million."""
    return quantity * int(rate_of(price, component).scaleb(6))
