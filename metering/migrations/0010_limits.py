"""Budgets, holds, and the functions that decide about a request before it runs and settle it afterwards."""

from django.contrib.postgres.fields import ArrayField
from django.db import migrations, models
from django.db.models import Q
from django.utils import timezone

import metering.limits.models
from metering.migrations import _limits
from metering.migrations._columns import exact_usd
from workspaces.migrations._columns import auto_id, belongs_to, big_id, number_of, public_id

SCOPES = [("workspace", "Workspace"), ("key", "Key"), ("model", "Model"), ("user", "End user")]
WINDOWS = [("hour", "Hour"), ("day", "Day"), ("week", "Week"), ("month", "Month"), ("total", "All time")]
MODES = [("hard", "Refuse"), ("soft", "Alert only"), ("shadow", "Count what it would refuse")]
STATUSES = [(0, "live"), (1, "settled"), (2, "released"), (3, "expired")]

# These rows change at every request, and no index knows what changes of them: room on the page keeps it so. Defaults are for the
# functions, which write these tables; Django's are for Django.
STORAGE = """
ALTER TABLE metering_budgetwindow SET (fillfactor = 20, autovacuum_vacuum_scale_factor = 0.05);
ALTER TABLE metering_limitaccount SET (fillfactor = 20, autovacuum_vacuum_scale_factor = 0.05);
ALTER TABLE metering_hold SET (autovacuum_vacuum_scale_factor = 0.05);
"""


def of(table: str) -> models.ForeignKey:
    """A row that goes with that one."""
    return models.ForeignKey(table, on_delete=models.CASCADE, db_index=False)


class Migration(migrations.Migration):
    dependencies = [("metering", "0009_codes"), ("workspaces", "0004_allowed_models")]
    operations = [
        migrations.CreateModel(
            "LimitAccount",
            [
                (
                    "workspace",
                    models.OneToOneField(
                        "workspaces.workspace",
                        on_delete=models.CASCADE,
                        primary_key=True,
                        related_name="limit_account",
                        serialize=False,
                    ),
                ),
                ("balance", exact_usd(null=True)),
                ("held", exact_usd(default=0)),
                ("factor", models.DecimalField(decimal_places=8, default=1, max_digits=12)),
                ("balanced_at", models.DateTimeField(null=True)),
                ("valid_until", models.DateTimeField(null=True)),
            ],
        ),
        migrations.CreateModel(
            "Budget",
            [
                ("id", auto_id()),
                ("public_id", public_id(metering.limits.models.budget_id)),
                (
                    "workspace",
                    models.ForeignKey("workspaces.workspace", on_delete=models.CASCADE, related_name="budgets"),
                ),
                ("scope", models.CharField(choices=SCOPES, max_length=16)),
                ("scope_id", models.CharField(blank=True, default="", max_length=512)),
                ("window", models.CharField(choices=WINDOWS, max_length=16)),
                ("time_zone", models.CharField(default="UTC", max_length=64)),
                ("limit", exact_usd()),
                ("mode", models.CharField(choices=MODES, default="hard", max_length=16)),
                ("thresholds", ArrayField(models.PositiveSmallIntegerField(), blank=True, default=list)),
                ("created_at", models.DateTimeField(default=timezone.now, editable=False)),
            ],
            options={
                "ordering": ["id"],
                "constraints": [
                    models.UniqueConstraint(
                        fields=["workspace", "scope", "scope_id", "window", "mode"], name="one_budget_per_scope_window_and_mode"
                    ),
                    models.CheckConstraint(condition=Q(limit__gte=0), name="a_budget_is_not_negative"),
                    models.CheckConstraint(
                        condition=Q(scope="workspace", scope_id="") | (~Q(scope="workspace") & ~Q(scope_id="")),
                        name="a_budget_says_what_it_is_for",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            "BudgetWindow",
            [
                ("id", big_id()),
                (
                    "budget",
                    models.ForeignKey("metering.budget", on_delete=models.CASCADE, related_name="windows", db_index=False),
                ),
                ("scope_value", models.CharField(blank=True, default="", max_length=512)),
                ("start", models.DateTimeField()),
                ("spent", exact_usd(default=0)),
                ("held", exact_usd(default=0)),
                ("would_have_refused", models.BigIntegerField(default=0)),
                ("would_have_refused_usd", exact_usd(default=0)),
            ],
            options={
                "ordering": ["id"],
                "constraints": [
                    models.UniqueConstraint(fields=["budget", "scope_value", "start"], name="one_row_per_window_of_a_budget"),
                ],
            },
        ),
        migrations.CreateModel(
            "Hold",
            [
                ("id", big_id()),
                ("public_id", models.CharField(editable=False, max_length=32, unique=True)),
                ("workspace", number_of("workspaces.workspace")),
                ("gateway", number_of("workspaces.gateway")),
                ("key", number_of("workspaces.apikey")),
                ("request_id", models.TextField()),
                ("request_hash", models.BinaryField()),
                ("asked", models.BinaryField()),
                ("model", models.TextField()),
                ("user", models.TextField(default="")),
                ("amount", exact_usd()),
                ("fixed", exact_usd()),
                ("per_token", exact_usd()),
                ("balance_held", exact_usd(default=0)),
                ("input_tokens", models.IntegerField()),
                ("max_output_tokens", models.IntegerField()),
                ("created_at", models.DateTimeField()),
                ("expires_at", models.DateTimeField()),
                ("status", models.SmallIntegerField(choices=STATUSES, default=0)),
                ("ended_at", models.DateTimeField(null=True)),
                ("settled_cost", exact_usd(null=True)),
                ("answer", models.JSONField()),
            ],
            options={
                "ordering": ["-id"],
                "constraints": [
                    models.UniqueConstraint(fields=["workspace", "request_hash"], name="one_hold_per_request"),
                ],
                "indexes": [
                    models.Index(fields=["workspace", "expires_at"], name="holds_live", condition=Q(status=0)),
                    models.Index(fields=["workspace", "created_at"], name="holds_expired", condition=Q(status=3)),
                    models.Index(fields=["ended_at"], name="holds_ended", condition=Q(status__in=[1, 2])),
                ],
            },
        ),
        migrations.CreateModel(
            "HoldDay",
            [
                ("id", auto_id()),
                ("gateway", belongs_to("workspaces.gateway", db_index=False)),
                ("workspace", belongs_to("workspaces.workspace", db_index=False)),
                ("day", models.DateField()),
                ("status", models.SmallIntegerField(choices=STATUSES)),
                ("requests", models.BigIntegerField(default=0)),
                ("amount", exact_usd(default=0)),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=["day", "gateway", "workspace", "status"], name="one_sum_of_holds_per_day"),
                ],
            },
        ),
        migrations.CreateModel(
            "RefusedRequests",
            [
                ("id", big_id()),
                ("workspace", of("workspaces.workspace")),
                ("key", of("workspaces.apikey")),
                ("hour", models.DateTimeField()),
                ("model", models.CharField(max_length=300)),
                ("reason", models.CharField(max_length=32)),
                ("budget", models.CharField(default="", max_length=32)),
                ("requests", models.BigIntegerField(default=0)),
                ("last_at", models.DateTimeField()),
                ("last_request_id", models.TextField()),
            ],
            options={
                "verbose_name_plural": "refused requests",
                "ordering": ["-last_at", "-id"],
                "constraints": [
                    models.UniqueConstraint(
                        fields=["workspace", "hour", "key", "model", "reason", "budget"], name="one_row_per_hour_and_reason"
                    ),
                ],
                "indexes": [models.Index(fields=["hour"], name="refused_requests_by_age")],
            },
        ),
        migrations.CreateModel(
            "ThresholdCrossing",
            [
                ("id", big_id()),
                (
                    "budget",
                    models.ForeignKey("metering.budget", on_delete=models.CASCADE, related_name="crossings", db_index=False),
                ),
                ("scope_value", models.CharField(blank=True, default="", max_length=512)),
                ("start", models.DateTimeField()),
                ("threshold", models.PositiveSmallIntegerField()),
                ("spent", exact_usd()),
                ("limit", exact_usd()),
                ("crossed_at", models.DateTimeField()),
                ("notified_at", models.DateTimeField(null=True)),
            ],
            options={
                "ordering": ["id"],
                "constraints": [
                    models.UniqueConstraint(
                        fields=["budget", "scope_value", "start", "threshold"], name="each_threshold_once_in_a_window"
                    ),
                ],
                "indexes": [
                    models.Index(fields=["id"], name="crossings_to_notify", condition=Q(notified_at__isnull=True)),
                ],
            },
        ),
        migrations.RunSQL(STORAGE, migrations.RunSQL.noop),
        migrations.RunSQL(_limits.FUNCTIONS, _limits.DROP),
    ]
