"""People, workspaces, keys and gateways, and the small tables that every process of the product shares."""

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import migrations, models
from django.utils import timezone

import workspaces.models
from workspaces.migrations._columns import auto_id, belongs_to, one_of, public_id


class Migration(migrations.Migration):
    initial = True

    dependencies = [("auth", "0012_alter_user_first_name_max_length")]

    operations = [
        migrations.CreateModel(
            "User",
            [
                ("id", auto_id()),
                ("password", models.CharField(verbose_name="password", max_length=128)),
                ("last_login", models.DateTimeField(verbose_name="last login", blank=True, null=True)),
                (
                    "is_superuser",
                    models.BooleanField(
                        verbose_name="superuser status",
                        default=False,
                        help_text="Designates that this user has all permissions without explicitly assigning them.",
                    ),
                ),
                ("first_name", models.CharField(verbose_name="first name", max_length=150, blank=True)),
                ("last_name", models.CharField(verbose_name="last name", max_length=150, blank=True)),
                (
                    "is_staff",
                    models.BooleanField(
                        verbose_name="staff status",
                        default=False,
                        help_text="Designates whether the user can log into this admin site.",
                    ),
                ),
                (
                    "is_active",
                    models.BooleanField(
                        verbose_name="active",
                        default=True,
                        help_text="Designates whether this user should be treated as active. Unselect this instead of deleting accounts.",
                    ),
                ),
                ("date_joined", models.DateTimeField(verbose_name="date joined", default=timezone.now)),
                ("email", models.EmailField(max_length=254, unique=True)),
                ("session_generation", models.PositiveIntegerField(default=0, editable=False)),
                (
                    "groups",
                    models.ManyToManyField(
                        "auth.group",
                        verbose_name="groups",
                        blank=True,
                        help_text="The groups this user belongs to. A user will get all permissions granted to each of their groups.",
                        related_name="user_set",
                        related_query_name="user",
                    ),
                ),
                (
                    "user_permissions",
                    models.ManyToManyField(
                        "auth.permission",
                        verbose_name="user permissions",
                        blank=True,
                        help_text="Specific permissions for this user.",
                        related_name="user_set",
                        related_query_name="user",
                    ),
                ),
            ],
            options={"verbose_name": "user", "verbose_name_plural": "users"},
        ),
        migrations.CreateModel(
            "Workspace",
            [
                ("id", auto_id()),
                ("public_id", public_id(workspaces.models.workspace_id)),
                ("name", models.CharField(max_length=200)),
                ("email", models.EmailField(max_length=254, blank=True, default="", help_text="Where invoices go.")),
                ("sandbox", models.BooleanField(default=False)),
                ("currency", models.CharField(max_length=3, default="USD", editable=False)),
                ("created_at", models.DateTimeField(default=timezone.now, editable=False)),
                ("suspended_at", models.DateTimeField(null=True, editable=False)),
                ("suspended_because", models.CharField(max_length=300, default="", editable=False)),
            ],
            options={"ordering": ["name", "id"]},
        ),
        migrations.CreateModel(
            "Membership",
            [
                ("id", auto_id()),
                ("workspace", models.ForeignKey("workspaces.workspace", models.CASCADE, related_name="memberships")),
                ("user", models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="memberships")),
                ("role", one_of("owner", "admin", "billing", "viewer")),
                ("created_at", models.DateTimeField(default=timezone.now, editable=False)),
            ],
            options={
                "constraints": [models.UniqueConstraint(fields=["workspace", "user"], name="one_role_per_person_and_workspace")]
            },
        ),
        migrations.CreateModel(
            "Invitation",
            [
                ("id", auto_id()),
                ("public_id", public_id(workspaces.models.invitation_id)),
                ("workspace", belongs_to("workspaces.workspace", related_name="invitations")),
                ("email", models.EmailField(max_length=254)),
                ("role", one_of("owner", "admin", "billing", "viewer")),
                ("state", one_of("pending", "accepted", "declined", "withdrawn", default="pending")),
                ("sha256", models.BinaryField(max_length=32, unique=True)),
                (
                    "invited_by",
                    models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, null=True, related_name="invitations_sent"),
                ),
                ("by_operator", models.BooleanField(default=False)),
                ("created_at", models.DateTimeField()),
                ("expires_at", models.DateTimeField()),
                ("answered_at", models.DateTimeField(null=True)),
                ("mail_failed", models.BooleanField(default=False)),
            ],
            options={
                "ordering": ["-id"],
                "indexes": [
                    models.Index(fields=["workspace", "-created_at"], name="invitations_of_a_workspace"),
                    models.Index(fields=["email", "-created_at"], name="invitations_to_an_address"),
                ],
                "constraints": [
                    models.UniqueConstraint(
                        fields=["workspace", "email"],
                        condition=models.Q(state="pending"),
                        name="one_open_invitation_per_address",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            "APIKey",
            [
                ("id", auto_id()),
                ("public_id", public_id(workspaces.models.key_id)),
                ("workspace", belongs_to("workspaces.workspace", related_name="api_keys")),
                ("kind", models.CharField(max_length=8, choices=[("live", "Live"), ("test", "Test"), ("admin", "Admin")])),
                (
                    "scopes",
                    ArrayField(
                        models.CharField(
                            max_length=16, choices=[("keys", "Manage keys"), ("payments", "Pay invoices and buy credit")]
                        ),
                        blank=True,
                        default=workspaces.models.every_scope,
                    ),
                ),
                ("name", models.CharField(max_length=200)),
                ("created_at", models.DateTimeField(default=timezone.now, editable=False)),
                (
                    "created_by",
                    models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, blank=True, null=True, editable=False),
                ),
                ("created_by_key", belongs_to("workspaces.apikey", null=True, editable=False, related_name="keys_made")),
                ("expires_at", models.DateTimeField(blank=True, null=True)),
                ("revoked_at", models.DateTimeField(blank=True, null=True, editable=False)),
                ("last_used_at", models.DateTimeField(blank=True, null=True, editable=False)),
            ],
            options={
                "verbose_name": "API key",
                "ordering": ["-id"],
                "indexes": [models.Index(fields=["workspace", "-id"], name="api_keys_of_a_workspace")],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(scopes__contained_by=["keys", "payments"]), name="api_key_has_scopes_that_there_are"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            "Gateway",
            [
                ("id", auto_id()),
                ("public_id", public_id(workspaces.models.gateway_id)),
                ("name", models.CharField(max_length=200)),
                ("created_at", models.DateTimeField(default=timezone.now, editable=False)),
                ("revoked_at", models.DateTimeField(blank=True, null=True, editable=False)),
                ("last_used_at", models.DateTimeField(blank=True, null=True, editable=False)),
                ("may_correct_all", models.BooleanField(default=False, editable=False)),
            ],
            options={"ordering": ["name", "id"]},
        ),
        migrations.CreateModel(
            "GatewayWorkspace",
            [
                ("id", auto_id()),
                ("gateway", models.ForeignKey("workspaces.gateway", models.CASCADE)),
                ("workspace", belongs_to("workspaces.workspace")),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=["gateway", "workspace"], name="gateway_bound_once_to_a_workspace")
                ]
            },
        ),
        migrations.CreateModel(
            "Credential",
            [
                ("id", auto_id()),
                ("api_key", models.ForeignKey("workspaces.apikey", models.CASCADE, null=True, related_name="credentials")),
                ("gateway", models.ForeignKey("workspaces.gateway", models.CASCADE, null=True, related_name="credentials")),
                ("sha256", models.BinaryField(max_length=32, unique=True)),
                ("prefix", models.CharField(max_length=24)),
                ("last_four", models.CharField(max_length=4)),
                ("created_at", models.DateTimeField(default=timezone.now)),
                ("expires_at", models.DateTimeField(null=True)),
                ("given_to", models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+")),
                ("given_to_key", models.ForeignKey("workspaces.apikey", models.SET_NULL, null=True, related_name="+")),
            ],
            options={
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(api_key__isnull=False, gateway__isnull=True)
                        | models.Q(api_key__isnull=True, gateway__isnull=False),
                        name="credential_has_exactly_one_owner",
                    )
                ]
            },
        ),
        migrations.CreateModel(
            "SentForm",
            [
                ("token", models.CharField(primary_key=True, max_length=32, serialize=False)),
                ("sent_at", models.DateTimeField(db_index=True)),
            ],
        ),
        migrations.CreateModel(
            "SharedValue",
            [
                ("key", models.CharField(primary_key=True, max_length=250, serialize=False)),
                ("value", models.BinaryField()),
                ("expires_at", models.DateTimeField(null=True, db_index=True)),
            ],
        ),
        migrations.CreateModel(
            "KnownSetting",
            [
                ("name", models.CharField(primary_key=True, max_length=100, serialize=False)),
                ("value", models.CharField(max_length=200)),
            ],
        ),
        migrations.AddField(
            "gateway",
            "workspaces",
            models.ManyToManyField("workspaces.workspace", related_name="gateways", through="workspaces.GatewayWorkspace"),
        ),
    ]
