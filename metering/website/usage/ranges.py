"""The periods that pages offer: whole UTC days, and the equally long period before to compare with."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from metering.periods import DAY, HOUR, floor_day, floor_hour, month_of, previous_month

PRESETS = {"7d": "7 days", "30d": "30 days", "month": "This month", "last_month": "Last month"}
DEFAULT = "month"
MAX_DAYS = 400


@dataclass(frozen=True)
class Range:
    """[start, end) in UTC; `before` is what it is compared with, as far as time has run: the same share of it.

    `so_far` is the last day of it that has begun, or the last of all when none has.
    """

    name: str
    start: datetime
    end: datetime
    before: tuple[datetime, datetime]
    so_far: datetime

    @property
    def last_day(self) -> datetime:
        return self.end - DAY

    @property
    def before_last(self) -> datetime:
        """The last moment of what it is compared with."""
        return self.before[1] - timedelta(microseconds=1)

    @property
    def text(self) -> str:
        """As far as it has run: 1 to 20 Nov 2026, or 24 Oct to 20 Nov 2026."""
        first, last = self.start, self.so_far
        if first == last:
            return f"{last.day} {last:%b %Y}"
        month = "" if (first.year, first.month) == (last.year, last.month) else f" {first:%b}"
        year = "" if first.year == last.year else f" {first.year}"
        return f"{first.day}{month}{year} to {last.day} {last:%b %Y}"

    @property
    def days(self) -> int:
        return (self.end - self.start) // DAY


def preset(name: str, now: datetime) -> Range:
    """One of PRESETS as of `now`; an unknown name is the default one."""
    tomorrow = floor_day(now) + DAY
    if name in ("7d", "30d"):
        return _compared(name, tomorrow - int(name[:-1]) * DAY, tomorrow, now)
    month = month_of(now)
    if name == "last_month":
        month = previous_month(month)
        return _compared(name, month.start, month.end, now)
    return _compared(DEFAULT, month.start, month.end, now)


def custom(first: date, last: date, now: datetime) -> Range:
    """The days from `first` to `last`, both included. Raises ValueError, worded for the page."""
    if last < first:
        raise ValueError("The last day is before the first.")
    if (last - first).days >= MAX_DAYS:
        raise ValueError(f"Ask for at most {MAX_DAYS} days at a time.")
    return _compared("custom", _midnight(first), _midnight(last) + DAY, now)


def _compared(name: str, start: datetime, end: datetime, now: datetime) -> Range:
    """With the period before: the month before a month, else as many days. Cut where this one has come to by now."""
    is_month = (start, end) == ((month := month_of(start)).start, month.end)
    before = previous_month(month).start if is_month else start - (end - start)
    elapsed = min(floor_hour(now) + HOUR, end) - start
    until = start if end <= now else min(before + max(elapsed, timedelta(hours=1)), start)
    so_far = end - DAY if start > now else min(end - DAY, floor_day(now))
    return Range(name, start, end, (before, until), so_far)


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)
