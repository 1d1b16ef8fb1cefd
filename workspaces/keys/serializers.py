"""What the keys endpoints take and answer. Input is strict: an unknown field or another type is an error, no guess."""

from datetime import datetime
from typing import Any

from django.http import QueryDict
from django.utils import timezone
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from workspaces.keys.credentials import MAX_GRACE
from workspaces.keys.limits import in_order
from workspaces.keys.secrets import prefix_of_kind
from workspaces.models import APIKey, Credential
from workspaces.names import MAX_NAME

DEFAULT_LIMIT = 50
MAX_LIMIT = 200
SCOPES_HELP = "What an admin key may do beside reading: `[]` is a key that only reads. Other kinds take none."
SCOPES_FIELD = "What an admin key may do beside reading; null for keys of other kinds, which have no scopes."


class StrictSerializer(serializers.Serializer[Any]):
    """Refuses fields it does not know, so that a misspelt one is not silently ignored."""

    unknown = "There is no such field."

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, dict) and (unknown := [str(name) for name in data if name not in self.fields]):
            raise serializers.ValidationError({name: [self.unknown] for name in unknown})
        return super().to_internal_value(data)


class StrictQuery(StrictSerializer):
    """The parameters of a query, each known and given once."""

    unknown = "There is no such parameter here."

    def to_internal_value(self, data: QueryDict) -> Any:
        if repeated := [name for name in data if len(data.getlist(name)) > 1]:
            raise serializers.ValidationError({name: ["This is given more than once."] for name in repeated})
        return super().to_internal_value(data)


class StrictText(serializers.CharField):
    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        return super().to_internal_value(data)


class StrictInteger(serializers.IntegerField):
    def to_internal_value(self, data: Any) -> int:
        if type(data) is not int:
            self.fail("invalid")
        return super().to_internal_value(data)


class Instant(serializers.DateTimeField):
    """RFC 3339 with a zone."""

    default_error_messages = {"naive": "This time has no zone: write it with Z for UTC."}

    def enforce_timezone(self, value: datetime) -> datetime:
        if timezone.is_naive(value):
            self.fail("naive")
        return super().enforce_timezone(value)


class Scopes(serializers.ListField):
    """What an admin key may do beside reading."""

    child = serializers.ChoiceField(choices=APIKey.Scope.choices)


class KeyListQuery(StrictQuery):
    limit = serializers.IntegerField(required=False, default=DEFAULT_LIMIT, min_value=1, max_value=MAX_LIMIT)
    cursor = serializers.CharField(required=False, help_text="`next_cursor` of the page before.")


class KeyToCreate(StrictSerializer):
    name = StrictText(max_length=MAX_NAME)
    kind = serializers.ChoiceField(
        choices=APIKey.Kind.choices, required=False, help_text="Absent: `live`, or `test` in a sandbox workspace."
    )
    expires_at = Instant(
        required=False,
        allow_null=True,
        help_text="null: never. Absent: never, but for an admin key in a year, or as the installation has set.",
    )
    scopes = Scopes(required=False, max_length=len(APIKey.Scope), help_text=f"{SCOPES_HELP} Absent: all that the caller has.")


class KeyChanges(StrictSerializer):
    name = StrictText(max_length=MAX_NAME, required=False)
    expires_at = Instant(required=False, allow_null=True, help_text="null: never.")
    scopes = Scopes(required=False, max_length=len(APIKey.Scope), help_text=SCOPES_HELP)


class Rotation(StrictSerializer):
    grace_seconds = StrictInteger(
        default=0,
        min_value=0,
        max_value=int(MAX_GRACE.total_seconds()),
        help_text="How long the secret replaced by this one stays good.",
    )


class Nothing(StrictSerializer):
    """An empty body, or an empty object."""


class KeySerializer(serializers.ModelSerializer[APIKey]):
    """A key as it is shown; `context["now"]` is when."""

    id = serializers.CharField(source="public_id")
    object = serializers.SerializerMethodField()
    prefix = serializers.SerializerMethodField(help_text="How the newest secret begins.")
    last_four = serializers.SerializerMethodField(help_text="How the newest secret ends.")
    status = serializers.SerializerMethodField()
    scopes = serializers.SerializerMethodField(help_text=SCOPES_FIELD)
    workspace_id = serializers.CharField(source="workspace.public_id")
    created_by = serializers.CharField(
        source="created_by.email", default=None, allow_null=True, help_text="The address of the person who made it."
    )
    created_by_key = serializers.CharField(
        source="created_by_key.public_id", default=None, allow_null=True, help_text="The id of the admin key that made it."
    )

    class Meta:
        model = APIKey
        fields = [
            "id",
            "object",
            "name",
            "kind",
            "scopes",
            "prefix",
            "last_four",
            "status",
            "workspace_id",
            "created_at",
            "created_by",
            "created_by_key",
            "last_used_at",
            "expires_at",
            "revoked_at",
        ]
        read_only_fields = fields

    @extend_schema_field(serializers.ChoiceField(choices=["api_key"]))
    def get_object(self, key: APIKey) -> str:
        return "api_key"

    @extend_schema_field(Scopes(allow_null=True))
    def get_scopes(self, key: APIKey) -> list[str] | None:
        return in_order(key.scopes) if key.kind == APIKey.Kind.ADMIN else None

    def get_prefix(self, key: APIKey) -> str:
        newest = _newest(key)
        return prefix_of_kind(key.kind) if newest is None else newest.prefix

    def get_last_four(self, key: APIKey) -> str | None:
        newest = _newest(key)
        return None if newest is None else newest.last_four

    @extend_schema_field(serializers.ChoiceField(choices=["active", "expired", "revoked"]))
    def get_status(self, key: APIKey) -> str:
        return key.status(self.context["now"])


class KeyWithSecretSerializer(KeySerializer):
    """A key in the one answer that shows its secret: `context["secret"]`."""

    secret = serializers.SerializerMethodField(help_text="Shown this once. Keep it safe.")

    class Meta(KeySerializer.Meta):
        fields = [*KeySerializer.Meta.fields, "secret"]
        read_only_fields = fields

    def get_secret(self, key: APIKey) -> str:
        return str(self.context["secret"])


class KeyListSerializer(serializers.Serializer[Any]):
    object = serializers.CharField(default="list")
    data = KeySerializer(many=True)  # type: ignore[assignment]  # the field, not the property
    next_cursor = serializers.CharField(allow_null=True)


class ErrorDetail(serializers.Serializer[Any]):
    message = serializers.CharField(help_text="What went wrong and what to do.")
    type = serializers.CharField()
    code = serializers.CharField()
    param = serializers.CharField(allow_null=True)


class ErrorSerializer(serializers.Serializer[Any]):
    """Every error, everywhere."""

    error = ErrorDetail()


def _newest(key: APIKey) -> Credential | None:
    """The secret given last. Keys come here with their credentials prefetched."""
    return max(key.credentials.all(), key=lambda credential: credential.pk, default=None)
