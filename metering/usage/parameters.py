"""What the usage endpoints take in the query."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from metering.usage.filters import STATUS_NUMBERS, Filters
from metering.usage.query import BUCKETS, GROUPS, MAX_ROWS
from omixa_billing.api.fields import InstantField, NamesField, WordsField
from omixa_billing.api.lists import CursorQuery, limit_field

MAX_EVENTS_PAGE = 1_000
DEFAULT_EVENTS_PAGE = 100


class FiltersQuery(serializers.Serializer[Any]):
    """The filters that every usage endpoint shares."""

    model = NamesField(help_text="Only these models.")
    key_id = NamesField(help_text="Only these keys. One that is not yours is a 404.")
    service_tier = NamesField(help_text="Only these service tiers.")
    provider = NamesField(help_text="Only these providers.")
    status = WordsField(tuple(STATUS_NUMBERS), help_text="Only responses that ended so; `voided` ones only where asked for.")


class UsageQuery(FiltersQuery, CursorQuery):
    start = InstantField(help_text="From this instant on; RFC 3339 with a zone.")
    end = InstantField(help_text="Up to this instant, not included.")
    bucket = serializers.ChoiceField(
        choices=BUCKETS, default="none", help_text="One row per UTC hour, day or month, or one for the whole range."
    )
    group_by = WordsField(GROUPS, help_text="One row per value of these; with commas or repeated.")
    format = serializers.ChoiceField(choices=("json", "csv"), default="json")
    limit = limit_field(MAX_ROWS, help_text="At most so many rows; all of them by default.")


class EventsQuery(FiltersQuery, CursorQuery):
    start = InstantField(required=False, help_text="From this instant on; RFC 3339 with a zone.")
    end = InstantField(required=False, help_text="Up to this instant, not included.")
    format = serializers.ChoiceField(
        choices=("json", "csv", "ndjson"),
        default="json",
        help_text="`csv` and `ndjson` stream the whole range instead of a page; `limit` does not apply to them.",
    )
    limit = limit_field(MAX_EVENTS_PAGE, DEFAULT_EVENTS_PAGE)


class AttemptsQuery(CursorQuery):
    limit = limit_field(MAX_EVENTS_PAGE, help_text="At most so many attempts; all of them by default.")


class RequestQuery(AttemptsQuery):
    request_id = serializers.CharField(max_length=512, trim_whitespace=False, help_text="As the gateway sent it.")


def filters_of(asked: dict[str, Any]) -> Filters:
    """The filters among parsed parameters."""
    return Filters(**{name: tuple(asked.get(name, ())) for name in GROUPS})
