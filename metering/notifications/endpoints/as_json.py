"""Endpoints and deliveries as the API shows them."""

from datetime import datetime
from typing import Any

from metering.notifications.delivery.signing import body_of
from metering.notifications.models import WebhookAttempt, WebhookDelivery, WebhookEndpoint
from omixa_billing.instants import instant_text


def webhook_json(endpoint: WebhookEndpoint, secret: str | None = None) -> dict[str, Any]:
    """With its secret only in the answer that made it."""
    return {
        "object": "webhook",
        "id": endpoint.public_id,
        "url": endpoint.url,
        "types": endpoint.types,
        "description": endpoint.description,
        "status": endpoint.status,
        "disabled_because": endpoint.disabled_because or None,
        "disabled_at": instant_text(endpoint.disabled_at),
        "failing_since": instant_text(endpoint.failing_since),
        "created_at": instant_text(endpoint.created_at),
    } | ({} if secret is None else {"secret": secret})


def delivery_json(delivery: WebhookDelivery, now: datetime) -> dict[str, Any]:
    return {
        "object": "webhook_delivery",
        "id": delivery.public_id,
        "notification_id": delivery.notification.public_id,
        "type": delivery.notification.type,
        "status": delivery.status,
        "attempt_count": delivery.attempt_count,
        "last_error": delivery.error or None,
        "next_attempt_at": instant_text(next_attempt_at(delivery, now)),
        "created_at": instant_text(delivery.created_at),
        "finished_at": instant_text(delivery.finished_at),
    }


def next_attempt_at(delivery: WebhookDelivery, now: datetime) -> datetime | None:
    """Null: it is being sent, it is finished, or it is sent at once."""
    if delivery.status != WebhookDelivery.Status.WAITING or delivery.is_being_sent(now):
        return None
    return delivery.next_try_at


def delivery_with_attempts_json(delivery: WebhookDelivery, now: datetime) -> dict[str, Any]:
    attempts = [webhook_attempt_json(each) for each in delivery.attempts.all()]
    body = body_of(delivery.notification).decode()
    return delivery_json(delivery, now) | {"body": body, "attempts": attempts}


def webhook_attempt_json(attempt: WebhookAttempt) -> dict[str, Any]:
    return {
        "number": attempt.number,
        "sent_at": instant_text(attempt.sent_at),
        "duration_ms": attempt.duration_ms,
        "url": attempt.url,
        "request_headers": attempt.request_headers,
        "answer_status": attempt.answer_status,
        "answer_body": attempt.answer_body,
        "error": attempt.error or None,
    }
