"""The usage endpoints for customers. A live or test key sees its own usage only; everybody else their workspace's."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from django.http import HttpResponseBase, StreamingHttpResponse
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from metering.errors import NotFound
from metering.usage.calling_key.as_json import calling_key_json
from metering.usage.calling_key.serializers import CallingKeySerializer
from metering.usage.events.cursors import attempts_page, event_cursor, event_position, page_of_usage
from metering.usage.events.events import EventQuestion, EventRow, all_events, events_page, request_attempts
from metering.usage.events.history import request_corrections
from metering.usage.exports import csv_download, download, ndjson_lines
from metering.usage.parameters import AttemptsQuery, EventsQuery, RequestQuery, UsageQuery, filters_of
from metering.usage.query import UsageQuestion, UsageRow, usage
from metering.usage.rows import EVENT_COLUMNS, attempt_json, event_json, usage_columns, usage_json
from metering.usage.serializers import (
    AttemptListSerializer,
    UsageEventListSerializer,
    UsageSerializer,
)
from omixa_billing.api.errors import InvalidParameter
from omixa_billing.api.lists import list_answer
from omixa_billing.api.renderers import ExactJSONRenderer
from omixa_billing.api.requests import NoQuery, parse_query
from omixa_billing.instants import instant_text
from workspaces.access.authentication import Caller
from workspaces.access.permissions import caller_of
from workspaces.downloads import limited_answer, limited_download
from workspaces.models import APIKey

CSV, NDJSON = "text/csv", "application/x-ndjson"


class UsageView(APIView):
    @extend_schema(
        operation_id="usage",
        tags=["usage"],
        summary="How much was used, by whom, when",
        parameters=[UsageQuery],
        responses={(200, "application/json"): UsageSerializer, (200, CSV): OpenApiTypes.STR},
    )
    def get(self, request: Request) -> HttpResponseBase:
        """Sums per bucket and group in [start, end). Rows add up to the total; CSV has the same rows and columns."""
        asked = parse_query(request.query_params, UsageQuery)
        caller = caller_of(request)
        if asked["format"] == "csv":
            return limited_download(request, caller, lambda: _usage_csv(caller, asked))
        answer = usage(_usage_question(caller, asked))
        rows, next_cursor = page_of_usage(answer, asked.get("limit"), asked.get("cursor"))
        question = answer.question
        return limited_answer(
            request,
            caller,
            len(rows),
            lambda: list_answer(
                [usage_json(row) for row in rows],
                next_cursor,
                start=instant_text(question.start),
                end=instant_text(question.end),
                bucket=question.bucket,
                group_by=list(question.group_by),
                total=usage_json(answer.total),
            ),
        )


class UsageEventsView(APIView):
    @extend_schema(
        operation_id="usage_events",
        tags=["usage"],
        summary="Usage events, newest first",
        parameters=[EventsQuery],
        responses={
            (200, "application/json"): UsageEventListSerializer,
            (200, CSV): OpenApiTypes.STR,
            (200, NDJSON): OpenApiTypes.STR,
        },
    )
    def get(self, request: Request) -> HttpResponseBase:
        """A page of events, or with `format` csv or ndjson all of them as a stream.

        In CSV an apostrophe goes before what a spreadsheet would take for a formula; NDJSON leaves every text as it is.
        """
        asked = parse_query(request.query_params, EventsQuery)
        caller = caller_of(request)
        question = _event_question(caller, asked)
        after = event_position(asked["cursor"]) if "cursor" in asked else None
        if asked["format"] != "json":
            return limited_download(request, caller, lambda: _events_file(question, after, asked["format"]))
        events, last = events_page(question, asked["limit"], after)
        return Response(list_answer([event_json(event) for event in events], None if last is None else event_cursor(last)))


class RequestView(APIView):
    @extend_schema(
        operation_id="usage_events_of_a_request",
        tags=["usage"],
        summary="Every attempt of one request, and why each costs what it costs",
        parameters=[
            OpenApiParameter(
                "request_id",
                str,
                OpenApiParameter.PATH,
                description="May contain slashes and any other text. Where a client or a proxy shortens `/../` in a path, ask "
                "`GET /api/v1/usage/request` instead.",
            ),
            AttemptsQuery,
        ],
        responses=AttemptListSerializer,
    )
    def get(self, request: Request, request_id: str) -> Response:
        return attempts_answer(caller_of(request), request_id, parse_query(request.query_params, AttemptsQuery))


class RequestByQueryView(APIView):
    @extend_schema(
        operation_id="usage_of_a_request",
        tags=["usage"],
        summary="The same, with the request's id in the query, where no client or proxy changes it",
        parameters=[RequestQuery],
        responses=AttemptListSerializer,
    )
    def get(self, request: Request) -> Response:
        asked = parse_query(request.query_params, RequestQuery)
        return attempts_answer(caller_of(request), asked["request_id"], asked)


class CallingKeyView(APIView):
    renderer_classes = [ExactJSONRenderer]

    @extend_schema(operation_id="calling_key", tags=["keys"], summary="The calling key", responses=CallingKeySerializer)
    def get(self, request: Request) -> Response:
        """The key that this request is made with, what it has spent, and the budgets that cover all its requests."""
        parse_query(request.query_params, NoQuery)
        caller = caller_of(request)
        if caller.key is None:
            raise NotFound("You are signed in as a person: call this with a key.")
        caller.key.refresh_from_db(fields=["last_used_at"])  # this very call counts
        return Response(calling_key_json(caller, caller.key, timezone.now()))


def attempts_answer(caller: Caller, request_id: str, asked: dict[str, Any]) -> Response:
    """Every attempt of the request that the caller may see. Raises NotFound."""
    found = request_attempts(caller.workspace, request_id, own_key_of(caller))
    page, next_cursor = attempts_page(found, asked.get("limit"), asked.get("cursor"))
    corrections = request_corrections(caller.workspace, request_id)
    data = [attempt_json(event, corrections.get(event.attempt, ())) for event in page]
    return Response(list_answer(data, next_cursor, request_id=request_id))


def own_key_of(caller: Caller) -> APIKey | None:
    """The key that the caller's view of usage ends at; None for the whole workspace. Refuses to widen by accident."""
    if not caller.own_key_only:
        return None
    if caller.key is None:
        raise ValueError("a caller who sees only their own key's usage has a key")
    return caller.key


def _usage_question(caller: Caller, asked: dict[str, Any]) -> UsageQuestion:
    return UsageQuestion(
        workspace=caller.workspace,
        start=asked["start"],
        end=asked["end"],
        bucket=asked["bucket"],
        group_by=tuple(dict.fromkeys(asked.get("group_by", ()))),
        filters=filters_of(asked),
        own_key=own_key_of(caller),
    )


def _event_question(caller: Caller, asked: dict[str, Any]) -> EventQuestion:
    start, end = asked.get("start"), asked.get("end")
    if start is not None and end is not None and start >= end:
        raise InvalidParameter("end is not after start.", param="end")
    return EventQuestion(caller.workspace, start, end, filters_of(asked), own_key_of(caller))


def each_event(pages: Iterator[list[EventRow]]) -> Iterator[dict[str, Any]]:
    return (event_json(event) for page in pages for event in page)


def usage_csv(question: UsageQuestion, rows: Iterable[UsageRow], for_people: bool = False) -> StreamingHttpResponse:
    name = f"usage_{question.start:%Y-%m-%d}_{question.end:%Y-%m-%d}.csv"
    return csv_download(name, usage_columns(question.group_by), map(usage_json, rows), for_people)


def events_csv(rows: Iterable[dict[str, Any]], for_people: bool = False) -> StreamingHttpResponse:
    return csv_download("usage_events.csv", list(EVENT_COLUMNS), rows, for_people)


def _usage_csv(caller: Caller, asked: dict[str, Any]) -> StreamingHttpResponse:
    answer = usage(_usage_question(caller, asked))
    rows, _ = page_of_usage(answer, asked.get("limit"), asked.get("cursor"))
    return usage_csv(answer.question, rows)


def _events_file(question: EventQuestion, after: Any, kind: str) -> StreamingHttpResponse:
    rows = each_event(all_events(question, after))
    return events_csv(rows) if kind == "csv" else download("usage_events.ndjson", NDJSON, ndjson_lines(rows))
