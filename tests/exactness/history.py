"""What may happen to a gateway's usage, in plain data: the one script that both the product and the oracle are given.

Keys are numbered: 0 and 1 are the first workspace's, 2 the second's; ADMIN calls no model and NOBODY does not exist. Events
and corrections are as they are sent, but for `key`, which the product's side turns into its `key_id`.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

OWNERS = {0: 0, 1: 0, 2: 1}  # the workspace of each key that can call
ADMIN, NOBODY = 3, 4
BEGINNING = datetime(2028, 3, 1, 0, 30, tzinfo=UTC)  # the day after a leap day
MOST_AHEAD = timedelta(minutes=10)
MOST_BEHIND = timedelta(days=400)
NOTICE = timedelta(minutes=15)  # of a price that may still be withdrawn
NICKNAMES = {"nick": "base"}  # aliases from the beginning on


@dataclass(frozen=True, kw_only=True)
class Operation:
    """Something done at `now`."""

    now: datetime = BEGINNING


@dataclass(frozen=True)
class Send(Operation):
    """A batch of events, and whether workers take it up at once."""

    events: list[dict[str, Any]]
    work: bool = True


@dataclass(frozen=True)
class Correct(Operation):
    """A batch of corrections, and whether workers take it up at once."""

    corrections: list[dict[str, Any]]
    work: bool = True


@dataclass(frozen=True)
class Work(Operation):
    """Workers take up what waits."""


@dataclass(frozen=True)
class Stumble(Operation):
    """A worker failed on everything that waits just now, which is left to the sweep."""


@dataclass(frozen=True)
class Sweep(Operation):
    """Workers take up what waits, and then what they failed on before."""


@dataclass(frozen=True)
class SetPrice(Operation):
    """Rates in USD per million: input, cached input, cache write, output. `since` None is now.

    `open` are rates of further components, by name.
    """

    model: str
    rates: tuple[Decimal, Decimal | None, Decimal | None, Decimal]
    tier: str = "default"
    tenant: int | None = None
    above: int = 0
    since: datetime | None = None
    correct: bool = False
    open: tuple[tuple[str, Decimal], ...] = ()


@dataclass(frozen=True)
class Withdraw(Operation):
    """Takes back the price that was set as the `at`-th, where that is still possible."""

    at: int


@dataclass(frozen=True)
class Name(Operation):
    """Makes a model an alias of another, or a model of its own again."""

    model: str
    stands_for: str | None


@dataclass(frozen=True)
class PriceWaiting(Operation):
    """Prices what waits for a price."""


@dataclass(frozen=True)
class Order(Operation):
    """Orders that events be rated again: [start, end), None for as far as events go; and whether it is done at once."""

    model: str | None
    tenant: int | None
    start: datetime
    end: datetime | None = None
    work: bool = True


@dataclass(frozen=True)
class Continue(Operation):
    """Works off what was ordered."""


@dataclass(frozen=True)
class Understand(Operation):
    """Says what the strange number in chats is: a component, or informational where it is empty; None ends what was said."""

    component: str | None


@dataclass(frozen=True)
class Reread(Operation):
    """Reads kept usage again, and corrects what comes out otherwise; whether workers take it up at once."""

    work: bool = True


@dataclass(frozen=True)
class Rebuild(Operation):
    """Makes the rollups of the months with usage again."""


@dataclass(frozen=True)
class Look(Operation):
    """Compares everything, in the middle of it all."""
