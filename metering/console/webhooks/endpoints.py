"""Where programs are notified: the operators' own webhooks, which are managed here, and those of workspaces, which are not."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.text import Truncator
from unfold.contrib.filters.admin import AutocompleteSelectFilter, ChoicesDropdownFilter
from unfold.decorators import action, display
from unfold.enums import ActionVariant

from metering.console import figures
from metering.notifications.endpoints.change import (
    change_webhook,
    create_webhook,
    delete_webhook,
    rotate_webhook_secret,
    send_test,
)
from metering.notifications.models import WebhookEndpoint
from metering.notifications.types import CHOICES_OF_TYPES
from workspaces.console.kit import fields
from workspaces.console.kit.base import OperatorAdmin, actor_of
from workspaces.console.kit.pages import FormPage, secret_page
from workspaces.keys.credentials import USUAL_GRACE
from workspaces.names import MAX_NAME

LABELS = {"active": "success", "failing": "warning", "disabled": "danger"}
LONGEST = 60
KEPT = "Copy the secret now: it is kept sealed, to sign with, and is not shown again."


class OperatorsWebhookForm(forms.Form):
    url = fields.text("URL", "An https address. It is notified of what happens in any workspace.")
    description = fields.text("description", required=False, max_length=MAX_NAME)
    types = fields.choices_field("notified of", [(name, name) for name in CHOICES_OF_TYPES], "None ticked: everything.")

    def clean_types(self) -> list[str] | None:
        return self.cleaned_data["types"] or None


class WebhookEndpointAdmin(OperatorAdmin):
    may_add = True
    called = "Webhook endpoints"
    when_empty = "Add one to notify a server of the operators. Workspaces add their own in their settings."
    list_display = ("url_text", "owner", "types_in_short", "status_label", "failing_text")
    list_display_links = ("url_text",)
    list_filter = (("workspace", AutocompleteSelectFilter), ("status", ChoicesDropdownFilter))
    list_select_related = ("workspace",)
    search_fields = ("public_id__exact", "url__icontains")
    search_help_text = "A webhook's id, or a part of its URL"
    ordering = ("-id",)
    sortable_by = ()
    fields = (
        ("url", "public_id"),
        ("owner", "description"),
        ("status_label", "disabled_text"),
        ("failing_text", "created_at"),
        "types_text",
        "deliveries_link",
    )
    readonly_fields = tuple(name for row in fields for name in ([row] if isinstance(row, str) else row))
    actions_detail = ("change_it", "send_a_test", "rotate", "disable_it", "enable_it", "delete_it")

    def heading_of(self, row: WebhookEndpoint) -> str:
        return row.host

    def get_actions_detail(self, request: HttpRequest, object_id: Any) -> list[Any]:
        """Only of the operators' own: a workspace's belongs to its owners and admins."""
        webhook = self.get_object(request, str(object_id))
        if webhook is None or webhook.workspace_id is not None:
            return []
        done = "enable" if webhook.is_active else "disable"
        return [each for each in super().get_actions_detail(request, object_id) if each.path != done]

    @display(description="URL")
    def url_text(self, webhook: WebhookEndpoint) -> str:
        return Truncator(webhook.url).chars(LONGEST)

    @display(description="of")
    def owner(self, webhook: WebhookEndpoint) -> str:
        return "the operators" if webhook.workspace is None else webhook.workspace.name

    @display(description="notified of")
    def types_text(self, webhook: WebhookEndpoint) -> str:
        return "everything" if webhook.types is None else ", ".join(webhook.types)

    @display(description="notified of")
    def types_in_short(self, webhook: WebhookEndpoint) -> str:
        types = webhook.types or []
        return f"{len(types)} types" if len(types) > 1 else self.types_text(webhook)

    @display(description="status", label=LABELS)
    def status_label(self, webhook: WebhookEndpoint) -> str:
        return "failing" if webhook.is_active and webhook.failing_since else webhook.status

    @display(description="failing since (UTC)")
    def failing_text(self, webhook: WebhookEndpoint) -> str:
        return figures.moment(webhook.failing_since) if webhook.failing_since else "-"

    @display(description="disabled (UTC)")
    def disabled_text(self, webhook: WebhookEndpoint) -> str:
        if webhook.disabled_at is None:
            return "-"
        return f"{figures.moment(webhook.disabled_at)}: {webhook.get_disabled_because_display()}"

    @display(description="deliveries")
    def deliveries_link(self, webhook: WebhookEndpoint) -> SafeString:
        page = reverse("admin:metering_webhookdelivery_changelist")
        return format_html('<a class="console-link" href="{}?endpoint={}">What was sent to it</a>', page, webhook.pk)

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        def act(asked: dict[str, Any]) -> HttpResponse:
            webhook, secret = create_webhook(None, **asked, actor=actor_of(request), now=timezone.now())
            return secret_page(request, self, webhook, "The secret of the webhook", secret, self._page_of(webhook), KEPT)

        back = reverse("admin:metering_webhookendpoint_changelist")
        page = FormPage("Add a webhook of the operators", act, back, OperatorsWebhookForm, submit="Add the webhook")
        return page.respond(request, self)

    @action(description="Change", url_path="edit", icon="edit")
    def change_it(self, request: HttpRequest, object_id: str) -> HttpResponse:
        webhook = _own(object_id)

        def act(asked: dict[str, Any]) -> HttpResponse:
            change_webhook(webhook, asked, actor=actor_of(request), now=timezone.now())
            messages.success(request, "The webhook is saved.")
            return redirect(self._page_of(webhook))

        initial = {"url": webhook.url, "description": webhook.description, "types": webhook.types or []}
        page = FormPage("Change the webhook", act, self._page_of(webhook), OperatorsWebhookForm, initial=initial)
        return page.respond(request, self, webhook)

    @action(description="Test", url_path="test", icon="send")
    def send_a_test(self, request: HttpRequest, object_id: str) -> HttpResponse:
        webhook = _own(object_id)

        def act(asked: dict[str, Any]) -> HttpResponse:
            delivery = send_test(webhook, actor=actor_of(request), now=timezone.now())
            messages.success(request, "A test is on its way: load this page again to see its outcome.")
            return redirect(reverse("admin:metering_webhookdelivery_change", args=[delivery.pk]))

        intro = "A webhook.test is sent to it, and to no other."
        return FormPage("Send a test", act, self._page_of(webhook), intro=intro).respond(request, self, webhook)

    @action(description="Rotate", url_path="rotate", icon="autorenew")
    def rotate(self, request: HttpRequest, object_id: str) -> HttpResponse:
        webhook = _own(object_id)

        def act(asked: dict[str, Any]) -> HttpResponse:
            secret = rotate_webhook_secret(webhook, asked["grace"], actor=actor_of(request), now=timezone.now())
            return secret_page(request, self, webhook, "The new secret of the webhook", secret, self._page_of(webhook), KEPT)

        page = FormPage(
            "Rotate the webhook's secret",
            act,
            self._page_of(webhook),
            fields.GraceForm,
            "Requests are signed with the new secret and, for as long as you choose, with the old one too.",
            "Rotate the secret",
            initial={"grace": USUAL_GRACE},
        )
        return page.respond(request, self, webhook)

    @action(description="Disable", url_path="disable", icon="power_settings_new")
    def disable_it(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return self._switch(request, _own(object_id, status="active"), "Disable", WebhookEndpoint.Status.DISABLED)

    @action(description="Enable", url_path="enable", icon="power_settings_new")
    def enable_it(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return self._switch(request, _own(object_id, status="disabled"), "Enable", WebhookEndpoint.Status.ACTIVE)

    def _switch(self, request: HttpRequest, webhook: WebhookEndpoint, verb: str, status: str) -> HttpResponse:
        def act(asked: dict[str, Any]) -> HttpResponse:
            change_webhook(webhook, {"status": status}, actor=actor_of(request), now=timezone.now())
            messages.success(request, f"The webhook is {verb.lower()}d.")
            return redirect(self._page_of(webhook))

        page = FormPage(f"{verb} the webhook", act, self._page_of(webhook), danger=verb == "Disable")
        return page.respond(request, self, webhook)

    @action(description="Delete", url_path="remove", icon="delete", variant=ActionVariant.DANGER)
    def delete_it(self, request: HttpRequest, object_id: str) -> HttpResponse:
        webhook = _own(object_id)
        back = reverse("admin:metering_webhookendpoint_changelist")

        def act(asked: dict[str, Any]) -> HttpResponse:
            delete_webhook(webhook, actor=actor_of(request), now=timezone.now())
            messages.success(request, "The webhook is deleted: nothing is sent to it any more.")
            return redirect(back)

        intro = "Its secret, and the list of what was sent to it, are deleted too."
        page = FormPage("Delete the webhook", act, self._page_of(webhook), intro=intro, danger=True)
        return page.respond(request, self, webhook)

    def _page_of(self, webhook: WebhookEndpoint) -> str:
        return reverse("admin:metering_webhookendpoint_change", args=[webhook.pk])


def _own(object_id: str, **state: str) -> WebhookEndpoint:
    return get_object_or_404(WebhookEndpoint, pk=object_id, workspace=None, **state)


admin.site.register(WebhookEndpoint, WebhookEndpointAdmin)
