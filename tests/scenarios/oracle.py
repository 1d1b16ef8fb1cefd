"""Counts and bills a scenario a second time, from the facts alone, with Decimal and no project code."""

from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from decimal import ROUND_FLOOR, ROUND_HALF_UP, Decimal, getcontext
from typing import Any, NamedTuple

from tests.scenarios.facts import Happened, Price

getcontext().prec = 60  # every sum below is exact
MILLION = Decimal(1_000_000)
CENT = Decimal("0.01")
BILLED = ("succeeded", "aborted")


def price_of(event: Happened, prices: Iterable[Price]) -> Price | None:
    """The version that rates it: the workspace's own before the list's, the highest threshold, then the latest."""
    if event.status not in BILLED:
        return None
    covering = [
        price
        for price in prices
        if (price.model, price.tier) == (event.model, event.tier)
        and price.tenant in (None, event.tenant)
        and price.since <= event.at
        and (price.above == 0 or event.input > price.above)
    ]
    return max(covering, key=lambda price: (price.tenant is not None, price.above, price.since), default=None)


def cost_of(event: Happened, price: Price | None) -> Decimal | None:
    """Exact USD; None while nothing prices it."""
    if event.status not in BILLED:
        return Decimal(0)
    if price is None:
        return None
    used = quantities_of(event)
    cost = Decimal(0)
    for name, quantity in used.items():
        alone = quantity - sum(part for other, part in used.items() if whole_of(other) == name)
        rate = rate_of(price, name)
        if rate is None and alone and name != "request":
            return None
        cost += alone * (rate or 0) / Decimal(RATE_IS_FOR.get(name.partition("/")[0], MILLION))
    return cost


# What of components is within which; how many of the smallest unit a rate is for, where that is not a million; and their order.
WITHIN = {
    "cached_input": "input",
    "cache_write": "input",
    "reasoning": "output",
    "audio_input": "input",
    "cached_audio_input": "cached_input",
    "cache_write_1h": "cache_write",
    "audio_output": "output",
}
RATE_IS_FOR = {"request": 1, "web_search": 1, "image": 1, "page": 1, "audio_duration": 1000}
UNITS = {"web_search": "search", "image": "image", "page": "page", "audio_duration": "ms"}
LISTED = (
    "audio_input",
    "cached_audio_input",
    "cache_write_1h",
    "audio_output",
    "web_search",
    "image",
    "audio_duration",
    "page",
)


def whole_of(name: str) -> str | None:
    root, slash, _ = name.partition("/")
    return root if slash else WITHIN.get(name)


def quantities_of(event: Happened) -> dict[str, int]:
    """All that it used, each with its parts. Each response is one request."""
    common = {"input": event.input, "cached_input": event.cached, "cache_write": event.cache_write, "output": event.output}
    return common | {"reasoning": event.reasoning, "request": 1} | dict(event.others)


def rate_of(price: Price, name: str) -> Decimal | None:
    """Its own, or that of what it is within."""
    if name in ("input", "cached_input", "cache_write", "output"):
        return price.rate(name)
    own, whole = dict(price.open).get(name), whole_of(name)
    if own is None and name == "cached_audio_input" and price.cached_input is None:
        own = dict(price.open).get("audio_input")
    return rate_of(price, whole) if own is None and whole is not None else own


class Rated(NamedTuple):
    """An event that counts, its version and its exact cost; None and None while nothing prices it."""

    event: Happened
    price: Price | None
    cost: Decimal | None


class Ledger:
    """Every event that counts, by workspace."""

    def __init__(self, events: Iterable[Happened], prices: Iterable[Price]) -> None:
        prices = list(prices)
        self.rated: dict[int, list[Rated]] = defaultdict(list)
        for event in events:
            price = price_of(event, prices)
            self.rated[event.tenant].append(Rated(event, price, cost_of(event, price)))

    def everything(self) -> list[Rated]:
        return [rated for each in self.rated.values() for rated in each]

    def of(self, tenant: int, start: datetime, end: datetime) -> list[Rated]:
        """A workspace's events in [start, end)."""
        return [rated for rated in self.rated[tenant] if start <= rated.event.at < end]

    def unpriced(self) -> int:
        return sum(rated.cost is None for rated in self.everything())


@dataclass
class Sums:
    """What usage adds up to."""

    counts: Counter[str] = field(default_factory=Counter)
    others: Counter[str] = field(default_factory=Counter)
    cost: Decimal = Decimal(0)

    def add(self, rated: Rated) -> None:
        event, counts = rated.event, self.counts
        self.cost += rated.cost or 0
        counts["requests"] += 1
        counts["input_tokens"] += event.input
        counts["cached_input_tokens"] += event.cached
        counts["cache_write_tokens"] += event.cache_write
        counts["output_tokens"] += event.output
        counts["reasoning_tokens"] += event.reasoning
        counts["unpriced_requests"] += rated.cost is None
        self.others.update(dict(event.others))

    def shown(self) -> dict[str, Any]:
        """As the usage API shows them."""
        others = [(name, self.others[name]) for name in LISTED if self.others[name]]
        components = [{"component": name, "quantity": used, "unit": UNITS.get(name, "token")} for name, used in others]
        return {**self.counts, "components": components, "cost": exact(self.cost), "currency": "USD"}


def summed(rated: Iterable[Rated]) -> Sums:
    sums = Sums()
    for each in rated:
        sums.add(each)
    return sums


def grouped(rated: Iterable[Rated], key: Callable[[Rated], Hashable]) -> dict[Any, Sums]:
    """Sums per key."""
    sums: dict[Hashable, Sums] = defaultdict(Sums)
    for each in rated:
        sums[key(each)].add(each)
    return dict(sums)


def lines_of(rated: Iterable[Rated]) -> dict[tuple[str, str, str, str], tuple[int, str, Decimal]]:
    """(model, tier, price, component) to tokens, rate and exact amount; what has no tokens is no line."""
    tokens: Counter[tuple[Price, str]] = Counter()
    for event, price, _ in rated:
        if price is not None:
            tokens.update({(price, name): quantity for name, quantity in event.tokens.items() if quantity})
    return {
        (price.model, price.tier, price.price_id, name): (
            quantity,
            f"{price.rate(name):.6f}",
            Decimal(quantity) * price.rate(name) / MILLION,
        )
        for (price, name), quantity in tokens.items()
    }


def to_cents(amount: Decimal) -> Decimal:
    return amount.quantize(CENT, rounding=ROUND_HALF_UP)


def shared(amounts: list[Decimal]) -> list[Decimal]:
    """Cents per line that add up to the rounded sum: the largest remainders are rounded up, the earlier of equal ones."""
    cents = [amount.quantize(CENT, rounding=ROUND_FLOOR) for amount in amounts]
    missing = int((to_cents(sum(amounts, Decimal(0))) - sum(cents, Decimal(0))) / CENT)
    remainders = [amount - floor for amount, floor in zip(amounts, cents, strict=True)]
    for at in sorted(range(len(cents)), key=lambda at: (-remainders[at], at))[:missing]:
        cents[at] += CENT
    return cents


def exact(amount: Decimal) -> str:
    """Twelve places, and never one that is cut off."""
    text = f"{amount:.12f}"
    assert Decimal(text) == amount
    return text
