"""Webhooks: the list, one of them with what was sent to it, and creating, changing, rotating, disabling and deleting them.

A secret is in the very answer that made it, and nowhere else, as with keys.
"""

from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.db.models import Count, Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST

from metering.notifications.delivery.queue import deliveries_of
from metering.notifications.endpoints.change import (
    MOST_WEBHOOKS,
    change_webhook,
    create_webhook,
    delete_webhook,
    rotate_webhook_secret,
)
from metering.notifications.models import WebhookDelivery, WebhookEndpoint
from metering.website.member import member_page, show_refusal
from metering.website.webhooks.forms import WebhookForm, WebhookRotateForm
from omixa_billing.api.errors import InvalidParameter, Refusal
from omixa_billing.api.lists import cut_page, rows_after
from workspaces.access.authentication import Caller

PAGE = 50
STATES = (("", "All"), ("waiting", "Waiting"), ("delivered", "Delivered"), ("failed", "Failed"))


@member_page("may_manage_keys")
def webhook_list(request: HttpRequest, caller: Caller) -> HttpResponse:
    waiting = Count("deliveries", filter=Q(deliveries__status=WebhookDelivery.Status.WAITING))
    webhooks = list(WebhookEndpoint.objects.filter(workspace=caller.workspace).annotate(waiting=waiting))
    context = {"webhooks": webhooks, "caller": caller, "is_full": len(webhooks) >= MOST_WEBHOOKS, "most": MOST_WEBHOOKS}
    return render(request, "website/webhooks/webhooks.html", context)


@never_cache
@member_page("may_manage_keys")
def webhook_new(request: HttpRequest, caller: Caller) -> HttpResponse:
    form = WebhookForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            webhook, secret = create_webhook(
                caller.workspace, **form.values, actor=caller.actor, now=timezone.now(), user=caller.user
            )
        except InvalidParameter as refusal:
            form.show(refusal)
        except Refusal as refusal:
            return show_refusal(request, refusal, "pages:webhooks")
        else:
            context = {"webhook": webhook, "secret": secret, "is_new": True}
            return render(request, "website/webhooks/webhook_secret.html", context)
    return render(request, "website/webhooks/webhook_new.html", {"form": form, "caller": caller})


@member_page("may_manage_keys")
def webhook_page(request: HttpRequest, caller: Caller, webhook_id: str) -> HttpResponse:
    webhook, now = webhook_of(caller, webhook_id), timezone.now()
    status = request.GET.get("status", "")
    status = status if status in WebhookDelivery.Status.values else ""
    every = deliveries_of(webhook)
    rows = every.filter(status=status) if status else every
    if (last := every.filter(public_id=request.GET.get("after", "")).first()) is not None:
        rows = rows_after(rows, last)
    page, after = cut_page(rows, PAGE, lambda row: row.public_id)
    context: dict[str, Any] = {
        "webhook": webhook,
        "deliveries": [(each, each.is_being_sent(now)) for each in page],
        "older": "?" + urlencode({"status": status, "after": after}) if after else "",
        "is_first": last is None,
        "states": STATES,
        "status": status,
        "secrets": list(webhook.secrets.valid(now)),
        "caller": caller,
    }
    return render(request, "website/webhooks/webhook.html", context)


@member_page("may_manage_keys")
def webhook_change(request: HttpRequest, caller: Caller, webhook_id: str) -> HttpResponse:
    webhook = webhook_of(caller, webhook_id)
    form = WebhookForm(request.POST or None, initial=WebhookForm.initial_of(webhook))
    if request.method == "POST" and form.is_valid():
        try:
            change_webhook(webhook, form.values, actor=caller.actor, now=timezone.now(), user=caller.user)
        except InvalidParameter as refusal:
            form.show(refusal)
        except Refusal as refusal:
            return show_refusal(request, refusal, "pages:webhooks")
        else:
            messages.success(request, "The webhook is saved.")
            return redirect("pages:webhook", webhook_id)
    return render(request, "website/webhooks/webhook_change.html", {"webhook": webhook, "form": form, "caller": caller})


@require_POST
@member_page("may_manage_keys")
def webhook_status(request: HttpRequest, caller: Caller, webhook_id: str) -> HttpResponse:
    webhook = webhook_of(caller, webhook_id)
    status = WebhookEndpoint.Status.ACTIVE if request.POST.get("status") == "active" else WebhookEndpoint.Status.DISABLED
    try:
        change_webhook(webhook, {"status": status}, actor=caller.actor, now=timezone.now(), user=caller.user)
    except Refusal as refusal:
        return show_refusal(request, refusal, "pages:webhook", webhook_id)
    enabled = "The webhook is enabled. It is notified of what happens from now on."
    disabled = "The webhook is disabled. Nothing is sent to it until you enable it."
    messages.success(request, enabled if status == WebhookEndpoint.Status.ACTIVE else disabled)
    return redirect("pages:webhook", webhook_id)


@never_cache
@member_page("may_manage_keys")
def webhook_rotate(request: HttpRequest, caller: Caller, webhook_id: str) -> HttpResponse:
    webhook = webhook_of(caller, webhook_id)
    form = WebhookRotateForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        grace, now = timedelta(seconds=int(form.cleaned_data["grace"])), timezone.now()
        try:
            secret = rotate_webhook_secret(webhook, grace, actor=caller.actor, now=now, user=caller.user)
        except Refusal as refusal:
            return show_refusal(request, refusal, "pages:webhook", webhook_id)
        context = {"webhook": webhook, "secret": secret, "old_until": now + grace if grace else None}
        return render(request, "website/webhooks/webhook_secret.html", context)
    return render(request, "website/webhooks/webhook_rotate.html", {"webhook": webhook, "form": form, "caller": caller})


@member_page("may_manage_keys")
def webhook_delete(request: HttpRequest, caller: Caller, webhook_id: str) -> HttpResponse:
    webhook = webhook_of(caller, webhook_id)
    if request.method == "POST":
        try:
            delete_webhook(webhook, actor=caller.actor, now=timezone.now(), user=caller.user)
        except Refusal as refusal:
            return show_refusal(request, refusal, "pages:webhooks")
        messages.success(request, f"The webhook to {webhook.host} is deleted.")
        return redirect("pages:webhooks")
    return render(request, "website/webhooks/webhook_delete.html", {"webhook": webhook, "caller": caller})


def webhook_of(caller: Caller, webhook_id: str) -> WebhookEndpoint:
    webhooks = WebhookEndpoint.objects.select_related("workspace")
    return get_object_or_404(webhooks, workspace=caller.workspace, public_id=webhook_id)
