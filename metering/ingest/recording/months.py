"""The months that events lie in. They are made ahead of time, and never inside the transaction that writes events.

Making a partition locks the whole table for a moment, which a long transaction would turn into seconds, for every
worker; and a cluster does not do it beside other writes. So a transaction that meets an event of a month without a partition,
long past as a rule, ends without effect, the month is made, and the transaction runs again.
"""

from collections.abc import Iterable
from datetime import datetime

from metering.ingest.directory import directory
from metering.periods import month_of, next_month, previous_month

Month = tuple[int, int]


class MonthMissing(Exception):
    """Raised inside the transaction, before anything is locked. The caller calls `make_missing`, and begins again."""

    def __init__(self, months: set[Month]) -> None:
        super().__init__(f"no partition for {', '.join(f'{year}-{month:02}' for year, month in sorted(months))}")
        self.months = months


def require_months(instants: Iterable[datetime]) -> None:
    """Raises MonthMissing."""
    missing = directory.missing_months({(at.year, at.month) for at in instants})
    if missing:
        raise MonthMissing(missing)


def make_missing(missing: MonthMissing) -> None:
    """Outside of the transaction, which is over: with it went what this process learnt in it."""
    directory.forget()
    directory.ensure_months(missing.months)


def make_months_ahead(now: datetime) -> None:
    """The last one, whose latest usage may still come, the running one and the next two."""
    running = month_of(now)
    starts = [previous_month(running).start, running.start, running.end, next_month(running.end)]
    directory.ensure_months({(start.year, start.month) for start in starts})
