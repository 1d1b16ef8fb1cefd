"""The quarantine: events that were not recorded, whole and with their reasons, until a person settles them."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.http import urlencode
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import AutocompleteSelectFilter, ChoicesDropdownFilter, DropdownFilter
from unfold.decorators import action, display
from unfold.paginator import InfinitePaginator

from metering import dollars
from metering.console import figures
from metering.console.quarantine import handling, totals
from metering.console.quarantine.event import event_detail
from metering.console.quarantine.figures import summary
from metering.console.quarantine.reasons import reason_of
from metering.ingest.formats.secrets import without_secrets
from metering.ingest.models import QuarantinedEvent, QuarantinedEventQuerySet
from workspaces.console.kit.base import OperatorAdmin
from workspaces.console.kit.filters import DaysFilter

STATE_LABELS = {"open": "warning", "replayed": "info", "settled": "success"}
# How many of the newest events are looked through for the codes to choose from.
CODES_SOUGHT = 1_000


class QuarantineStateFilter(DropdownFilter):
    """Open ones unless asked otherwise; a search by id looks among all."""

    title = "state"
    parameter_name = "state"
    all_option = ("", "Open")

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("settled", "Settled"), ("replayed", "Replayed"), ("all", "All")]

    def queryset(self, request: HttpRequest, queryset: QuarantinedEventQuerySet) -> QuarantinedEventQuerySet:
        match self.value() or ("all" if request.GET.get("q") else ""):
            case "all":
                return queryset
            case "settled":
                return queryset.settled()
            case "replayed":
                return queryset.settled().exclude(replayed_in="")
        return queryset.open()


class CodeFilter(DropdownFilter):
    title = "reason"
    parameter_name = "code"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        newest = QuarantinedEvent.objects.order_by("-id").values_list("code", flat=True)[:CODES_SOUGHT]
        codes = sorted({*newest, *([self.used_parameters["code"]] if "code" in self.used_parameters else [])})
        return [(code, reason_of(code).words) for code in codes]

    def queryset(self, request: HttpRequest, queryset: QuarantinedEventQuerySet) -> QuarantinedEventQuerySet:
        return queryset.filter(code=self.value()) if self.value() else queryset


class QuarantinedEventAdmin(OperatorAdmin):
    called = "Quarantine"
    when_empty = "Events that cannot be recorded are kept here with their reasons, until a person replays or dismisses them."
    paginator = InfinitePaginator
    show_full_result_count = False
    list_disable_select_all = True  # all that match are acted on by the links above the list
    list_before_template = "console/quarantine/quarantine.html"
    list_display = ("received", "why", "sender", "held_up", "state")
    list_display_links = ("received",)
    list_filter = (
        QuarantineStateFilter,
        CodeFilter,
        ("outcome", ChoicesDropdownFilter),
        ("kind", ChoicesDropdownFilter),
        ("workspace", AutocompleteSelectFilter),
        ("gateway", AutocompleteSelectFilter),
        ("created_at", DaysFilter),
    )
    links_narrow_by = ("id", "batch")
    list_select_related = ("workspace", "gateway")
    search_fields = ("public_id__exact",)
    search_help_text = "An id of a request or a quarantined event"
    ordering = ("-id",)
    sortable_by = ()
    fields = (
        "what_to_do",
        "message_text",
        ("outcome", "code"),
        ("workspace", "gateway"),
        ("request_id", "attempt"),
        ("kind", "would_bill"),
        ("created_at", "came_in"),
        ("state", "settlement"),
        "became",
        "content_as_sent",
        "history",
    )
    readonly_fields = tuple(name for row in fields for name in ([row] if isinstance(row, str) else row))
    actions_detail = ("edit_and_replay", "replay", "dismiss")
    actions = ("replay_selected", "dismiss_selected")

    def get_queryset(self, request: HttpRequest) -> QuarantinedEventQuerySet:
        return super().get_queryset(request).defer("content")

    def get_search_results(self, request: HttpRequest, queryset: QuerySet[Any], search_term: str) -> tuple[QuerySet[Any], bool]:
        term = search_term.strip()
        if not term:
            return queryset, False
        return queryset.filter(**{"public_id" if term.startswith("qrn_") else "request_id": term}), False

    def changelist_view(self, request: HttpRequest, extra_context: Any = None, **rest: Any) -> HttpResponse:
        if request.method == "GET":
            extra_context = (extra_context or {}) | summary(timezone.now())
        return super().changelist_view(request, extra_context, **rest)

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        """With what the links above the list act on: everything open that matches, now and not later."""
        changes = super().get_changelist_instance(request)
        if request.path == reverse(handling.LISTING) and request.method == "GET":
            found = totals.matching_open(changes.queryset)
            changes.open_events = found
            changes.more_than = totals.MOST if found.events > totals.MOST else None
            changes.act_on_all = changes.get_query_string({"id__lte": found.newest}, remove=["p"])
        return changes

    def get_actions_detail(self, request: HttpRequest, object_id: Any) -> list[Any]:
        event = self.get_object(request, str(object_id))
        return super().get_actions_detail(request, object_id) if event and event.settled_at is None else []

    @display(description="state", label=STATE_LABELS)
    def state(self, event: QuarantinedEvent) -> str:
        if event.settled_at is None:
            return "open"
        return "replayed" if event.replayed_in else "settled"

    @display(description="received (UTC)")
    def received(self, event: QuarantinedEvent) -> SafeString:
        return figures.named_moment(event.created_at, event.public_id)

    @display(description="why")
    def why(self, event: QuarantinedEvent) -> SafeString:
        """With the request it is about, where the event named one."""
        request = f"request {shortened(event.request_id, 60)}" if event.request_id else ""
        return format_html(
            '<span><strong title="{}">{}</strong><br>{}<br><span class="console-note">{}</span></span>',
            event.code,
            reason_of(event.code).words,
            shortened(without_secrets(event.message), 160),
            request,
        )

    @display(description="workspace, gateway")
    def sender(self, event: QuarantinedEvent) -> SafeString:
        workspace = "-" if event.workspace is None else shortened(event.workspace.name, 40)
        return format_html(
            '<span>{}<br><span class="console-note">{}</span></span>', workspace, shortened(event.gateway.name, 40)
        )

    @display(description="would bill")
    def held_up(self, event: QuarantinedEvent) -> SafeString:
        amount = event.estimated_cost
        return figures.figure("unknown") if amount is None else figures.figure(dollars.usd_text(amount), "an estimate")

    @display(description="would bill, an estimate")
    def would_bill(self, event: QuarantinedEvent) -> str:
        return event_detail(event).would_bill

    @display(description="message")
    def message_text(self, event: QuarantinedEvent) -> str:
        return without_secrets(event.message)

    @display(description="what to do")
    def what_to_do(self, event: QuarantinedEvent) -> SafeString:
        return event_detail(event).what_to_do

    @display(description="came in")
    def came_in(self, event: QuarantinedEvent) -> SafeString:
        return event_detail(event).came_in

    @display(description="what became of the replay")
    def became(self, event: QuarantinedEvent) -> SafeString:
        return event_detail(event).became

    @display(description="history")
    def history(self, event: QuarantinedEvent) -> SafeString:
        return event_detail(event).history

    @display(description="content as sent, without secrets")
    def content_as_sent(self, event: QuarantinedEvent) -> SafeString:
        return format_html('<pre class="console-code">{}</pre>', event_detail(event).content)

    @action(description="Edit and replay", url_path="edit", icon="edit")
    def edit_and_replay(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return handling.edit_page(request, self, object_id)

    @action(description="Replay", url_path="replay", icon="replay")
    def replay(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return handling.replay_page(request, self, object_id)

    @action(description="Dismiss", url_path="dismiss", icon="done")
    def dismiss(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return handling.dismiss_page(request, self, object_id)

    @action(description="Replay the selected events")
    def replay_selected(self, request: HttpRequest, queryset: QuarantinedEventQuerySet) -> HttpResponse:
        return _chosen("replay", queryset)

    @action(description="Dismiss the selected events")
    def dismiss_selected(self, request: HttpRequest, queryset: QuarantinedEventQuerySet) -> HttpResponse:
        return _chosen("dismiss", queryset)

    def get_custom_urls(self) -> tuple[Any, ...]:
        return (
            ("replay-matching/", "metering_quarantinedevent_replay_matching", self.replay_matching),
            ("dismiss-matching/", "metering_quarantinedevent_dismiss_matching", self.dismiss_matching),
        )

    def replay_matching(self, request: HttpRequest, model_admin: Any = None) -> HttpResponse:
        return handling.replay_all_page(request, self)

    def dismiss_matching(self, request: HttpRequest, model_admin: Any = None) -> HttpResponse:
        return handling.dismiss_all_page(request, self)


def _chosen(verb: str, queryset: QuarantinedEventQuerySet) -> HttpResponse:
    """Leads to a form that asks once for all of them."""
    ids = queryset.open().order_by("id").values_list("pk", flat=True)[:CODES_SOUGHT]
    chosen = urlencode({"id__in": ",".join(str(pk) for pk in ids) or "0"})
    return redirect(f"{reverse(f'admin:metering_quarantinedevent_{verb}_matching')}?{chosen}")


def shortened(text: str, length: int) -> str:
    return text if len(text) <= length else f"{text[: length - 1]}…"


admin.site.register(QuarantinedEvent, QuarantinedEventAdmin)
