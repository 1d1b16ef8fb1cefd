"""What the usage endpoints take in the query: an unknown name, a repeated single value or a wrong type is a 400."""

from __future__ import annotations

import base64
import binascii
import json
import re
from datetime import datetime
from typing import Any

from django.http import QueryDict
from rest_framework import serializers

from metering.errors import InvalidParameter
from metering.periods import parse_instant
from metering.usage.filters import STATUS_NUMBERS, Filters
from metering.usage.query import BUCKETS, GROUPS, MAX_ROWS

# A "+" that was not percent-encoded arrives as a space. Only a zone can follow a time of day, so it is recognised.
PLUS_LOST = re.compile(r"(\d\d:\d\d(?::\d\d(?:\.\d+)?)?) (\d\d:?\d\d)$", re.ASCII)
MAX_EVENTS_PAGE = 1_000
DEFAULT_EVENTS_PAGE = 100


class InstantField(serializers.DateTimeField):
    """RFC 3339 with a zone, as UTC."""

    def to_internal_value(self, value: Any) -> datetime:
        try:
            return parse_instant(PLUS_LOST.sub(r"\1+\2", str(value)))
        except ValueError as error:
            raise serializers.ValidationError(str(error)) from None


class NamesField(serializers.ListField):
    """Any of several names: the parameter repeated."""

    def __init__(self, **extra: Any) -> None:
        child = serializers.CharField(max_length=512, trim_whitespace=False, allow_blank=True)
        super().__init__(child=child, required=False, **extra)


class WordsField(serializers.ListField):
    """Any of a few known words: the parameter repeated, or with commas."""

    def __init__(self, words: tuple[str, ...], **extra: Any) -> None:
        super().__init__(child=serializers.ChoiceField(choices=words), required=False, **extra)

    def to_internal_value(self, data: Any) -> list[Any]:
        return super().to_internal_value([word.strip() for text in data for word in text.split(",") if word.strip()])


class FiltersQuery(serializers.Serializer[Any]):
    """The filters that every usage endpoint shares."""

    model = NamesField(help_text="Only these models.")
    key_id = NamesField(help_text="Only these keys. One that is not yours is a 404.")
    service_tier = NamesField(help_text="Only these service tiers.")
    provider = NamesField(help_text="Only these providers.")
    status = WordsField(tuple(STATUS_NUMBERS), help_text="Only responses that ended so; `voided` ones only where asked for.")


class UsageQuery(FiltersQuery):
    start = InstantField(help_text="From this instant on; RFC 3339 with a zone.")
    end = InstantField(help_text="Up to this instant, not included.")
    bucket = serializers.ChoiceField(
        choices=BUCKETS, default="none", help_text="One row per UTC hour, day or month, or one for the whole range."
    )
    group_by = WordsField(GROUPS, help_text="One row per value of these; with commas or repeated.")
    format = serializers.ChoiceField(choices=("json", "csv"), default="json")
    limit = serializers.IntegerField(
        required=False, min_value=1, max_value=MAX_ROWS, help_text="At most so many rows; all of them by default."
    )
    cursor = serializers.CharField(required=False, help_text="`next_cursor` of the page before.")


class EventsQuery(FiltersQuery):
    start = InstantField(required=False, help_text="From this instant on; RFC 3339 with a zone.")
    end = InstantField(required=False, help_text="Up to this instant, not included.")
    format = serializers.ChoiceField(
        choices=("json", "csv", "ndjson"),
        default="json",
        help_text="`csv` and `ndjson` stream the whole range instead of a page; `limit` does not apply to them.",
    )
    limit = serializers.IntegerField(default=DEFAULT_EVENTS_PAGE, min_value=1, max_value=MAX_EVENTS_PAGE)
    cursor = serializers.CharField(required=False, help_text="`next_cursor` of the page before.")


class AttemptsQuery(serializers.Serializer[Any]):
    limit = serializers.IntegerField(
        required=False, min_value=1, max_value=MAX_EVENTS_PAGE, help_text="At most so many attempts; all of them by default."
    )
    cursor = serializers.CharField(required=False, help_text="`next_cursor` of the page before.")


class RequestQuery(AttemptsQuery):
    request_id = serializers.CharField(max_length=512, trim_whitespace=False, help_text="As the gateway sent it.")


class NoQuery(serializers.Serializer[Any]):
    """An endpoint that takes nothing in the query."""


def parse(query: QueryDict, kind: type[serializers.Serializer[Any]]) -> dict[str, Any]:
    """The query as `kind` describes it. Raises InvalidParameter, naming the first parameter that is wrong."""
    expected = kind()
    for name in query:
        if name not in expected.fields:
            known = ", ".join(expected.fields) or "none"
            raise InvalidParameter(f"There is no parameter {name!r} here; there are: {known}.", param=name)
        if len(query.getlist(name)) > 1 and not isinstance(expected.fields[name], serializers.ListField):
            raise InvalidParameter(f"{name} is given more than once.", param=name)
    given = kind(data=query)
    if not given.is_valid():
        name, detail = next(iter(given.errors.items()))
        raise InvalidParameter(f"{name}: {_first(detail)}", param=name)
    return dict(given.validated_data)


def filters_of(asked: dict[str, Any]) -> Filters:
    """The filters among parsed parameters."""
    return Filters(**{name: tuple(asked.get(name, ())) for name in GROUPS})


def encode_cursor(position: list[Any]) -> str:
    """A place in a list as an opaque text."""
    return base64.urlsafe_b64encode(json.dumps(position, separators=(",", ":")).encode()).decode().rstrip("=")


def decode_cursor(cursor: str, length: int) -> list[Any]:
    """The place again, of `length` values. Raises InvalidParameter for what encode_cursor never made."""
    try:
        position = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (ValueError, binascii.Error, RecursionError):
        position = None
    if not isinstance(position, list) or len(position) != length:
        raise invalid_cursor()
    return position


def invalid_cursor() -> InvalidParameter:
    return InvalidParameter("This is not a cursor of ours: take `next_cursor` of the page before.", param="cursor")


def _first(detail: Any) -> str:
    """The first message in a field's errors, however nested."""
    while isinstance(detail, dict | list):
        detail = next(iter(detail.values())) if isinstance(detail, dict) else detail[0]
    return str(detail)
