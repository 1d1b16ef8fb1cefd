"""Where a page ended, as an opaque text: the next page begins there, whatever was recorded in between."""

from datetime import UTC, datetime, timedelta
from typing import Any

from metering.usage.events.events import EventPosition, EventRow
from metering.usage.query import UsageAnswer, UsageRow
from omixa_billing.api.cursors import decode_cursor, encode_cursor, invalid_cursor
from omixa_billing.api.lists import cut_page

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
ATTEMPTS = range(2**31)
BIGINT = range(1, 2**63)
MICROSECONDS = range(-(2**55), 2**55)


def event_cursor(position: EventPosition) -> str:
    return encode_cursor([(position.occurred_at - EPOCH) // MICROSECOND, position.id])


def event_position(cursor: str) -> EventPosition:
    """Raises InvalidParameter."""
    microseconds, number = decode_cursor(cursor, 2)
    if not _is_in(microseconds, MICROSECONDS) or not _is_in(number, BIGINT):
        raise invalid_cursor()
    return EventPosition(EPOCH + microseconds * MICROSECOND, number)


def attempts_page(attempts: list[EventRow], limit: int | None, cursor: str | None) -> tuple[list[EventRow], str | None]:
    """The attempts of one request after the cursor's, at most `limit`, and the next cursor. Raises InvalidParameter."""
    if cursor is not None:
        (last,) = decode_cursor(cursor, 1)
        if not _is_in(last, ATTEMPTS):
            raise invalid_cursor()
        attempts = [each for each in attempts if each.attempt > last]
    return cut_page(attempts, limit, lambda each: encode_cursor([each.attempt]))


def page_of_usage(answer: UsageAnswer, limit: int | None, cursor: str | None) -> tuple[list[UsageRow], str | None]:
    """The answer's rows below the cursor, at most `limit`, and the next cursor. Raises InvalidParameter."""
    rows = answer.rows
    if cursor is not None:
        rows = _below(answer, decode_cursor(cursor, 2))
    return cut_page(rows, limit, _usage_cursor)


def _usage_cursor(row: UsageRow) -> str:
    start, groups = row.position
    return encode_cursor([(start - EPOCH) // MICROSECOND, list(groups)])


def _below(answer: UsageAnswer, position: list[Any]) -> list[UsageRow]:
    microseconds, groups = position
    if not _is_in(microseconds, MICROSECONDS) or not isinstance(groups, list):
        raise invalid_cursor()
    if len(groups) != len(answer.question.group_by) or not all(isinstance(name, str) for name in groups):
        raise invalid_cursor()
    last = (EPOCH + microseconds * MICROSECOND, tuple(groups))
    return [row for row in answer.rows if row.position > last]


def _is_in(number: Any, allowed: range) -> bool:
    return type(number) is int and number in allowed
