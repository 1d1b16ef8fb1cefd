"""Instants are UTC and aware, and written as RFC 3339."""

from collections.abc import Callable
from datetime import UTC, datetime

# Of work that lasts: read again and again.
Clock = Callable[[], datetime]

# No usage is accepted from outside these, and inside them no arithmetic with months and grace leaves the calendar.
FIRST_INSTANT = datetime(1970, 1, 1, tzinfo=UTC)
LAST_INSTANT = datetime(2200, 1, 1, tzinfo=UTC)


def parse_instant(text: str, first: datetime = FIRST_INSTANT, last: datetime = LAST_INSTANT) -> datetime:
    """RFC 3339 with a zone, as UTC, from `first` to `last`. Raises ValueError."""
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{text!r} is not a time: write it as 2026-10-01T00:00:00Z.") from None
    if instant.tzinfo is None:
        raise ValueError(f"{text!r} has no time zone: write it as 2026-10-01T00:00:00Z for UTC.")
    if not first <= instant <= last:
        raise ValueError(f"{text!r} is not between the years {first.year} and {last.year}.")
    return instant.astimezone(UTC)


def instant_text(instant: datetime | None) -> str | None:
    """RFC 3339 in UTC with a Z, and microseconds only where there are any."""
    return None if instant is None else instant.astimezone(UTC).isoformat().replace("+00:00", "Z")
