"""`/api/v1/webhooks`: where a workspace is notified, for its admin keys, owners and admins.

Managing them is a part of managing keys: a limited admin key needs that scope.
"""

from datetime import timedelta

from django.db.models import QuerySet
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from metering.notifications.delivery.queue import deliveries_of
from metering.notifications.endpoints.as_json import delivery_json, delivery_with_attempts_json, webhook_json
from metering.notifications.endpoints.change import (
    change_webhook,
    create_webhook,
    delete_webhook,
    replay_delivery,
    rotate_webhook_secret,
    send_test,
)
from metering.notifications.endpoints.serializers import (
    DeletedWebhookSerializer,
    DeliveryListQuery,
    WebhookChanges,
    WebhookDeliveryListSerializer,
    WebhookDeliverySerializer,
    WebhookDeliveryWithAttemptsSerializer,
    WebhookListQuery,
    WebhookListSerializer,
    WebhookRotation,
    WebhookSerializer,
    WebhookToCreate,
    WebhookWithSecretSerializer,
)
from metering.notifications.models import WebhookDelivery, WebhookEndpoint
from omixa_billing.api.documented_errors import NOT_FOUND, REFUSED, errors_with
from omixa_billing.api.lists import list_answer, page_of
from omixa_billing.api.requests import NoQuery, parse_body, parse_query
from workspaces.access.authentication import Caller
from workspaces.access.permissions import ManagesWebhooks, caller_of
from workspaces.keys.serializers import Nothing
from workspaces.models import APIKey

CONFLICT = errors_with(409)


class WebhookView(APIView):
    """What all of these have in common."""

    permission_classes = [ManagesWebhooks]
    scope = APIKey.Scope.KEYS


class WebhooksView(WebhookView):
    @extend_schema(
        operation_id="list_webhooks",
        summary="The workspace's webhooks, newest first",
        tags=["webhooks"],
        parameters=[WebhookListQuery],
        responses={200: WebhookListSerializer, **REFUSED},
    )
    def get(self, request: Request) -> Response:
        asked = parse_query(request.query_params, WebhookListQuery)
        page, next_cursor = page_of(_webhooks_of(caller_of(request)).order_by("-pk"), asked)
        return Response(list_answer([webhook_json(each) for each in page], next_cursor))

    @extend_schema(
        operation_id="create_webhook",
        summary="Create a webhook; its secret is in this answer only",
        tags=["webhooks"],
        request=WebhookToCreate,
        responses={201: WebhookWithSecretSerializer, **REFUSED, **CONFLICT},
    )
    def post(self, request: Request) -> Response:
        asked, caller = parse_body(request.data, WebhookToCreate), caller_of(request)
        endpoint, secret = create_webhook(
            caller.workspace,
            asked["url"],
            types=asked["types"],
            description=asked["description"],
            actor=caller.actor,
            now=timezone.now(),
            user=caller.user,
            maker=caller.key,
        )
        return Response(webhook_json(endpoint, secret), status=201)


class OneWebhookView(WebhookView):
    @extend_schema(
        operation_id="get_webhook",
        summary="One webhook",
        tags=["webhooks"],
        responses={200: WebhookSerializer, **REFUSED, **NOT_FOUND},
    )
    def get(self, request: Request, webhook_id: str) -> Response:
        parse_query(request.query_params, NoQuery)
        return Response(webhook_json(_webhook_of(caller_of(request), webhook_id)))

    @extend_schema(
        operation_id="change_webhook",
        summary="Change a webhook, disable it or enable it again",
        tags=["webhooks"],
        request=WebhookChanges,
        responses={200: WebhookSerializer, **REFUSED, **NOT_FOUND},
    )
    def patch(self, request: Request, webhook_id: str) -> Response:
        caller = caller_of(request)
        endpoint, changes = _webhook_of(caller, webhook_id), parse_body(request.data, WebhookChanges)
        now = timezone.now()
        changed = change_webhook(endpoint, changes, actor=caller.actor, now=now, user=caller.user, maker=caller.key)
        return Response(webhook_json(changed))

    @extend_schema(
        operation_id="delete_webhook",
        summary="Delete a webhook, with its deliveries",
        tags=["webhooks"],
        responses={200: DeletedWebhookSerializer, **REFUSED, **NOT_FOUND},
    )
    def delete(self, request: Request, webhook_id: str) -> Response:
        caller = caller_of(request)
        endpoint = _webhook_of(caller, webhook_id)
        delete_webhook(endpoint, actor=caller.actor, now=timezone.now(), user=caller.user, maker=caller.key)
        return Response({"object": "webhook", "id": endpoint.public_id, "deleted": True})


class RotateWebhook(WebhookView):
    @extend_schema(
        operation_id="rotate_webhook",
        summary="A new secret; it is in this answer only, and requests are also signed with the older ones for a while",
        tags=["webhooks"],
        request=WebhookRotation,
        responses={200: WebhookWithSecretSerializer, **REFUSED, **NOT_FOUND},
    )
    def post(self, request: Request, webhook_id: str) -> Response:
        caller, now = caller_of(request), timezone.now()
        endpoint = _webhook_of(caller, webhook_id)
        grace = timedelta(seconds=parse_body(request.data, WebhookRotation)["grace_seconds"])
        secret = rotate_webhook_secret(endpoint, grace, actor=caller.actor, now=now, user=caller.user, maker=caller.key)
        return Response(webhook_json(_webhook_of(caller, webhook_id), secret))


class SendTest(WebhookView):
    @extend_schema(
        operation_id="test_webhook",
        summary="Send a webhook.test; look at the delivery for its outcome",
        tags=["webhooks"],
        request=Nothing,
        responses={202: WebhookDeliverySerializer, **REFUSED, **NOT_FOUND, **CONFLICT},
    )
    def post(self, request: Request, webhook_id: str) -> Response:
        caller, now = caller_of(request), timezone.now()
        endpoint = _webhook_of(caller, webhook_id)
        parse_body(request.data, Nothing)
        delivery = send_test(endpoint, actor=caller.actor, now=now, user=caller.user, maker=caller.key)
        return Response(delivery_json(delivery, now), status=202)


class DeliveriesView(WebhookView):
    @extend_schema(
        operation_id="list_webhook_deliveries",
        summary="What was sent to a webhook within 30 days, newest first",
        tags=["webhooks"],
        parameters=[DeliveryListQuery],
        responses={200: WebhookDeliveryListSerializer, **REFUSED, **NOT_FOUND},
    )
    def get(self, request: Request, webhook_id: str) -> Response:
        asked = parse_query(request.query_params, DeliveryListQuery)
        known = rows = deliveries_of(_webhook_of(caller_of(request), webhook_id))
        if "status" in asked:
            rows = rows.filter(status=asked["status"])
        if "type" in asked:
            rows = rows.filter(notification__type=asked["type"])
        page, next_cursor = page_of(rows, asked, known)
        now = timezone.now()
        return Response(list_answer([delivery_json(each, now) for each in page], next_cursor))


class DeliveryView(WebhookView):
    @extend_schema(
        operation_id="get_webhook_delivery",
        summary="One delivery, with each request and answer",
        tags=["webhooks"],
        responses={200: WebhookDeliveryWithAttemptsSerializer, **REFUSED, **NOT_FOUND},
    )
    def get(self, request: Request, webhook_id: str, delivery_id: str) -> Response:
        parse_query(request.query_params, NoQuery)
        delivery = _delivery_of(caller_of(request), webhook_id, delivery_id)
        return Response(delivery_with_attempts_json(delivery, timezone.now()))


class ReplayDelivery(WebhookView):
    @extend_schema(
        operation_id="replay_webhook_delivery",
        summary="Send a delivery again, with the same webhook-id and body",
        tags=["webhooks"],
        request=Nothing,
        responses={202: WebhookDeliverySerializer, **REFUSED, **NOT_FOUND, **CONFLICT},
    )
    def post(self, request: Request, webhook_id: str, delivery_id: str) -> Response:
        caller, now = caller_of(request), timezone.now()
        delivery = _delivery_of(caller, webhook_id, delivery_id)
        parse_body(request.data, Nothing)
        replayed = replay_delivery(delivery, actor=caller.actor, now=now, user=caller.user, maker=caller.key)
        return Response(delivery_json(replayed, now), status=202)


def _webhooks_of(caller: Caller) -> QuerySet[WebhookEndpoint]:
    return WebhookEndpoint.objects.filter(workspace=caller.workspace).select_related("workspace")


def _webhook_of(caller: Caller, webhook_id: str) -> WebhookEndpoint:
    endpoint = _webhooks_of(caller).filter(public_id=webhook_id).first()
    if endpoint is None:
        raise NotFound("There is no such webhook in this workspace.")
    return endpoint


def _delivery_of(caller: Caller, webhook_id: str, delivery_id: str) -> WebhookDelivery:
    delivery = deliveries_of(_webhook_of(caller, webhook_id)).filter(public_id=delivery_id).first()
    if delivery is None:
        raise NotFound("This webhook has no such delivery, or it is older than 30 days.")
    return delivery
