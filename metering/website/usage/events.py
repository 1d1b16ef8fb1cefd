"""Requests one by one, and why each cost what it did."""

import json
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.utils import timezone

from metering.errors import NotFound
from metering.usage.api import each_event, events_csv
from metering.usage.component_costs import ComponentCost, component_costs
from metering.usage.events.cursors import event_cursor, event_position
from metering.usage.events.events import EventQuestion, EventRow, all_events, events_page, request_attempts
from metering.usage.events.history import CorrectionRow, request_corrections
from metering.usage.filters import STATUS_WORDS
from metering.website.member import member_page
from metering.website.more import more_of
from metering.website.usage import ranges
from metering.website.usage.filters import filter_choices, page_filters
from metering.website.usage.usage import key_names
from workspaces.access.authentication import Caller
from workspaces.downloads import limited_download


@dataclass(frozen=True)
class DisplayedEvent:
    """An event with its key's name and its ending in words."""

    event: EventRow
    key_name: str
    status: str


@dataclass(frozen=True)
class Explained(DisplayedEvent):
    """With its parts, what else the gateway said, and what was corrected since."""

    parts: list[ComponentCost]
    detail: list[tuple[str, str]]
    corrections: list[CorrectionRow]

    @property
    def total_tokens(self) -> int:
        return self.event.input_tokens + self.event.output_tokens


@member_page()
def event_list(request: HttpRequest, caller: Caller) -> HttpResponseBase:
    """With `format=csv` all of them as a file."""
    question = page_filters(request.GET, timezone.now())
    more, span = more_of(request.GET, event_position), question.span
    scope = EventQuestion(caller.workspace, span.start, span.end, question.filters)
    if request.GET.get("format") == "csv":
        return limited_download(request, caller, lambda: events_csv(each_event(all_events(scope)), for_people=True))
    rows, last = events_page(scope, more.count, more.after)
    names = key_names(caller.workspace)
    context = {
        "asked": question,
        "presets": ranges.PRESETS.items(),
        "choices": filter_choices(question, caller.workspace),
        "events": [displayed_event(row, names) for row in rows],
        "continued": more.after is not None,
        "more": last and more.links(question.page_query, event_cursor(last)),
    }
    return render(request, "website/usage/events.html", context)


@member_page()
def event_page(request: HttpRequest, caller: Caller, request_id: str | None = None) -> HttpResponse:
    request_id = request.GET.get("id", "") if request_id is None else request_id
    names = key_names(caller.workspace)
    try:
        rows = request_attempts(caller.workspace, request_id)
    except NotFound:  # counted a moment after it ended, so it may be on its way
        return render(request, "website/usage/event_missing.html", {"request_id": request_id}, status=404)
    corrections = request_corrections(caller.workspace, request_id)
    found = [explained(row, names, corrections.get(row.attempt, [])) for row in rows]
    return render(request, "website/usage/event.html", {"request_id": request_id, "attempts": found})


def displayed_event(event: EventRow, names: dict[str, str]) -> DisplayedEvent:
    return DisplayedEvent(event, names.get(event.key_id, event.key_id), STATUS_WORDS[event.status])


def explained(event: EventRow, names: dict[str, str], corrections: list[CorrectionRow]) -> Explained:
    known: dict[str, Any] = json.loads(event.detail) if event.detail else {}
    detail = [(name, value if isinstance(value, str) else json.dumps(value)) for name, value in known.items()]
    plain = displayed_event(event, names)
    return Explained(plain.event, plain.key_name, plain.status, component_costs(event), detail, corrections)
