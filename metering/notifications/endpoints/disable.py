"""An endpoint that is sent nothing any more, until a person or a program enables it again."""

from datetime import datetime

from django.db import transaction

from metering.jobs.alert import alert_operators
from metering.notifications.models import WebhookDelivery, WebhookEndpoint
from workspaces import audit

ACTOR = "webhooks"


def disable_webhook(endpoint: WebhookEndpoint, because: WebhookEndpoint.Reason, now: datetime, actor: str = ACTOR) -> None:
    """What waits for it fails, and may be sent again later. The caller has the endpoint's row. Twice is once."""
    if not endpoint.is_active:
        return
    endpoint.status, endpoint.disabled_because, endpoint.disabled_at = WebhookEndpoint.Status.DISABLED, because, now
    endpoint.save(update_fields=["status", "disabled_because", "disabled_at"])
    WebhookDelivery.objects.waiting().filter(endpoint=endpoint).update(
        status=WebhookDelivery.Status.FAILED, finished_at=now, error="The endpoint was disabled."
    )
    audit.record(
        actor, "webhook.disabled", endpoint.public_id, endpoint.workspace, now=now, url=endpoint.url, reason=because.label
    )
    if endpoint.workspace is None and because != WebhookEndpoint.Reason.MANUAL:
        finding = {"webhook": endpoint.public_id, "url": endpoint.url, "reason": because.label}
        transaction.on_commit(lambda: alert_operators("Omixa billing: a webhook of the operators is disabled", [finding]))
