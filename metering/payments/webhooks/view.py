"""POST /webhooks/stripe: stores what Stripe sends and answers at once."""

import json

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from metering.errors import StripeNotConfigured, WebhookRefused
from metering.payments.provider.errors import ForgedWebhook
from metering.payments.webhooks.inbox import store_webhook
from omixa_billing.api.errors import Refusal, refusal_response
from omixa_billing.reminders import remind_soon

TASK = "metering.handle_webhooks"


@csrf_exempt
@require_POST
def stripe_webhook(request: HttpRequest) -> HttpResponse:
    """200 once the event is stored, also when it was stored before; 400 for what Stripe did not sign just now."""
    try:
        if not settings.STRIPE_WEBHOOK_SECRET:
            raise StripeNotConfigured("Webhooks are not set up here: set STRIPE_WEBHOOK_SECRET.")
        try:
            new = store_webhook(request.body, request.headers.get("Stripe-Signature", ""), timezone.now())
        except ForgedWebhook as forged:
            raise WebhookRefused(f"This is not signed by Stripe, or too long ago: {forged}") from None
    except Refusal as refusal:
        return refusal_response(refusal)
    remind_soon(TASK)
    return HttpResponse(json.dumps({"received": True, "new": new}), content_type="application/json")
