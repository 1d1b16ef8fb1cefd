"""What came of an attempt: kept, and what follows from it for the delivery and its endpoint."""

from datetime import datetime, timedelta

from django.db import transaction

from metering.notifications.delivery.retries import pause_after
from metering.notifications.delivery.send import WebhookAnswer, WebhookRequest
from metering.notifications.endpoints.disable import disable_webhook
from metering.notifications.models import WebhookAttempt, WebhookDelivery, WebhookEndpoint

GONE = 410
FAILS_FOR_LONG = timedelta(days=5)
Status, Reason = WebhookDelivery.Status, WebhookEndpoint.Reason


@transaction.atomic
def record_attempt(
    claimed: WebhookDelivery, request: WebhookRequest, answer: WebhookAnswer, sent_at: datetime, now: datetime
) -> None:
    """An attempt whose lease ran out is kept, and decides nothing: another process has the delivery by now."""
    endpoint = WebhookEndpoint.objects.select_for_update(no_key=True).filter(pk=claimed.endpoint_id).first()
    delivery = WebhookDelivery.objects.select_for_update(no_key=True).filter(pk=claimed.pk).first()
    if endpoint is None or delivery is None:  # deleted while it was sent
        return
    delivery.attempt_count += 1
    WebhookAttempt.objects.create(
        delivery=delivery,
        number=delivery.attempt_count,
        sent_at=sent_at,
        duration_ms=answer.duration_ms,
        url=request.url,
        request_headers=request.headers,
        answer_status=answer.status,
        answer_body=answer.body,
        error=answer.error,
    )
    if (delivery.sending_since, delivery.next_try_at) != (claimed.sending_since, claimed.next_try_at):
        delivery.save(update_fields=["attempt_count"])
        return
    delivery.sending_since, delivery.next_try_at = None, None
    if answer.succeeded:
        _succeeded(delivery, endpoint, now)
    else:
        _failed(delivery, endpoint, answer, now)


def _succeeded(delivery: WebhookDelivery, endpoint: WebhookEndpoint, now: datetime) -> None:
    delivery.status, delivery.finished_at, delivery.error = Status.DELIVERED, now, ""
    delivery.save()
    if endpoint.failing_since is not None:
        endpoint.failing_since = None
        endpoint.save(update_fields=["failing_since"])


def _failed(delivery: WebhookDelivery, endpoint: WebhookEndpoint, answer: WebhookAnswer, now: datetime) -> None:
    delivery.tries += 1
    delivery.error = answer.error or f"It answered {answer.status}."
    if endpoint.failing_since is None:
        endpoint.failing_since = now
        endpoint.save(update_fields=["failing_since"])
    because = _why_disabled(answer, endpoint.failing_since, now)
    pause = pause_after(delivery.public_id, delivery.tries, answer.retry_after)
    if pause is None or because is not None or not endpoint.is_active:
        delivery.status, delivery.finished_at = Status.FAILED, now
    else:
        delivery.next_try_at = now + pause
    delivery.save()
    if because is not None:
        disable_webhook(endpoint, because, now)


def _why_disabled(answer: WebhookAnswer, failing_since: datetime, now: datetime) -> WebhookEndpoint.Reason | None:
    if answer.status == GONE:
        return Reason.GONE
    return Reason.FAILING if now - failing_since >= FAILS_FOR_LONG else None
