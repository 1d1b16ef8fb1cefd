"""Usage events, always of one workspace: the table is stored by workspace and time, and read in no other order."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, time, timedelta
from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import Count, Max, Sum
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.http import urlencode
from django.utils.safestring import SafeString

from metering import dollars
from metering.console import figures
from metering.console.usage.event_explained import explain
from metering.console.usage.unpriced import unpriced_page
from metering.ingest.models import EventStatus, UsageEvent
from metering.periods import DAY, floor_day
from metering.rollups.models import DailyRollup
from metering.usage.events.cursors import event_cursor, event_position
from metering.usage.events.events import EventQuestion, EventRow, events_page, request_attempts
from metering.usage.filters import Filters
from omixa_billing.api.errors import Refusal
from workspaces.console.kit import fields
from workspaces.console.kit.base import OperatorAdmin
from workspaces.models import APIKey, Workspace

PAGE = 50
DEFAULT_DAYS = 7
RECENT_WORKSPACES = 20
ACTIVE_COLUMNS = ["Workspace", "#Requests", "#Models", "#Spend", "#Last used on"]
STATUSES = [("", "Any status"), *((status.label, status.label.capitalize()) for status in EventStatus)]
STATUS_TYPES = {
    EventStatus.SUCCEEDED: "success",
    EventStatus.ABORTED: "warning",
    EventStatus.FAILED: "danger",
    EventStatus.VOIDED: "",
}


class EventForm(forms.Form):
    """What to list. Only the workspace is required; the days default to the last week."""

    workspace = fields.workspace()
    first_day = fields.day_field("from (UTC)", required=False)
    last_day = fields.day_field("to (UTC)", required=False)
    model = fields.text("model", required=False)
    key = fields.text("key", required=False)
    status = fields.choice("status", STATUSES)
    request_id = fields.text("request id", required=False)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["status"].required = False
        self.fields["model"].widget.attrs["placeholder"] = "codex-mini"
        self.fields["key"].widget.attrs["placeholder"] = "key_…"

    def clean_key(self) -> str:
        key = self.cleaned_data["key"].strip()
        if key and not APIKey.objects.filter(public_id=key, workspace=self.cleaned_data.get("workspace")).exists():
            raise forms.ValidationError("This workspace has no such key.")
        return key

    def clean(self) -> dict[str, Any]:
        first, last = self.cleaned_data.get("first_day"), self.cleaned_data.get("last_day")
        if first and last and first > last:
            raise forms.ValidationError("The last day is before the first.")
        return self.cleaned_data


class UsageEventAdmin(OperatorAdmin):
    """Not a list of Django's: that one would count and sort the whole table."""

    def get_urls(self) -> list[Any]:
        def page(route: str, view: Any, name: str) -> Any:
            return path(route, self.admin_site.admin_view(view), name=f"metering_usageevent_{name}")

        return [
            page("", self.list_page, "changelist"),
            page("unpriced/", self.unpriced_page, "unpriced"),
            page("one/", self.one_page, "one"),
        ]

    def unpriced_page(self, request: HttpRequest) -> HttpResponse:
        return unpriced_page(request, self)

    def list_page(self, request: HttpRequest) -> HttpResponse:
        """The newest events of the chosen workspace and days; without a choice, the workspaces active lately."""
        now = timezone.now()
        form = EventForm(_with_default_days(request.GET, now))
        context: dict[str, Any] = {"form": form, "chosen": "workspace" in request.GET}
        if context["chosen"] and form.is_valid():
            try:
                context |= _listed(form.cleaned_data, request)
            except Refusal as refusal:
                form.add_error(None, refusal.message)
        if "rows" not in context:
            context |= {"columns": ACTIVE_COLUMNS, "active": _active_lately(now)}
        return self._render(request, self.menu_name, "console/usage/events.html", context)

    def one_page(self, request: HttpRequest) -> HttpResponse:
        """One event by workspace, time and id, with why it costs what it costs."""
        event = _addressed(request)
        rows = request_attempts(event.workspace, event.request_id)
        row = next(each for each in rows if each.id == event.pk)
        context = {"event": explain(event, row), "others": _lines([each for each in rows if each is not row], event.workspace)}
        return self._render(request, "One event", "console/usage/event.html", context)

    def _render(self, request: HttpRequest, title: str, template: str, context: dict[str, Any]) -> HttpResponse:
        around = {**self.admin_site.each_context(request), "title": title, "media": self.media}
        if title != self.menu_name:
            around["model_admin"] = self
        if "form" in context:
            around["media"] += context["form"].media
        return TemplateResponse(request, template, around | context)


def _with_default_days(given: Any, now: datetime) -> dict[str, Any]:
    today = floor_day(now).date()
    days = {"first_day": (today - timedelta(days=DEFAULT_DAYS - 1)).isoformat(), "last_day": today.isoformat()}
    return days | {name: value for name, value in given.items() if value}


def _listed(asked: dict[str, Any], request: HttpRequest) -> dict[str, Any]:
    """The rows, and where the older ones are."""
    workspace = asked["workspace"]
    if asked["request_id"]:
        return {
            "workspace": workspace,
            "rows": _lines(request_attempts(workspace, asked["request_id"].strip()), workspace),
        }
    question = EventQuestion(
        workspace,
        _midnight(asked["first_day"]),
        _midnight(asked["last_day"] + DAY),
        Filters(
            model=tuple(filter(None, [asked["model"].strip()])),
            key_id=tuple(filter(None, [asked["key"]])),
            status=tuple(filter(None, [asked["status"]])),
        ),
    )
    cursor = request.GET.get("cursor")
    rows, last = events_page(question, PAGE, event_position(cursor) if cursor else None)
    given: dict[str, Any] = {name: value for name, value in request.GET.items() if name != "cursor"}
    return {
        "workspace": workspace,
        "rows": _lines(rows, workspace),
        "older": f"?{urlencode(given | {'cursor': event_cursor(last)})}" if last else "",
        "newest": f"?{urlencode(given)}" if cursor else "",
    }


def _midnight(day: Any) -> datetime:
    return datetime.combine(day, time(0), tzinfo=UTC)


def _lines(rows: Iterable[EventRow], workspace: Workspace) -> list[dict[str, Any]]:
    """The costs exact, all in as many places."""
    rows = list(rows)
    places = dollars.places_of((row.cost for row in rows), at_least=6)
    return [_line(row, workspace, places) for row in rows]


def _line(row: EventRow, workspace: Workspace, places: int) -> dict[str, Any]:
    """One event as the list shows it."""
    return {
        "link": f"{reverse('admin:metering_usageevent_one')}?{urlencode(event_address(row, workspace))}",
        "row": row,
        "at": figures.moment(row.occurred_at),
        "status": EventStatus(row.status).label,
        "status_type": STATUS_TYPES[EventStatus(row.status)],
        "input": figures.count_html(row.input_tokens),
        "cached": figures.count_html(row.cached_input_tokens),
        "output": figures.count_html(row.output_tokens),
        "cost": figures.exact_money(row.cost, places),
    }


def event_address(row: EventRow, workspace: Workspace) -> dict[str, Any]:
    """Where the event lies: the three columns of the table's primary key."""
    return {"workspace": workspace.pk, "at": row.occurred_at.astimezone(UTC).isoformat(), "id": row.id}


def _addressed(request: HttpRequest) -> UsageEvent:
    """The event that the address names. Raises Http404."""
    try:
        workspace, number = int(request.GET["workspace"]), int(request.GET["id"])
        at = datetime.fromisoformat(request.GET["at"])
    except (KeyError, ValueError):
        raise Http404("An event is found by its workspace, time and id.") from None
    found = UsageEvent.objects.filter(workspace_id=workspace, occurred_at=at, id=number) if at.tzinfo else None
    event = found.select_related("workspace").first() if found is not None else None
    if event is None:
        raise Http404("There is no such event.")
    return event


def _active_lately(now: datetime) -> list[list[SafeString]]:
    """The workspaces that used most in the last week, from the daily rollups."""
    days = DailyRollup.objects.filter(day__gte=floor_day(now) - (DEFAULT_DAYS - 1) * DAY)
    found = (
        days.values("workspace_id", "workspace__name")
        .annotate(total=Sum("requests"), spend=Sum("cost"), last=Max("day"), models=Count("model_id", distinct=True))
        .order_by("-total")[:RECENT_WORKSPACES]
    )
    return [
        [
            format_html('<a class="console-link" href="?workspace={}">{}</a>', each["workspace_id"], each["workspace__name"]),
            figures.count_html(each["total"]),
            figures.count_html(each["models"]),
            figures.money(each["spend"]),
            figures.figure(f"{each['last']:%Y-%m-%d}"),
        ]
        for each in found
    ]


admin.site.register(UsageEvent, UsageEventAdmin)
