"""What a month's usage comes to, one line per model, service tier, component and price version.

Read from the daily rollups, never from events. Quantities are compared and billed by `LineKey`; everything a line
prints follows from its key and quantity, because a price in force never changes.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from metering.catalogue.models import LanguageModel, PriceVersion
from metering.components import BY_NAME, COMPONENTS, NAMES, Component, priced_parts, rates_per_million
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
    asked = {"workspaces": list(found), "start": start, "end": end, "billed": [each.value for each in BILLED_STATUSES]}
    (rows,) = fetch_together([USED], asked)
    micros: dict[int, dict[str, int]] = {}
    for owner, month, model, tier, price, cost, *rest in rows:
        tokens, version = dict(zip(NAMES, map(int, rest[: len(NAMES)]), strict=True)), rest[len(NAMES) :]
        if price not in micros and version[0] is not None:
            (rated_by,) = instances_of(PriceVersion, [version])
            micros[price] = {name: int(rate.scaleb(6)) for name, rate in rates_per_million(rated_by).items()}
        rates = micros.get(price)
        if rates is None or cost != from_pico(sum(tokens[name] * rate for name, rate in rates.items())):
            whose = next(each.public_id for each in workspaces if each.pk == owner)
            raise LedgerMismatch(f"{whose} {month:%Y-%m}, price {price}: {tokens}, {cost}")
        for name, quantity in tokens.items():
            if quantity:
                found[owner][LineKey(month, model, tier, version[PUBLIC_ID], name)] = quantity
    return found


def _billed_sum(component: Component) -> str:
    """Over rollups: what was counted of it, less what is billed as other components."""
    return f"sum({' - '.join([component.quantity, *(part.quantity for part in priced_parts(component))])})"


USED = f"""
WITH used AS (
    SELECT workspace_id, date_trunc('month', day, 'UTC') AS month, model_id, service_tier_id, price_id, sum(cost) AS cost,
           {", ".join(f"{_billed_sum(each)} AS {each.name}" for each in COMPONENTS)}
    FROM metering_dailyrollup
    WHERE workspace_id = ANY(%(workspaces)s) AND day < %(end)s AND price_id > 0 AND status = ANY(%(billed)s)
      AND (%(start)s::timestamptz IS NULL OR day >= %(start)s) GROUP BY 1, 2, 3, 4, 5
)
SELECT used.workspace_id, month, used.model_id, tier.name, price_id, cost, {", ".join(f"used.{each}" for each in NAMES)},
       {columns_of(PriceVersion, "price")}
FROM used JOIN metering_servicetier tier ON tier.id = service_tier_id
LEFT JOIN metering_priceversion price ON price.id = price_id
"""  # noqa: S608 - columns
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
