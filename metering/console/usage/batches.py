"""The inbox: what gateways sent, what became of it, and what keeps failing."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import AutocompleteSelectFilter, ChoicesDropdownFilter, DropdownFilter
from unfold.decorators import action, display
from unfold.paginator import InfinitePaginator

from metering.console import figures
from metering.console.quarantine.content import readable_content
from metering.ingest.models import Batch, BatchQuerySet
from omixa_billing.reminders import remind
from workspaces import audit
from workspaces.console.kit.base import OperatorAdmin, actor_of
from workspaces.console.kit.pages import FormPage

STATUS_LABELS = {"pending": "warning", "failing": "danger", "processed": "success"}
PREVIEW_ITEMS = 200


class FailingBatchFilter(DropdownFilter):
    """A batch that failed and was processed after all is no worry: only waiting ones are failing."""

    title = "trouble"
    parameter_name = "trouble"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("failing", "Failing")]

    def queryset(self, request: HttpRequest, queryset: BatchQuerySet) -> BatchQuerySet:
        return queryset.failing() if self.value() else queryset


class BatchAdmin(OperatorAdmin):
    when_empty = "What gateways send is stored here as it came, and dropped some days after it was recorded."
    paginator = InfinitePaginator
    show_full_result_count = False
    list_display = (
        "received",
        "status_label",
        "gateway",
        "waited",
        "events",
        "recorded",
        "duplicate",
        "conflict",
        "unpriced",
        "rejected",
    )
    list_display_links = ("received",)
    list_filter = (
        ("status", ChoicesDropdownFilter),
        ("source", ChoicesDropdownFilter),
        ("kind", ChoicesDropdownFilter),
        ("gateway", AutocompleteSelectFilter),
        FailingBatchFilter,
    )
    list_select_related = ("gateway",)
    search_fields = ("public_id__exact",)
    search_help_text = "A batch's id"
    ordering = ("-id",)
    sortable_by = ()
    fields = (
        ("public_id", "gateway"),
        ("kind", "source"),
        ("received_at", "processed_at"),
        ("status_label", "waited"),
        ("event_count", "recorded"),
        ("duplicate", "conflict"),
        ("unpriced", "rejected"),
        ("failures", "last_error"),
        "what_was_not_recorded",
        "body_as_sent",
    )
    readonly_fields = (
        *(field.name for field in Batch._meta.fields if field.name not in ("id", "body", "items")),
        "status_label",
        "waited",
        "what_was_not_recorded",
        "body_as_sent",
    )
    actions_list = ("reprocess",)

    def get_queryset(self, request: HttpRequest) -> BatchQuerySet:
        """A list never reads the bodies."""
        return super().get_queryset(request).defer("body", "items")

    @display(description="received (UTC)")
    def received(self, batch: Batch) -> SafeString:
        return figures.named_moment(batch.received_at, batch.public_id)

    @display(description="status", label=STATUS_LABELS)
    def status_label(self, batch: Batch) -> str:
        return "failing" if batch.status == Batch.Status.PENDING and batch.failures else batch.status

    @display(description="events")
    def events(self, batch: Batch) -> int:
        return batch.event_count

    @display(description="waited")
    def waited(self, batch: Batch) -> SafeString:
        return figures.figure(figures.age(batch.received_at, batch.processed_at or timezone.now()))

    @display(description="not recorded as a new event")
    def what_was_not_recorded(self, batch: Batch) -> SafeString:
        items = batch.items[:PREVIEW_ITEMS]
        rows = format_html_join(
            "",
            '<tr><td>{}</td><td>{}</td><td>{}</td><td class="console-nowrap">{}</td><td>{}</td></tr>',
            ((each["index"], each["request_id"] or "-", each["outcome"], each["code"], each["message"]) for each in items),
        )
        more = f"and {len(batch.items) - PREVIEW_ITEMS:,} more" if len(batch.items) > PREVIEW_ITEMS else ""
        head = format_html_join("", "<th>{}</th>", ((name,) for name in ("#", "request id", "outcome", "code", "message")))
        table = format_html(
            '<div class="console-wide"><table class="console-plain"><tr>{}</tr>{}</table></div>{}', head, rows, more
        )
        quarantined = reverse("admin:metering_quarantinedevent_changelist")
        link = '<p><a class="console-link" href="{}?state=all&amp;batch__exact={}">What of it is in the quarantine</a></p>'
        table = format_html("{}{}", table, format_html(link, quarantined, batch.pk) if batch.conflict + batch.rejected else "")
        return table if items else format_html("{}", "nothing" if batch.processed_at else "nothing so far")

    @display(description="body as sent, without secrets")
    def body_as_sent(self, batch: Batch) -> SafeString:
        return format_html('<pre class="console-code">{}</pre>', readable_content(bytes(batch.body)))

    @action(description="Process waiting batches again", url_path="process-again", icon="replay")
    def reprocess(self, request: HttpRequest) -> HttpResponse:
        """Reminds the workers of everything that waits, the failing included; work done twice changes nothing."""

        def act(asked: dict[str, Any]) -> HttpResponse:
            remind("metering.sweep_inbox")
            audit.record(actor_of(request), "inbox.reminded", "waiting batches", now=timezone.now())
            messages.success(request, "The workers have been reminded.")
            return redirect(back)

        back = reverse("admin:metering_batch_changelist")
        intro = "The workers process every waiting batch, also those that failed. Nothing is counted twice."
        page = FormPage("Process waiting batches again", act, back, intro=intro, submit="Process the batches again")
        return page.respond(request, self)


admin.site.register(Batch, BatchAdmin)
