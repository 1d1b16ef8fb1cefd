"""The endpoints of decisions as the OpenAPI document describes them. They are plain views; these stand in for them there."""

from typing import Any

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.views import APIView

from metering.ingest.intake.openapi import COUNT, GATEWAY_TOKEN
from metering.limits.gateway.answers import REASONS
from metering.limits.gateway.requests import LONGEST_TTL
from omixa_billing.api.documented_errors import errors_with

TTL: Any = {"min_value": 1, "max_value": LONGEST_TTL, "required": False, "allow_null": True}
SCOPES = ["workspace", "key", "model", "user", "balance"]


class AuthorizeInput(serializers.Serializer[Any]):
    """A request that a client wants to make. The key is named by its secret or by its id."""

    request_id = serializers.CharField(
        min_length=1, max_length=512, help_text="Chosen by the gateway, never by its client; the later event carries it."
    )
    key = serializers.CharField(
        required=False, allow_null=True, max_length=512, help_text="The presented secret; neither logged nor stored."
    )
    key_id = serializers.CharField(required=False, allow_null=True, max_length=512)
    model = serializers.CharField(min_length=1, max_length=300, help_text="As the client asked for it.")
    service_tier = serializers.CharField(
        required=False, allow_null=True, max_length=64, help_text="The most expensive tier it may be served in counts."
    )
    input_tokens = serializers.IntegerField(**COUNT, help_text="The gateway's count or estimate.")
    max_output_tokens = serializers.IntegerField(
        **COUNT, required=False, allow_null=True, help_text="Null: the model's own limit."
    )
    endpoint = serializers.CharField(required=False, allow_null=True, max_length=512)
    user = serializers.CharField(required=False, allow_null=True, max_length=512, help_text="The end user.")
    stream = serializers.BooleanField(required=False, allow_null=True)
    metadata = serializers.DictField(required=False, allow_null=True)
    ttl_seconds = serializers.IntegerField(**TTL, help_text="How long it is held; 900 without it.")
    dry_run = serializers.BooleanField(required=False, allow_null=True, help_text="Decide, and hold nothing.")


class BindingSerializer(serializers.Serializer[Any]):
    """The limit that has least left, or that refuses."""

    scope = serializers.ChoiceField(choices=SCOPES)
    id = serializers.CharField(allow_null=True)
    limit = serializers.CharField()
    resets_at = serializers.DateTimeField(allow_null=True)


class RelayedSerializer(serializers.Serializer[Any]):
    """What the client is to hear, in OpenAI's shape of errors."""

    status = serializers.IntegerField()
    body = serializers.DictField()


class DecisionSerializer(serializers.Serializer[Any]):
    """`allowed`, and either what is held or why it is refused."""

    allowed = serializers.BooleanField()
    request_id = serializers.CharField()
    key_id = serializers.CharField(allow_null=True)
    workspace_id = serializers.CharField(allow_null=True)
    hold_id = serializers.CharField(required=False, allow_null=True)
    expires_at = serializers.DateTimeField(required=False)
    held = serializers.CharField(required=False, help_text="USD, twelve places.")
    currency = serializers.CharField(required=False)
    max_output_tokens = serializers.IntegerField(required=False, help_text="As asked, or lowered to what is left.")
    lowered = serializers.BooleanField(required=False)
    price_id = serializers.CharField(required=False, allow_null=True)
    remaining = serializers.CharField(required=False, allow_null=True, help_text="Of the binding limit.")
    binding = BindingSerializer(allow_null=True)
    warnings = serializers.ListField(child=serializers.ChoiceField(choices=["unpriced"]), required=False)
    reason = serializers.ChoiceField(choices=list(REASONS), required=False)
    message = serializers.CharField(required=False)
    retry_after = serializers.IntegerField(required=False, allow_null=True)
    error = RelayedSerializer(required=False)
    cache_seconds = serializers.IntegerField()


class ExtendInput(serializers.Serializer[Any]):
    output_tokens_so_far = serializers.IntegerField(**COUNT, default=0)
    ttl_seconds = serializers.IntegerField(**TTL)


class ReleaseInput(serializers.Serializer[Any]):
    reason = serializers.CharField(required=False, allow_null=True, max_length=512)


class ReleasedSerializer(serializers.Serializer[Any]):
    hold_id = serializers.CharField()
    released = serializers.BooleanField()


class CheckKeyInput(serializers.Serializer[Any]):
    key = serializers.CharField(min_length=1, max_length=512)


class CheckedKeySerializer(serializers.Serializer[Any]):
    allowed = serializers.BooleanField()
    reason = serializers.ChoiceField(choices=list(REASONS), allow_null=True)
    message = serializers.CharField(allow_null=True)
    error = RelayedSerializer(allow_null=True)
    key_id = serializers.CharField(allow_null=True)
    workspace_id = serializers.CharField(allow_null=True)
    status = serializers.ChoiceField(choices=["active", "expired", "frozen", "revoked", "suspended"], allow_null=True)
    name = serializers.CharField(allow_null=True)
    models = serializers.ListField(child=serializers.CharField(), allow_null=True, help_text="Null: every model.")
    billing = serializers.ChoiceField(choices=["prepaid", "postpaid"], allow_null=True)
    expires_at = serializers.DateTimeField(allow_null=True)
    cache_seconds = serializers.IntegerField()


class AccessChangeSerializer(serializers.Serializer[Any]):
    key_id = serializers.CharField(allow_null=True, help_text="Null: every key of the workspace.")
    workspace_id = serializers.CharField()
    changed_at = serializers.DateTimeField()


class RevocationsSerializer(serializers.Serializer[Any]):
    changes = AccessChangeSerializer(many=True)
    cursor = serializers.CharField()
    reset = serializers.BooleanField(help_text="The cursor is too old: forget every key.")


class HeldSumSerializer(serializers.Serializer[Any]):
    requests = serializers.IntegerField()
    usd = serializers.CharField()


class HeldSumsSerializer(serializers.Serializer[Any]):
    """Authorised less settled, released and live is unaccounted."""

    authorised = HeldSumSerializer()
    live = HeldSumSerializer()
    settled = HeldSumSerializer()
    released = HeldSumSerializer()
    unaccounted = HeldSumSerializer()


class HeldDaySerializer(HeldSumsSerializer):
    day = serializers.DateField()
    gateway_id = serializers.CharField()


class UnaccountedSerializer(serializers.Serializer[Any]):
    start = serializers.DateTimeField()
    end = serializers.DateTimeField()
    total = HeldSumsSerializer()
    data = HeldDaySerializer(many=True)  # type: ignore[assignment]


def gateway_schema(operation_id: str, summary: str, responses: Any, **more: Any) -> Any:
    return extend_schema(
        operation_id=operation_id, tags=["gateway"], auth=GATEWAY_TOKEN, summary=summary, responses=responses, **more
    )


HOLD = OpenApiParameter("hold_id", str, OpenApiParameter.PATH)
DECISION: Any = {200: DecisionSerializer, **errors_with(409, 413, 503)}


class AuthorizeDocument(APIView):
    @gateway_schema("authorize", "May this request run?", DECISION, request=AuthorizeInput)
    def post(self) -> None:
        """A decision is always a 200; any other status is no decision. What the request may cost at most is held until its
        event settles it, it is released, or it expires. The same request id again is answered the same."""


class ExtendDocument(APIView):
    @gateway_schema("extend_hold", "Hold for longer, and for more output", DECISION, request=ExtendInput, parameters=[HOLD])
    def post(self) -> None:
        """Long streams ask for more; the answer has the same shape."""


class ReleaseDocument(APIView):
    @gateway_schema(
        "release_hold",
        "Free what is held",
        {200: ReleasedSerializer, **errors_with(409, 413, 503)},
        request=ReleaseInput,
        parameters=[HOLD],
    )
    def post(self) -> None:
        """The request cost nothing. One that was settled cannot be released."""


class CheckKeyDocument(APIView):
    @gateway_schema(
        "check_key", "What a key may do", {200: CheckedKeySerializer, **errors_with(413, 503)}, request=CheckKeyInput
    )
    def post(self) -> None:
        """Nothing is held. The answer may be remembered for `cache_seconds`."""


class RevocationsDocument(APIView):
    @gateway_schema(
        "revocations",
        "Keys about which the answer changed",
        {200: RevocationsSerializer, **errors_with(503)},
        parameters=[OpenApiParameter("since", str, description="The cursor of the answer before.")],
    )
    def get(self) -> None:
        """Without `since` the answer comes at once, with the current cursor; with it as soon as something changes, after 25
        seconds at the latest."""


class UnaccountedDocument(APIView):
    @gateway_schema(
        "unaccounted",
        "Requests that were allowed and never ended",
        {200: UnaccountedSerializer, **errors_with(503)},
        parameters=[OpenApiParameter(name, str, required=True) for name in ("start", "end")],
    )
    def get(self) -> None:
        """Requests of the calling gateway, by the day they were authorised."""
