"""Mails about webhooks that the product disabled, to the people who can do something about it: one each time."""

from datetime import datetime, timedelta

from metering.notifications.models import WebhookEndpoint
from metering.payments.mails.outbox import add_notice
from omixa_billing.instants import instant_text

NEWS_FOR = timedelta(days=3)


def notify_of_disabled_webhooks(now: datetime) -> None:
    """Found by search, so that none can be missed. What a person disabled is no news, and operators are alerted at once."""
    disabled = WebhookEndpoint.objects.filter(status="disabled", disabled_at__gte=now - NEWS_FOR, workspace__isnull=False)
    found = disabled.exclude(disabled_because=WebhookEndpoint.Reason.MANUAL).select_related("workspace")
    for endpoint in found.order_by("pk"):
        assert endpoint.workspace is not None  # noqa: S101 - as filtered
        since = instant_text(endpoint.disabled_at) or ""
        why = endpoint.get_disabled_because_display()
        context = {"webhook_id": endpoint.public_id, "url": endpoint.url, "disabled_at": since, "why": why}
        add_notice(endpoint.workspace, "webhook_disabled", f"webhook_disabled:{endpoint.public_id}:{since}", context, now)
