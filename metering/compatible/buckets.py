"""Usage in buckets of a minute, an hour or a day, so many to a page: the form that OpenAI's and Anthropic's reports share.

Every bucket of the range has its place, with or without usage. Edges are UTC's; days of 23 hours there are none.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from metering.periods import DAY, HOUR, MINUTE
from metering.usage.query import UsageRow, usage_total
from omixa_billing.api.cursors import decode_cursor, encode_cursor
from omixa_billing.api.errors import InvalidParameter
from omixa_billing.instants import FIRST_INSTANT, LAST_INSTANT

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
SECOND = timedelta(seconds=1)
PAGE = "page_"


@dataclass(frozen=True, slots=True)
class Width:
    """A bucket, and how many are on a page. `bucket` is its name in a question about usage."""

    bucket: str
    length: timedelta
    usual: int
    most: int

    def floor(self, instant: datetime) -> datetime:
        return EPOCH + (instant - EPOCH) // self.length * self.length

    def limit(self, asked: int | None) -> int:
        """Buckets to a page. Raises InvalidParameter."""
        if asked is not None and not 1 <= asked <= self.most:
            raise InvalidParameter(f"limit is from 1 to {self.most} for buckets of a {self.bucket}.", param="limit")
        return self.usual if asked is None else asked


WIDTHS = {"1m": Width("minute", MINUTE, 60, 1_440), "1h": Width("hour", HOUR, 24, 168), "1d": Width("day", DAY, 7, 31)}


@dataclass(frozen=True, slots=True)
class BucketPage:
    """Buckets that follow each other, [start, end) each, and the name of the next page where there is one."""

    buckets: list[tuple[datetime, datetime]]
    next_page: str | None

    @property
    def start(self) -> datetime:
        return self.buckets[0][0]

    @property
    def end(self) -> datetime:
        return self.buckets[-1][1]


def page_of_buckets(start: datetime, end: datetime, width: Width, limit: int, page: str | None) -> BucketPage:
    """The first `limit` buckets of [start, end), or those of a page by its name; the outermost are cut to the range.

    Raises InvalidParameter for a page that this range never had.
    """
    at = start if page is None else _page_start(page, start, end, width)
    buckets: list[tuple[datetime, datetime]] = []
    while at < end and len(buckets) < limit:
        following = min(width.floor(at) + width.length, end)
        buckets.append((at, following))
        at = following
    return BucketPage(buckets, page_name([(at - EPOCH) // SECOND]) if at < end else None)


def _page_start(page: str, start: datetime, end: datetime, width: Width) -> datetime:
    (seconds,) = position_of(page, 1)
    if type(seconds) is not int or not 0 <= seconds <= int(LAST_INSTANT.timestamp()):
        raise unknown_page()
    at = EPOCH + seconds * SECOND
    if not start < at < end or at != width.floor(at):
        raise unknown_page()
    return at


def page_name(position: list[Any]) -> str:
    return PAGE + encode_cursor(position)


def position_of(page: str, length: int) -> list[Any]:
    """The place that a page's name says, of `length` values. Raises InvalidParameter for what page_name never made."""
    if not page.startswith(PAGE):
        raise unknown_page()
    try:
        return decode_cursor(page.removeprefix(PAGE), length)
    except InvalidParameter:
        raise unknown_page() from None


def unknown_page() -> InvalidParameter:
    return InvalidParameter("This is not a page of this report: use `next_page` of the page before.", param="page")


def running_bucket_end(now: datetime, width: Width) -> datetime:
    """Where a report ends that names no end: with the bucket that is filling."""
    return width.floor(now) + width.length


def check_range(start: datetime, end: datetime | None, start_name: str, end_name: str) -> None:
    """Raises InvalidParameter."""
    if end is not None and end <= start:
        raise InvalidParameter(f"{end_name} is not after {start_name}.", param=end_name)
    if start < FIRST_INSTANT:
        raise InvalidParameter(f"{start_name} is before {FIRST_INSTANT.year}.", param=start_name)


Group = tuple[Any, ...]


def sum_groups(rows: Iterable[UsageRow], group_of: Callable[[UsageRow], Group]) -> dict[tuple[datetime, Group], UsageRow]:
    """The rows of each bucket and group as one; the groups of a bucket in order, what has no name first."""
    found: dict[tuple[datetime, Group], list[UsageRow]] = defaultdict(list)
    for row in rows:
        found[row.start, group_of(row)].append(row)
    return {key: _as_one(found[key]) for key in sorted(found, key=order_of_groups)}


def _as_one(rows: list[UsageRow]) -> UsageRow:
    return rows[0] if len(rows) == 1 else usage_total(rows, rows[0].start, rows[0].end)


def order_of_groups(key: tuple[datetime, Group]) -> tuple[datetime, list[tuple[bool, str]]]:
    start, group = key
    return start, [(name is not None, str(name)) for name in group]


def in_buckets(page: BucketPage, results: Iterable[tuple[datetime, Any]]) -> list[tuple[datetime, datetime, list[Any]]]:
    """Each bucket of the page with its results, by their start; most have none."""
    by_start: dict[datetime, list[Any]] = defaultdict(list)
    for start, result in results:
        by_start[start].append(result)
    return [(start, end, by_start[start]) for start, end in page.buckets]
