"""What the keys endpoints take and answer. Input is strict: an unknown field or another type is an error, no guess."""

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from omixa_billing.api.fields import InstantField, StrictInteger, StrictText
from omixa_billing.api.lists import CursorQuery, limit_field, list_serializer
from omixa_billing.api.requests import StrictBody
from workspaces.keys.allowed_models import LONGEST_MODEL, MOST_MODELS
from workspaces.keys.credentials import MAX_GRACE
from workspaces.keys.limits import in_order
from workspaces.keys.secrets import prefix_of_kind
from workspaces.models import APIKey, Credential
from workspaces.names import MAX_NAME

DEFAULT_LIMIT = 50
MAX_LIMIT = 200
SCOPES_HELP = "What an admin key may do beside reading: `[]` is a key that only reads. Other kinds have none."
MODELS_HELP = "Which models the key may ask for, as clients name them; null: every one that its workspace may."
SCOPES_FIELD = "What an admin key may do beside reading; null for keys of other kinds, which have no scopes."


class Scopes(serializers.ListField):
    """What an admin key may do beside reading."""

    child = serializers.ChoiceField(choices=APIKey.Scope.choices)


class ModelNames(serializers.ListField):
    """Which models a key may ask for."""

    child = StrictText(max_length=LONGEST_MODEL)


def _models() -> ModelNames:
    return ModelNames(required=False, allow_null=True, max_length=MOST_MODELS, help_text=MODELS_HELP)


class KeyListQuery(CursorQuery):
    limit = limit_field(MAX_LIMIT, DEFAULT_LIMIT)


class KeyToCreate(StrictBody):
    name = StrictText(max_length=MAX_NAME)
    kind = serializers.ChoiceField(
        choices=APIKey.Kind.choices, required=False, help_text="Absent: `live`, or `test` in a sandbox workspace."
    )
    expires_at = InstantField(
        any_year=True,
        required=False,
        allow_null=True,
        help_text="null: never. Absent: never, but for an admin key in a year, or as the installation has set.",
    )
    scopes = Scopes(required=False, max_length=len(APIKey.Scope), help_text=f"{SCOPES_HELP} Absent: all that the caller has.")
    models = _models()


class KeyChanges(StrictBody):
    name = StrictText(max_length=MAX_NAME, required=False)
    expires_at = InstantField(any_year=True, required=False, allow_null=True, help_text="null: never.")
    scopes = Scopes(required=False, max_length=len(APIKey.Scope), help_text=SCOPES_HELP)
    models = _models()


class Rotation(StrictBody):
    grace_seconds = StrictInteger(
        default=0,
        min_value=0,
        max_value=int(MAX_GRACE.total_seconds()),
        help_text="How long the secret replaced by this one stays good.",
    )


class Nothing(StrictBody):
    """An empty body, or an empty object."""


class KeySerializer(serializers.ModelSerializer[APIKey]):
    """A key as it is shown; `context["now"]` is when."""

    id = serializers.CharField(source="public_id")
    object = serializers.SerializerMethodField()
    prefix = serializers.SerializerMethodField(help_text="How the newest secret begins.")
    last_four = serializers.SerializerMethodField(help_text="How the newest secret ends.")
    status = serializers.SerializerMethodField()
    scopes = serializers.SerializerMethodField(help_text=SCOPES_FIELD)
    models = ModelNames(source="allowed_models", read_only=True, allow_null=True, help_text=MODELS_HELP)
    workspace_id = serializers.CharField(source="workspace.public_id")
    created_by = serializers.CharField(
        source="created_by.email", default=None, allow_null=True, help_text="The address of the person who made it."
    )
    created_by_key = serializers.CharField(
        source="created_by_key.public_id", default=None, allow_null=True, help_text="The id of the admin key that made it."
    )

    frozen_reason = serializers.SerializerMethodField(help_text="Why it is frozen; null while it is not.")
    frozen_by = serializers.EmailField(
        source="frozen_by.email",
        default=None,
        allow_null=True,
        help_text="The address of the person who froze it; null as well where the product did.",
    )
    frozen_by_key = serializers.CharField(
        source="frozen_by_key.public_id", default=None, allow_null=True, help_text="The id of the admin key that froze it."
    )

    class Meta:
        model = APIKey
        fields = [
            "id",
            "object",
            "name",
            "kind",
            "scopes",
            "models",
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
            "frozen_at",
            "frozen_reason",
            "frozen_by",
            "frozen_by_key",
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

    @extend_schema_field(serializers.ChoiceField(choices=APIKey.Freeze.choices, allow_null=True))
    def get_frozen_reason(self, key: APIKey) -> str | None:
        return key.frozen_reason or None

    @extend_schema_field(serializers.ChoiceField(choices=["active", "expired", "frozen", "revoked"]))
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


KeyListSerializer = list_serializer("KeyListSerializer", KeySerializer)


def _newest(key: APIKey) -> Credential | None:
    """The secret given last. Keys come here with their credentials prefetched."""
    return max(key.credentials.all(), key=lambda credential: credential.pk, default=None)
