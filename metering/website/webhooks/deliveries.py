"""What was sent to a webhook: one delivery with each request and answer, sending it again, and sending a test."""

import json

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_POST

from metering.notifications.delivery.queue import deliveries_of
from metering.notifications.delivery.signing import body_of
from metering.notifications.endpoints.as_json import next_attempt_at
from metering.notifications.endpoints.change import replay_delivery, send_test
from metering.notifications.models import WebhookDelivery
from metering.website.member import member_page, show_refusal
from metering.website.webhooks.webhooks import webhook_of
from omixa_billing.api.errors import Refusal
from workspaces.access.authentication import Caller


@member_page("may_manage_keys")
def delivery_page(request: HttpRequest, caller: Caller, webhook_id: str, delivery_id: str) -> HttpResponse:
    delivery, now = _delivery_of(caller, webhook_id, delivery_id), timezone.now()
    context = {
        "webhook": delivery.endpoint,
        "delivery": delivery,
        "is_being_sent": delivery.is_being_sent(now),
        "next_attempt_at": next_attempt_at(delivery, now),
        "attempts": list(delivery.attempts.order_by("-number")),
        "body": json.dumps(json.loads(body_of(delivery.notification)), indent=2, ensure_ascii=False),
        "caller": caller,
    }
    return render(request, "website/webhooks/delivery.html", context)


@require_POST
@member_page("may_manage_keys")
def delivery_replay(request: HttpRequest, caller: Caller, webhook_id: str, delivery_id: str) -> HttpResponse:
    delivery = _delivery_of(caller, webhook_id, delivery_id)
    try:
        replay_delivery(delivery, actor=caller.actor, now=timezone.now(), user=caller.user)
    except Refusal as refusal:
        return show_refusal(request, refusal, "pages:webhook_delivery", webhook_id, delivery_id)
    messages.success(request, "It is sent again. Load this page again to see its outcome.")
    return redirect("pages:webhook_delivery", webhook_id, delivery_id)


@require_POST
@member_page("may_manage_keys")
def webhook_test(request: HttpRequest, caller: Caller, webhook_id: str) -> HttpResponse:
    try:
        delivery = send_test(webhook_of(caller, webhook_id), actor=caller.actor, now=timezone.now(), user=caller.user)
    except Refusal as refusal:
        return show_refusal(request, refusal, "pages:webhook", webhook_id)
    messages.success(request, "A test is on its way. Load this page again to see its outcome.")
    return redirect("pages:webhook_delivery", webhook_id, delivery.public_id)


def _delivery_of(caller: Caller, webhook_id: str, delivery_id: str) -> WebhookDelivery:
    return get_object_or_404(deliveries_of(webhook_of(caller, webhook_id)), public_id=delivery_id)
