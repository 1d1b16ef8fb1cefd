"""Endpoints as people and programs manage them. Each act and its audit entry are written as one.

Lock order: the workspace, the endpoint, then its secrets or deliveries. Operators' endpoints have no workspace: the console
decides who manages those.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction

from metering.notifications.announce import add_notification, ask_for_delivery, queue_deliveries
from metering.notifications.delivery.signing import new_signing_secret
from metering.notifications.endpoints.disable import disable_webhook
from metering.notifications.endpoints.targets import clean_url
from metering.notifications.errors import DeliveryBeingSent, TooManyWebhooks, WebhookDeleted, WebhookDisabled
from metering.notifications.models import WebhookDelivery, WebhookEndpoint, WebhookSecret, notification_id
from metering.notifications.types import CHOICES_OF_TYPES, TEST
from omixa_billing.api.errors import InvalidParameter
from omixa_billing.instants import instant_text
from workspaces import audit
from workspaces.access.still_allowed import check_still_allowed
from workspaces.keys.credentials import check_grace
from workspaces.locks import lock_workspace
from workspaces.models import APIKey, User, Workspace
from workspaces.names import MAX_NAME, is_storable
from workspaces.redaction import holds_secret
from workspaces.sealed import seal

# Of one workspace: each notification goes to all of them.
MOST_WEBHOOKS = 10
USUAL_GRACE = timedelta(hours=24)
# That are valid at once: each adds a signature to every request.
MOST_SECRETS = 5
Status, Reason = WebhookEndpoint.Status, WebhookEndpoint.Reason


def create_webhook(
    workspace: Workspace | None,
    url: str,
    *,
    actor: str,
    now: datetime,
    types: list[str] | None = None,
    description: str = "",
    user: User | None = None,
    maker: APIKey | None = None,
) -> tuple[WebhookEndpoint, str]:
    """The endpoint and its secret, which is shown now and never again. Without a workspace it is the operators'.

    Who asks for it is `user`, a person, or `maker`, an admin key. Raises InvalidParameter, TooManyWebhooks, and what
    `check_still_allowed` raises.
    """
    endpoint = WebhookEndpoint(workspace=workspace, created_at=now)
    _apply(endpoint, {"url": url, "types": types, "description": description})
    with _allowed(workspace, user, maker):
        if workspace is not None and WebhookEndpoint.objects.filter(workspace=workspace).count() >= MOST_WEBHOOKS:
            raise TooManyWebhooks(f"A workspace has at most {MOST_WEBHOOKS} webhooks: delete one, or change it.")
        endpoint.save(force_insert=True)
        secret = _add_secret(endpoint, now)
        audit.record(actor, "webhook.created", endpoint.public_id, workspace, now=now, **described_webhook(endpoint))
    return endpoint, secret


def change_webhook(
    endpoint: WebhookEndpoint,
    changes: dict[str, Any],
    *,
    actor: str,
    now: datetime,
    user: User | None = None,
    maker: APIKey | None = None,
) -> WebhookEndpoint:
    """With these of `url`, `types`, `description` and `status`; enabled again, it begins with what happens from then on.

    Raises InvalidParameter, WebhookDeleted, and what `check_still_allowed` raises.
    """
    with _locked(endpoint, user, maker) as current:
        before = described_webhook(current)
        _apply(current, changes)
        after = described_webhook(current)
        changed = {name: f"{before[name]} → {value}" for name, value in after.items() if value != before[name]}
        if changed:
            current.save(update_fields=["url", "types", "description"])
            audit.record(actor, "webhook.changed", current.public_id, current.workspace, now=now, **changed)
        wanted = changes.get("status", current.status)
        if wanted == Status.DISABLED:
            disable_webhook(current, Reason.MANUAL, now, actor)
        elif not current.is_active:
            _enable(current, actor, now)
    return current


def delete_webhook(
    endpoint: WebhookEndpoint, *, actor: str, now: datetime, user: User | None = None, maker: APIKey | None = None
) -> None:
    """With its secrets and deliveries. Raises WebhookDeleted, and what `check_still_allowed` raises."""
    with _locked(endpoint, user, maker, for_good=True) as current:
        audit.record(actor, "webhook.deleted", current.public_id, current.workspace, now=now, **described_webhook(current))
        current.delete()


def rotate_webhook_secret(
    endpoint: WebhookEndpoint,
    grace: timedelta,
    *,
    actor: str,
    now: datetime,
    user: User | None = None,
    maker: APIKey | None = None,
) -> str:
    """A new secret; until `now + grace` the older ones sign too, so that each request verifies with either.

    Raises InvalidGrace, WebhookDeleted, and what `check_still_allowed` raises.
    """
    check_grace(grace)
    with _locked(endpoint, user, maker) as current:
        until = now + grace
        current.secrets.filter(expires_at__isnull=True).update(expires_at=until)
        current.secrets.filter(expires_at__gt=until).update(expires_at=until)
        secret = _add_secret(current, now)
        kept = current.secrets.valid(now).values_list("pk", flat=True)[:MOST_SECRETS]
        current.secrets.exclude(pk__in=list(kept)).delete()
        grace_seconds = int(grace.total_seconds())
        audit.record(actor, "webhook.rotated", current.public_id, current.workspace, now=now, grace_seconds=grace_seconds)
    return secret


def send_test(
    endpoint: WebhookEndpoint, *, actor: str, now: datetime, user: User | None = None, maker: APIKey | None = None
) -> WebhookDelivery:
    """A `webhook.test` to this endpoint alone.

    Raises WebhookDisabled, WebhookDeleted, and what `check_still_allowed` raises.
    """
    with _locked(endpoint, user, maker) as current:
        _check_active(current)
        data = {"object": "webhook", "id": current.public_id, "sent_by": actor, "sent_at": instant_text(now)}
        notification = add_notification(current.workspace, TEST, f"{TEST}:{notification_id()}", data, now)
        assert notification is not None  # noqa: S101 - the key is new
        queue_deliveries([(notification, current.pk)], now)
        audit.record(actor, "webhook.tested", current.public_id, current.workspace, now=now)
        return current.deliveries.select_related("notification").get(notification_id=notification)


def replay_delivery(
    delivery: WebhookDelivery, *, actor: str, now: datetime, user: User | None = None, maker: APIKey | None = None
) -> WebhookDelivery:
    """Sends it now, whatever became of it, with the same webhook-id and body; if it fails, its retries begin again.

    Raises DeliveryBeingSent, WebhookDisabled, WebhookDeleted, and what `check_still_allowed` raises.
    """
    with _locked(delivery.endpoint, user, maker) as current:
        _check_active(current)
        found = current.deliveries.select_for_update(no_key=True, of=("self",)).select_related("notification")
        waiting = found.filter(pk=delivery.pk).first()
        if waiting is None:
            raise WebhookDeleted("This delivery is not kept any more.")
        if waiting.is_being_sent(now):
            raise DeliveryBeingSent("This delivery is being sent: wait for its outcome first.")
        waiting.status, waiting.tries, waiting.next_try_at = WebhookDelivery.Status.WAITING, 0, None
        waiting.sending_since, waiting.finished_at, waiting.error = None, None, ""
        waiting.save()
        webhook = current.public_id
        audit.record(actor, "webhook.delivery_replayed", waiting.public_id, current.workspace, now=now, webhook=webhook)
        transaction.on_commit(ask_for_delivery)
    return waiting


def described_webhook(endpoint: WebhookEndpoint) -> dict[str, Any]:
    """As the audit trail shows it."""
    types = "all" if endpoint.types is None else ", ".join(endpoint.types)
    return {"url": endpoint.url, "types": types, "description": endpoint.description}


def _apply(endpoint: WebhookEndpoint, changes: dict[str, Any]) -> None:
    """Raises InvalidParameter for what no endpoint can have."""
    if "url" in changes:
        endpoint.url = clean_url(changes["url"])
    if "types" in changes:
        endpoint.types = _clean_types(changes["types"])
    if "description" in changes:
        endpoint.description = changes["description"].strip()
        text = endpoint.description
        if len(text) > MAX_NAME or not is_storable(text) or holds_secret(text):
            raise InvalidParameter(f"The description is at most {MAX_NAME} characters, without a secret.", param="description")
    if changes.get("status", Status.ACTIVE) not in Status.values:
        raise InvalidParameter(f"status is one of {', '.join(Status.values)}.", param="status")


def _clean_types(types: list[str] | None) -> list[str] | None:
    """In the order of the list; null is all."""
    if types is None:
        return None
    if unknown := [each for each in types if each not in CHOICES_OF_TYPES]:
        raise InvalidParameter(f"{unknown[0]} is not a type that a webhook can choose: see docs/webhooks.md.", param="types")
    if not types:
        raise InvalidParameter("Choose at least one type, or null for all.", param="types")
    return [each for each in CHOICES_OF_TYPES if each in types]


def _enable(endpoint: WebhookEndpoint, actor: str, now: datetime) -> None:
    endpoint.status, endpoint.disabled_because = Status.ACTIVE, ""
    endpoint.disabled_at = endpoint.failing_since = None
    endpoint.save(update_fields=["status", "disabled_because", "disabled_at", "failing_since"])
    audit.record(actor, "webhook.enabled", endpoint.public_id, endpoint.workspace, now=now, url=endpoint.url)


def _add_secret(endpoint: WebhookEndpoint, now: datetime) -> str:
    secret = new_signing_secret()
    WebhookSecret.objects.create(endpoint=endpoint, sealed=seal(secret), created_at=now)
    return secret


def _check_active(endpoint: WebhookEndpoint) -> None:
    if not endpoint.is_active:
        raise WebhookDisabled("This webhook is disabled: enable it first.")


@contextmanager
def _allowed(workspace: Workspace | None, user: User | None, maker: APIKey | None) -> Iterator[None]:
    """For a person or an admin key that still may: webhooks are a part of managing keys."""
    with transaction.atomic():
        if workspace is not None:
            lock_workspace(workspace.pk)
            check_still_allowed(workspace, user, maker)
        yield


@contextmanager
def _locked(
    endpoint: WebhookEndpoint, user: User | None, maker: APIKey | None, for_good: bool = False
) -> Iterator[WebhookEndpoint]:
    """The endpoint as it is now, which nobody else changes or sends to meanwhile. What announces waits only `for_good`."""
    with _allowed(endpoint.workspace, user, maker):
        found = WebhookEndpoint.objects.select_for_update(of=("self",), no_key=not for_good).select_related("workspace")
        current = found.filter(pk=endpoint.pk).first()
        if current is None:
            raise WebhookDeleted("This webhook was deleted meanwhile.")
        yield current
