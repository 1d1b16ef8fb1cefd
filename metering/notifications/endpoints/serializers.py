"""What the webhook endpoints take and answer. as_json.py makes the values."""

from typing import Any

from rest_framework import serializers

from metering.notifications.endpoints.change import USUAL_GRACE
from metering.notifications.endpoints.targets import LONGEST_URL
from metering.notifications.models import WebhookDelivery, WebhookEndpoint
from metering.notifications.types import CHOICES_OF_TYPES, NOTIFICATION_TYPES
from omixa_billing.api.fields import StrictInteger, StrictText
from omixa_billing.api.lists import CursorQuery, limit_field, list_serializer
from omixa_billing.api.requests import StrictBody
from workspaces.keys.credentials import MAX_GRACE
from workspaces.names import MAX_NAME

URL_HELP = "An https address on the internet, without a user, a password or a fragment."
TYPES_HELP = "Which notifications are sent to it; null: all, also those that are added later."
SECRET_HELP = "`whsec_...`, for the libraries of Standard Webhooks. It is in this answer only."  # noqa: S105 - words about it


class WebhookListQuery(CursorQuery):
    limit = limit_field(100, 50)


class DeliveryListQuery(CursorQuery):
    limit = limit_field(200, 50)
    status = serializers.ChoiceField(choices=WebhookDelivery.Status.values, required=False)
    type = serializers.ChoiceField(choices=list(NOTIFICATION_TYPES), required=False)


def _types(**extra: Any) -> serializers.ListField:
    child = serializers.ChoiceField(choices=CHOICES_OF_TYPES)
    most = len(CHOICES_OF_TYPES)
    return serializers.ListField(child=child, allow_null=True, min_length=1, max_length=most, help_text=TYPES_HELP, **extra)


class WebhookToCreate(StrictBody):
    url = StrictText(max_length=LONGEST_URL, help_text=URL_HELP)
    types = _types(default=None)
    description = StrictText(max_length=MAX_NAME, default="", allow_blank=True)


class WebhookChanges(StrictBody):
    """Whatever is absent stays."""

    url = StrictText(max_length=LONGEST_URL, required=False, help_text=URL_HELP)
    types = _types(required=False)
    description = StrictText(max_length=MAX_NAME, required=False, allow_blank=True)
    status = serializers.ChoiceField(
        choices=WebhookEndpoint.Status.values,
        required=False,
        help_text="`disabled` ends what waits; `active` begins with what happens from then on.",
    )


class WebhookRotation(StrictBody):
    grace_seconds = StrictInteger(
        min_value=0,
        max_value=int(MAX_GRACE.total_seconds()),
        default=int(USUAL_GRACE.total_seconds()),
        help_text="For how long requests are also signed with the older secrets.",
    )


class WebhookSerializer(serializers.Serializer[Any]):
    object = serializers.ChoiceField(choices=["webhook"])
    id = serializers.CharField()
    url = serializers.CharField()
    types = serializers.ListField(
        child=serializers.ChoiceField(choices=CHOICES_OF_TYPES), allow_null=True, help_text=TYPES_HELP
    )
    description = serializers.CharField()
    status = serializers.ChoiceField(choices=WebhookEndpoint.Status.values)
    disabled_because = serializers.ChoiceField(
        choices=WebhookEndpoint.Reason.values,
        allow_null=True,
        help_text="`manual`; `gone`: it answered 410; `failing`: every delivery failed for five days.",
    )
    disabled_at = serializers.DateTimeField(allow_null=True)
    failing_since = serializers.DateTimeField(allow_null=True, help_text="Since when every attempt fails.")
    created_at = serializers.DateTimeField()


class WebhookWithSecretSerializer(WebhookSerializer):
    secret = serializers.CharField(help_text=SECRET_HELP)


WebhookListSerializer = list_serializer("WebhookListSerializer", WebhookSerializer)


class DeletedWebhookSerializer(serializers.Serializer[Any]):
    object = serializers.ChoiceField(choices=["webhook"])
    id = serializers.CharField()
    deleted = serializers.BooleanField()


class WebhookDeliverySerializer(serializers.Serializer[Any]):
    object = serializers.ChoiceField(choices=["webhook_delivery"])
    id = serializers.CharField()
    notification_id = serializers.CharField(help_text="The `webhook-id`: the same in every attempt, also when it is replayed.")
    type = serializers.CharField()
    status = serializers.ChoiceField(choices=WebhookDelivery.Status.values)
    attempt_count = serializers.IntegerField()
    last_error = serializers.CharField(allow_null=True, help_text="Of the last attempt, if it failed.")
    next_attempt_at = serializers.DateTimeField(allow_null=True, help_text="Null: at once, or none.")
    created_at = serializers.DateTimeField()
    finished_at = serializers.DateTimeField(allow_null=True)


WebhookDeliveryListSerializer = list_serializer("WebhookDeliveryListSerializer", WebhookDeliverySerializer)


class WebhookAttemptSerializer(serializers.Serializer[Any]):
    number = serializers.IntegerField()
    sent_at = serializers.DateTimeField()
    duration_ms = serializers.IntegerField()
    url = serializers.CharField()
    request_headers = serializers.DictField(child=serializers.CharField())
    answer_status = serializers.IntegerField(allow_null=True, help_text="Null: no answer came, and `error` says why.")
    answer_body = serializers.CharField(help_text="The first 2 KB of it.")
    error = serializers.CharField(allow_null=True)


class WebhookDeliveryWithAttemptsSerializer(WebhookDeliverySerializer):
    body = serializers.CharField(help_text="As sent and signed, to the byte.")
    attempts = WebhookAttemptSerializer(many=True)
