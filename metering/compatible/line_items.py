"""What usage cost by what is billed: so much of a component of a model in a tier, called as on the invoice."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from metering.invoicing.composing.lines import LineKey, description
from metering.money import WIDE
from metering.usage.component_costs import PRICE, PricedRow, priced_usage
from metering.usage.query import UsageQuestion

GROUPS = ("model", "service_tier")


class Item(NamedTuple):
    """What is billed, and its text: "codex-mini, cached input, priority tier"."""

    text: str
    model: str
    service_tier: str
    component: str


@dataclass(frozen=True, slots=True)
class ItemCost:
    """How much of an item in a bucket, of one value of each of the question's other groups, and exact USD."""

    start: datetime
    groups: Mapping[str, str]
    item: Item
    quantity: int
    cost: Decimal
    units: str


def item_costs(question: UsageQuestion) -> list[ItemCost]:
    """In order of bucket, text and groups; together exactly what `usage` says that it cost. Raises what `usage` raises."""
    question = replace(question, group_by=tuple(dict.fromkeys((*question.group_by, *GROUPS))))
    found: dict[tuple[datetime, Item, tuple[str, ...]], list[ItemCost]] = defaultdict(list)
    for priced in priced_usage(question):
        for each in _items(priced):
            found[each.start, each.item, tuple(each.groups.values())].append(each)
    return [together(found[key]) for key in sorted(found)]


def _items(priced: PricedRow) -> Iterable[ItemCost]:
    row = priced.row
    model, tier = row.groups["model"], row.groups["service_tier"]
    groups = {name: value for name, value in row.groups.items() if name != PRICE}
    for part in priced.parts:
        if part.quantity and part.cost is not None:
            key = LineKey(row.start, 0, tier, priced.price.public_id, part.component)
            item = Item(description(model, key, priced.price, dated=False), model, tier, part.component)
            yield ItemCost(row.start, groups, item, part.quantity, part.cost, part.kind.units)


def together(costs: Sequence[ItemCost]) -> ItemCost:
    """Their sum, exact, as the first of them is called."""
    total = Decimal(0)
    for each in costs:
        total = WIDE.add(total, each.cost)
    first = costs[0]
    return ItemCost(first.start, first.groups, first.item, sum(each.quantity for each in costs), total, first.units)
