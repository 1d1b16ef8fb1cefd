"""Instants are UTC and aware; periods are half-open, [start, end). Billing periods are calendar months in UTC."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from omixa_billing.instants import FIRST_INSTANT, LAST_INSTANT

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
MONTH_TEXT = re.compile(r"^(\d{4})-(0[1-9]|1[0-2])$", re.ASCII)


@dataclass(frozen=True, slots=True, order=True)
class Period:
    """[start, end), not empty."""

    start: datetime
    end: datetime

    def __post_init__(self) -> None:
        if self.start >= self.end:
            raise ValueError(f"a period ends after it starts: {self.start} to {self.end}")

    def __str__(self) -> str:
        return f"{self.start:%Y-%m-%d} to {self.end - timedelta(microseconds=1):%Y-%m-%d}"


def floor_hour(instant: datetime) -> datetime:
    return instant.replace(minute=0, second=0, microsecond=0)


def floor_day(instant: datetime) -> datetime:
    return instant.replace(hour=0, minute=0, second=0, microsecond=0)


def floor_month(instant: datetime) -> datetime:
    return instant.replace(day=1, hour=0, minute=0, second=0, microsecond=0)


def next_month(month_start: datetime) -> datetime:
    return floor_month(month_start + timedelta(days=32))


def month_of(instant: datetime) -> Period:
    """The billing period an instant falls in."""
    start = floor_month(instant.astimezone(UTC))
    return Period(start, next_month(start))


def previous_month(period: Period) -> Period:
    return month_of(period.start - timedelta(microseconds=1))


def parse_month(text: str) -> Period:
    """`2026-10` as its billing period, from 1970 to 2199. Raises ValueError."""
    match = MONTH_TEXT.match(text)
    if match is None:
        raise ValueError(f"{text!r} is not a month: write it as 2026-10.")
    if not FIRST_INSTANT.year <= int(match[1]) < LAST_INSTANT.year:
        raise ValueError(f"{text!r} is not a month between 1970 and 2199: write it as 2026-10.")
    return month_of(datetime(int(match[1]), int(match[2]), 1, tzinfo=UTC))


def period_of_days(first: date, last: date) -> Period:
    """The days from `first` to `last`, both included. Raises ValueError, worded for a form."""
    if last < first:
        raise ValueError("The last day is before the first.")
    start, end = (datetime(day.year, day.month, day.day, tzinfo=UTC) for day in (first, last))
    if not FIRST_INSTANT <= start <= end < LAST_INSTANT:
        raise ValueError("Choose days between the years 1970 and 2199.")
    return Period(start, end + DAY)


def period_of_months(first: Period, last: Period, most: int) -> Period:
    """The months from `first` to `last`, both included. Raises ValueError, worded for a form."""
    if last < first:
        raise ValueError("The last month is before the first.")
    if (last.start.year - first.start.year) * 12 + last.start.month - first.start.month >= most:
        raise ValueError(f"Choose at most {most} months.")
    return Period(first.start, last.end)
