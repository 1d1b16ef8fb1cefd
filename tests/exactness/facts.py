"""What the oracle knows of events, batches, corrections and rules. No project code."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple

from tests.exactness.reading import Tokens
from tests.scenarios.facts import Happened, Price
from tests.scenarios.oracle import Rated

Identity = tuple[int, str, int]
Kept = tuple[dict[str, Any], str | None]  # a usage object and the dialect that was named
LAST_READS = timedelta(seconds=10)  # that a rule is read by after it was ended


class State(NamedTuple):
    """Of an event, all that may change."""

    tier: str
    status: str
    source: str
    tokens: Tokens
    price: str | None
    cost: Decimal | None


class Change(NamedTuple):
    """An entry of an event's trail."""

    action: str
    took_effect: bool
    before: State
    after: State


@dataclass
class Recorded:
    """An event that counts, and all that became of it."""

    event: Happened
    key: int
    content: tuple[Any, ...]
    source: str
    price: Price | None = None
    cost: Decimal | None = None
    trail: list[Change] = field(default_factory=list)
    corrected: set[tuple[Any, ...]] = field(default_factory=set)
    replaced_by: tuple[int, int] = (-1, -1)
    reread_by: tuple[int, int] = (-1, -1)
    recorded_as: str = "default"  # the tier, before any correction
    kept: Kept | None = None

    @property
    def state(self) -> State:
        event, price = self.event, self.price
        tokens = Tokens(event.uncached, event.cached, event.cache_write, event.output, event.reasoning, event.others)
        return State(event.tier, event.status, self.source, tokens, None if price is None else price.price_id, self.cost)

    @property
    def rated(self) -> Rated:
        return Rated(self.event, self.price, self.cost)


@dataclass
class Batch:
    """Whatever was sent together. `parts` is what the endpoint let through; `outcomes` is complete once it was taken up."""

    number: int
    kind: str
    parts: dict[int, Any]
    outcomes: dict[int, tuple[str, str]]
    taken_up: bool = False
    stumbled: bool = False


@dataclass
class Rule:
    """What the strange number is for what is received from `begin` on, until `end`."""

    begin: datetime
    component: str
    end: datetime | None = None


class Correction(NamedTuple):
    rank: tuple[int, int]
    identity: Identity
    key: int
    content: tuple[Any, ...]  # action, tokens, reason, the tier that its usage says
    kept: Kept | None = None
