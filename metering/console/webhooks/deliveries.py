"""What was sent to webhooks, with each request and answer. To look at: it is sent again by who owns the webhook."""

from __future__ import annotations

import json

from django.contrib import admin
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.text import Truncator
from unfold.contrib.filters.admin import AutocompleteSelectFilter, ChoicesDropdownFilter
from unfold.decorators import display

from metering.console import figures
from metering.notifications.delivery.signing import body_of
from metering.notifications.models import WebhookAttempt, WebhookDelivery
from workspaces.console.kit.base import OperatorAdmin, ReadOnlyInline

LABELS = {"delivered": "success", "waiting": "info", "failed": "danger"}
LONGEST = 40


class AttemptsOfADelivery(ReadOnlyInline):
    model = WebhookAttempt
    verbose_name_plural = "attempts"
    fields = ("number", "sent", "took", "headers", "answer")
    readonly_fields = fields

    @display(description="sent (UTC)")
    def sent(self, attempt: WebhookAttempt) -> str:
        return figures.moment(attempt.sent_at)

    @display(description="ms")
    def took(self, attempt: WebhookAttempt) -> SafeString:
        return figures.count_html(attempt.duration_ms)

    @display(description="request")
    def headers(self, attempt: WebhookAttempt) -> SafeString:
        lines = [f"POST {attempt.url}", *(f"{name}: {value}" for name, value in attempt.request_headers.items())]
        return format_html("<pre>{}</pre>", "\n".join(lines))

    @display(description="answer")
    def answer(self, attempt: WebhookAttempt) -> SafeString:
        head = attempt.error if attempt.answer_status is None else f"{attempt.answer_status} {attempt.error}".strip()
        return format_html("<pre>{}</pre>", f"{head}\n\n{attempt.answer_body}".strip())


class WebhookDeliveryAdmin(OperatorAdmin):
    called = "Webhook deliveries"
    when_empty = "What is sent to webhooks appears here, and is kept for 30 days."
    links_narrow_by = ("id", "endpoint")
    list_display = ("named", "url_text", "owner", "status_label", "attempt_count_text", "error_text", "created_text")
    list_display_links = ("named",)
    list_filter = (("endpoint__workspace", AutocompleteSelectFilter), ("status", ChoicesDropdownFilter))
    list_select_related = ("endpoint__workspace", "notification__workspace")
    search_fields = ("public_id__exact", "notification__public_id__exact", "notification__type__startswith")
    search_help_text = "The id of a delivery or notification, or a type"
    ordering = ("-id",)
    sortable_by = ()
    fields = (
        ("public_id", "webhook_id"),
        ("type_text", "url_text"),
        ("owner", "about"),
        ("status_label", "attempt_count_text"),
        ("created_text", "finished_text"),
        ("next_text", "error"),
        "content",
    )
    readonly_fields = tuple(name for row in fields for name in ([row] if isinstance(row, str) else row))
    inlines = (AttemptsOfADelivery,)

    def heading_of(self, row: WebhookDelivery) -> str:
        return row.public_id

    @display(description="notification")
    def named(self, delivery: WebhookDelivery) -> SafeString:
        markup = '<span>{}<br><span class="console-note">{}</span></span>'
        return format_html(markup, delivery.notification.type, delivery.public_id)

    @display(description="attempts")
    def attempt_count_text(self, delivery: WebhookDelivery) -> SafeString:
        return figures.count_html(delivery.attempt_count)

    @display(description="created (UTC)")
    def created_text(self, delivery: WebhookDelivery) -> str:
        return figures.moment(delivery.created_at)

    @display(description="finished (UTC)")
    def finished_text(self, delivery: WebhookDelivery) -> str:
        return figures.moment(delivery.finished_at) if delivery.finished_at else "-"

    @display(description="next attempt (UTC)")
    def next_text(self, delivery: WebhookDelivery) -> str:
        return figures.moment(delivery.next_try_at) if delivery.next_try_at else "-"

    @display(description="type")
    def type_text(self, delivery: WebhookDelivery) -> str:
        return delivery.notification.type

    @display(description="webhook-id")
    def webhook_id(self, delivery: WebhookDelivery) -> str:
        return delivery.notification.public_id

    @display(description="to")
    def url_text(self, delivery: WebhookDelivery) -> str:
        return Truncator(delivery.endpoint.url).chars(LONGEST)

    @display(description="webhook of")
    def owner(self, delivery: WebhookDelivery) -> str:
        return "the operators" if delivery.endpoint.workspace is None else delivery.endpoint.workspace.name

    @display(description="about")
    def about(self, delivery: WebhookDelivery) -> str:
        return "no workspace" if delivery.notification.workspace is None else delivery.notification.workspace.name

    @display(description="status", label=LABELS)
    def status_label(self, delivery: WebhookDelivery) -> str:
        return delivery.status

    @display(description="last error")
    def error_text(self, delivery: WebhookDelivery) -> str:
        return Truncator(delivery.error).chars(LONGEST) or "-"

    @display(description="body")
    def content(self, delivery: WebhookDelivery) -> SafeString:
        body = json.loads(body_of(delivery.notification))
        return format_html("<pre>{}</pre>", json.dumps(body, indent=2, ensure_ascii=False)[:20_000])


admin.site.register(WebhookDelivery, WebhookDeliveryAdmin)
