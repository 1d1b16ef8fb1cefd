"""The gateway's endpoints as the OpenAPI document describes them. They are plain views; these stand in for them there."""

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.views import APIView

from metering.ingest.formats.dialects.registry import DIALECT_NAMES
from metering.ingest.models import Batch
from omixa_billing.api.documented_errors import errors_with

GATEWAY_TOKEN: Any = [{"gateway": []}]
COUNT: Any = {"min_value": 0, "max_value": 2**31 - 1}


class UsageEventInput(serializers.Serializer[Any]):
    """One attempt at one request."""

    request_id = serializers.CharField(
        min_length=1, max_length=512, help_text="Unique with `attempt` within the workspace, for ever."
    )
    attempt = serializers.IntegerField(**COUNT, default=0, help_text="Failover attempts of one request count up.")
    key_id = serializers.CharField(
        max_length=512, help_text="The key's id, which names the workspace; accepted when since revoked."
    )
    model = serializers.CharField(max_length=300, help_text="As the client asked for it.")
    occurred_at = serializers.DateTimeField(
        help_text="When the response ended, with a zone; at most 10 minutes ahead and 400 days back."
    )
    usage = serializers.DictField(
        required=False,
        allow_null=True,
        help_text="As the provider sent it; required unless `status` is `failed`. A number that is not known holds the event.",
    )
    dialect = serializers.ChoiceField(
        choices=DIALECT_NAMES,
        required=False,
        allow_null=True,
        help_text="Inferred where the shape of `usage` leaves no doubt.",
    )
    usage_source = serializers.ChoiceField(choices=["provider", "estimated"], default="provider")
    status = serializers.ChoiceField(
        choices=["succeeded", "aborted", "failed"],
        default="succeeded",
        help_text="The first two are billed for the usage they carry; `failed` is recorded and not billed.",
    )
    service_tier = serializers.CharField(
        required=False,
        allow_null=True,
        max_length=64,
        help_text="The tier that served. Absent, null and `auto`: what `usage` says, else `default`, as `standard` is.",
    )
    provider = serializers.CharField(required=False, allow_null=True, max_length=100)
    endpoint = serializers.CharField(required=False, allow_null=True, max_length=512)
    route = serializers.CharField(required=False, allow_null=True, max_length=512)
    user = serializers.CharField(required=False, allow_null=True, max_length=512)
    stream = serializers.BooleanField(required=False, allow_null=True)
    latency_ms = serializers.IntegerField(**COUNT, required=False, allow_null=True)
    time_to_first_token_ms = serializers.IntegerField(**COUNT, required=False, allow_null=True)
    metadata = serializers.DictField(required=False, allow_null=True, help_text="At most 4 KiB.")


class EventsInput(serializers.Serializer[Any]):
    events = serializers.ListField(child=UsageEventInput(), min_length=1, max_length=1000)


class CorrectionInput(serializers.Serializer[Any]):
    """A void takes an event back whole; a replace states what it used instead, as counted by the provider."""

    key_id = serializers.CharField(min_length=1, max_length=512, help_text="The key that the event was sent under.")
    request_id = serializers.CharField(min_length=1, max_length=512)
    attempt = serializers.IntegerField(**COUNT, default=0)
    action = serializers.ChoiceField(choices=["void", "replace"])
    usage = serializers.DictField(
        required=False, allow_null=True, help_text="As the provider sent it; required with `replace`, refused with `void`."
    )
    dialect = serializers.ChoiceField(choices=DIALECT_NAMES, required=False, allow_null=True)
    reason = serializers.CharField(
        required=False, allow_null=True, max_length=512, help_text="Kept with the event; its customer can read it."
    )


class CorrectionsInput(serializers.Serializer[Any]):
    corrections = serializers.ListField(child=CorrectionInput(), min_length=1, max_length=1000)


class RejectedSerializer(serializers.Serializer[Any]):
    index = serializers.IntegerField(help_text="Its position in `events`, from 0.")
    request_id = serializers.CharField(allow_null=True)
    code = serializers.CharField()
    message = serializers.CharField()


class ReceiptSerializer(serializers.Serializer[Any]):
    batch_id = serializers.CharField()
    accepted = serializers.IntegerField()
    rejected = RejectedSerializer(many=True, help_text="Kept in the quarantine; the others are accepted all the same.")
    warnings = RejectedSerializer(many=True, required=False, help_text="Accepted, and not kept in every word.")


class BatchCountsSerializer(serializers.Serializer[Any]):
    recorded = serializers.IntegerField()
    duplicate = serializers.IntegerField()
    conflict = serializers.IntegerField()
    unpriced = serializers.IntegerField(help_text="Recorded as well, and waiting for a price.")
    rejected = serializers.IntegerField()


class BatchItemSerializer(RejectedSerializer):
    attempt = serializers.IntegerField(allow_null=True)
    outcome = serializers.ChoiceField(choices=["duplicate", "conflict", "unpriced", "rejected"])


class BatchSerializer(serializers.Serializer[Any]):
    batch_id = serializers.CharField()
    status = serializers.ChoiceField(choices=Batch.Status.values)
    received_at = serializers.DateTimeField()
    processed_at = serializers.DateTimeField(allow_null=True)
    counts = BatchCountsSerializer(help_text="They add up to the events sent, once processed.")
    items = BatchItemSerializer(many=True, help_text="Whatever was not simply recorded.")


class CloudEventInput(serializers.Serializer[Any]):
    """The envelope of CloudEvents 1.0. Other attributes are allowed, and not kept."""

    specversion = serializers.ChoiceField(choices=["1.0"])
    id = serializers.CharField(min_length=1, help_text="The request id, if `data` has none.")
    source = serializers.CharField(min_length=1)  # type: ignore[assignment]
    type = serializers.CharField(min_length=1)
    time = serializers.DateTimeField(required=False, help_text="`occurred_at`, if `data` has none.")
    data = UsageEventInput()  # type: ignore[assignment]


RECEIPT: Any = {202: ReceiptSerializer, **errors_with(413, 429, 503)}


class EventsDocument(APIView):
    @extend_schema(
        operation_id="send_events",
        tags=["gateway"],
        auth=GATEWAY_TOKEN,
        summary="Send usage events",
        parameters=[
            OpenApiParameter("Content-Encoding", str, OpenApiParameter.HEADER, enum=["gzip", "identity"]),
        ],
        request={
            "application/json": EventsInput,
            "application/cloudevents+json": CloudEventInput,
            "application/cloudevents-batch+json": CloudEventInput(many=True),
        },
        responses=RECEIPT,
    )
    def post(self) -> None:
        """1 to 1,000 events, at most 5 MiB after decompression. A 202 is sent only after they are committed; on a 429 or 503
        nothing is stored, and `Retry-After` says when to send them again. They may also come as CloudEvents 1.0, one or a
        batch, each with an event as its `data`. An event for a workspace that the gateway is not bound to is rejected as
        `wrong_workspace`."""


class LiteLLMDocument(APIView):
    @extend_schema(
        operation_id="send_litellm_payloads",
        tags=["gateway"],
        auth=GATEWAY_TOKEN,
        summary="Send LiteLLM's logging payloads",
        request={"application/json": OpenApiTypes.ANY},
        responses=RECEIPT,
    )
    def post(self) -> None:
        """LiteLLM's `StandardLoggingPayload`: one, an array of them, or one per line. The key is the one that the proxy's auth
        hook leaves as `omx_key_id` in `metadata.user_api_key_auth_metadata`. Prompts, answers and keys are not kept. Calls that
        fetch, list, cancel or delete are accepted and counted nowhere."""


class CorrectionsDocument(APIView):
    @extend_schema(
        operation_id="send_corrections",
        tags=["gateway"],
        auth=GATEWAY_TOKEN,
        summary="Correct usage events",
        request=CorrectionsInput,
        responses=RECEIPT,
    )
    def post(self) -> None:
        """1 to 1,000 corrections, with the same promise as events. Each counts once: the same again is a duplicate. A void
        stands for ever; of several replacements the one sent last does. One that comes before its event waits for it. A gateway
        corrects what it sent itself, unless it was given leave for more: else the batch lists `sent_by_another_gateway`."""


class BatchDocument(APIView):
    @extend_schema(
        operation_id="get_batch",
        tags=["gateway"],
        auth=GATEWAY_TOKEN,
        summary="What became of a batch",
        parameters=[OpenApiParameter("batch_id", str, OpenApiParameter.PATH)],
        responses=BatchSerializer,
    )
    def get(self) -> None:
        """A batch of the calling gateway."""
