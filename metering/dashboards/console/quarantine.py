"""The quarantine: events that were not recorded, whole and with their reasons, until somebody settles them."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import AutocompleteSelectFilter, ChoicesDropdownFilter, DropdownFilter
from unfold.decorators import action, display
from unfold.paginator import InfinitePaginator

from metering.dashboards.console import figures
from metering.dashboards.console.batches import readable
from metering.ingest.dismiss import dismiss
from metering.ingest.models import QuarantinedEvent
from workspaces.console import fields
from workspaces.console.base import OperatorAdmin, actor_of
from workspaces.console.pages import FormPage

OUTCOME_LABELS = {"rejected": "danger", "conflict": "warning"}
# How many of the newest events are looked through for the codes to choose from.
CODES_SOUGHT = 1_000


class DismissForm(forms.Form):
    reason = fields.text("reason", "Stands beside the event and in the audit trail.", max_length=500)


class StateFilter(DropdownFilter):
    """Open ones unless asked otherwise."""

    title = "state"
    parameter_name = "state"
    all_option = ("", "Open")

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("settled", "Settled"), ("all", "All")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[QuarantinedEvent]) -> QuerySet[QuarantinedEvent]:
        match self.value():
            case "all":
                return queryset
            case "settled":
                return queryset.filter(settled_at__isnull=False)
        return queryset.filter(settled_at__isnull=True)


class CodeFilter(DropdownFilter):
    title = "code"
    parameter_name = "code"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        newest = QuarantinedEvent.objects.order_by("-id").values_list("code", flat=True)[:CODES_SOUGHT]
        codes = sorted({*newest, *([self.used_parameters["code"]] if "code" in self.used_parameters else [])})
        return [(code, code) for code in codes]

    def queryset(self, request: HttpRequest, queryset: QuerySet[QuarantinedEvent]) -> QuerySet[QuarantinedEvent]:
        return queryset.filter(code=self.value()) if self.value() else queryset


class QuarantinedEventAdmin(OperatorAdmin):
    called = "Quarantine"
    paginator = InfinitePaginator
    show_full_result_count = False
    list_display = ("received", "outcome_label", "code", "reason", "workspace", "state")
    list_display_links = ("received",)
    list_filter = (StateFilter, ("outcome", ChoicesDropdownFilter), CodeFilter, ("workspace", AutocompleteSelectFilter))
    list_select_related = ("workspace",)
    search_fields = ("public_id__exact",)
    search_help_text = "A quarantined event's id"
    ordering = ("-id",)
    sortable_by = ()
    fields = (
        ("public_id", "created_at"),
        ("outcome_label", "state"),
        ("code", "message"),
        ("workspace", "request_id"),
        ("batch_link", "index"),
        ("settled_at", "settlement"),
        "content_as_sent",
    )
    readonly_fields = tuple(name for row in fields for name in ([row] if isinstance(row, str) else row))
    actions_detail = ("dismiss",)
    actions = ("dismiss_selected",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[QuarantinedEvent]:
        return super().get_queryset(request).defer("content")

    def get_actions_detail(self, request: HttpRequest, object_id: Any) -> list[Any]:
        event = self.get_object(request, str(object_id))
        return super().get_actions_detail(request, object_id) if event and event.settled_at is None else []

    @display(description="outcome", label=OUTCOME_LABELS)
    def outcome_label(self, event: QuarantinedEvent) -> str:
        return event.outcome

    @display(description="state", label={"open": "warning", "settled": "success"})
    def state(self, event: QuarantinedEvent) -> str:
        return "open" if event.settled_at is None else "settled"

    @display(description="received (UTC)")
    def received(self, event: QuarantinedEvent) -> SafeString:
        return figures.named_moment(event.created_at, event.public_id)

    @display(description="message")
    def reason(self, event: QuarantinedEvent) -> SafeString:
        """With the request it is about, where the event named one."""
        request = shortened(event.request_id or "-", 40)
        return format_html(
            '<span>{}<br><span class="console-note">request {}</span></span>', shortened(event.message, 90), request
        )

    @display(description="batch")
    def batch_link(self, event: QuarantinedEvent) -> SafeString:
        link = reverse("admin:metering_batch_change", args=[event.batch_id])
        return format_html('<a class="console-link" href="{}">{}</a>', link, "the batch it came in")

    @display(description="content as sent")
    def content_as_sent(self, event: QuarantinedEvent) -> SafeString:
        return format_html('<pre class="console-code">{}</pre>', readable(bytes(event.content)))

    @action(description="Dismiss", url_path="dismiss", icon="done")
    def dismiss(self, request: HttpRequest, object_id: str) -> HttpResponse:
        event = get_object_or_404(QuarantinedEvent.objects.defer("content"), pk=object_id)
        page_of = reverse("admin:metering_quarantinedevent_change", args=[event.pk])

        def act(asked: dict[str, Any]) -> HttpResponse:
            dismiss([event.pk], asked["reason"], actor_of(request), timezone.now())
            messages.success(request, "The event is dismissed. It stays here, settled.")
            return redirect(page_of)

        intro = "A dismissed event is not recorded and not billed. It is kept with your reason."
        page = FormPage("Dismiss the event", act, page_of, DismissForm, intro, "Dismiss")
        return page.respond(request, self, event)

    @action(description="Dismiss the selected events")
    def dismiss_selected(self, request: HttpRequest, queryset: QuerySet[QuarantinedEvent]) -> HttpResponse:
        """Leads to a form: the reason is asked for once, for all of them."""
        ids = list(queryset.filter(settled_at__isnull=True).order_by("id").values_list("pk", flat=True)[:CODES_SOUGHT])
        chosen = ",".join(str(pk) for pk in ids)
        return redirect(f"{reverse('admin:metering_quarantinedevent_dismiss_chosen')}?ids={chosen}")

    def get_custom_urls(self) -> tuple[Any, ...]:
        return (("dismiss-chosen/", "metering_quarantinedevent_dismiss_chosen", self.dismiss_chosen),)

    def dismiss_chosen(self, request: HttpRequest, model_admin: Any = None) -> HttpResponse:
        ids = [int(pk) for pk in request.GET.get("ids", "").split(",") if pk.isascii() and pk.isdigit()][:CODES_SOUGHT]
        back = reverse("admin:metering_quarantinedevent_changelist")

        def act(asked: dict[str, Any]) -> HttpResponse:
            done = dismiss(ids, asked["reason"], actor_of(request), timezone.now())
            messages.success(request, f"{done:,} event{'' if done == 1 else 's'} dismissed.")
            return redirect(back)

        title = f"Dismiss {len(ids):,} event{'' if len(ids) == 1 else 's'}"
        intro = "Dismissed events are not recorded and not billed. They are kept with your reason."
        return FormPage(title, act, back, DismissForm, intro, "Dismiss").respond(request, self)


def shortened(text: str, length: int) -> str:
    return text if len(text) <= length else f"{text[: length - 1]}…"


admin.site.register(QuarantinedEvent, QuarantinedEventAdmin)
