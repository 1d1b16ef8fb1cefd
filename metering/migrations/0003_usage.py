"""What is kept of usage beside the events: identities, rollups, the trail of corrections, the quarantine and re-ratings.

Identities, rollups and the trail have the shape that Citus can distribute by workspace, as the events have: every key of
theirs contains it, and no foreign key leads in or out (docs/decisions/0023-the-shape-of-the-schema.md).
"""

from typing import Any

from django.contrib.postgres.fields import ArrayField
from django.db import migrations, models
from django.utils import timezone

import metering.ingest.models
import metering.rollups.models
from metering.migrations._columns import event_status, exact_usd, usage_source
from workspaces.migrations._columns import auto_id, belongs_to, big_id, composite_key, number_of, one_of, public_id

# Every worker rewrites the newest rows of the rollups: room on the page keeps those updates off the indexes.
ROLLUP_STORAGE = """
ALTER TABLE metering_hourlyrollup SET (fillfactor = 70);
ALTER TABLE metering_dailyrollup SET (fillfactor = 70);
CREATE INDEX hours_waiting_for_a_price ON metering_hourlyrollup (workspace_id, model_id, hour)
    WHERE price_id = 0 AND status < 2;
CREATE INDEX days_for_every_workspace ON metering_dailyrollup (day);
"""

# Django sees the id, which is unique by its sequence; the key that PostgreSQL holds begins with the workspace.
TRAIL_KEY = """
ALTER TABLE metering_eventcorrection DROP CONSTRAINT metering_eventcorrection_pkey, ADD PRIMARY KEY (workspace_id, id);
"""


def state(when: str) -> list[tuple[str, Any]]:
    """All that a correction or a re-rating may change of an event, before or after it."""
    return [
        (f"{when}_status", event_status()),
        (f"{when}_source", usage_source()),
        (f"{when}_tokens", ArrayField(models.IntegerField(), size=5)),
        (f"{when}_price_id", models.IntegerField(null=True)),
        (f"{when}_cost", exact_usd(30, null=True)),
    ]


def rollup(name: str, instant: str) -> migrations.CreateModel:
    """Sums by everything that a question may ask for; `instant` is the column of the hour or day."""
    sums = ("requests", "input_tokens", "cached_input_tokens", "cache_write_tokens", "output_tokens", "reasoning_tokens")
    key = ("workspace_id", instant, "model_id", "key_id", "service_tier_id", "provider_id", "status", "price_id")
    return migrations.CreateModel(
        name,
        [
            ("pk", composite_key(*key)),
            ("status", event_status()),
            ("price_id", models.IntegerField()),
            *((each, models.BigIntegerField()) for each in sums),
            ("cost", exact_usd()),
            (instant, models.DateTimeField()),
            ("key", number_of("workspaces.apikey")),
            ("workspace", number_of("workspaces.workspace")),
            ("model", number_of("metering.languagemodel")),
            ("provider", number_of("metering.provider")),
            ("service_tier", number_of("metering.servicetier")),
        ],
    )


class Migration(migrations.Migration):
    dependencies = [("metering", "0002_inbox_and_events")]

    operations = [
        migrations.CreateModel(
            "EventIdentity",
            [
                ("pk", composite_key("workspace_id", "request_hash", "attempt")),
                ("workspace", number_of("workspaces.workspace")),
                ("attempt", models.IntegerField()),
                ("occurred_at", models.DateTimeField()),
                ("request_hash", models.BinaryField()),
                ("fingerprint", models.BinaryField()),
            ],
        ),
        migrations.CreateModel(
            "QuarantinedEvent",
            [
                ("id", big_id()),
                ("public_id", public_id(metering.ingest.models.quarantine_id)),
                (
                    "batch",
                    models.ForeignKey("metering.batch", models.DO_NOTHING, related_name="quarantined", db_constraint=False),
                ),
                ("index", models.IntegerField()),
                ("kind", one_of("events", "corrections", default="events")),
                ("gateway", belongs_to("workspaces.gateway")),
                ("workspace", belongs_to("workspaces.workspace", null=True)),
                ("by_operator", models.BooleanField(default=False)),
                ("outcome", one_of("rejected", "conflict")),
                ("code", models.CharField(max_length=64)),
                ("message", models.TextField()),
                ("request_id", models.TextField(null=True)),
                ("attempt", models.IntegerField(null=True)),
                ("content", models.BinaryField()),
                ("created_at", models.DateTimeField(default=timezone.now)),
                ("settled_at", models.DateTimeField(null=True)),
                ("settlement", models.TextField(blank=True, default="")),
                ("replayed_in", models.CharField(max_length=32, blank=True, default="")),
                ("estimated_cost", exact_usd(30, null=True)),
            ],
            options={
                "ordering": ["-id"],
                "indexes": [
                    models.Index(models.F("id").desc(), condition=models.Q(settled_at__isnull=True), name="quarantine_open"),
                    models.Index(
                        fields=["workspace"], condition=models.Q(settled_at__isnull=True), name="quarantine_open_by_workspace"
                    ),
                    models.Index(fields=["created_at"], name="quarantine_over_time"),
                    models.Index(fields=["replayed_in"], condition=~models.Q(replayed_in=""), name="quarantine_by_replay"),
                    models.Index(fields=["request_id"], name="quarantine_by_request_id"),
                    models.Index(
                        fields=["id"],
                        condition=models.Q(code="unknown_event", kind="corrections", settled_at__isnull=True),
                        name="corrections_waiting",
                    ),
                ],
                "constraints": [models.UniqueConstraint(fields=["batch", "index"], name="quarantined_once_per_position")],
            },
        ),
        migrations.CreateModel(
            "Rerating",
            [
                ("id", auto_id()),
                ("public_id", public_id(metering.rollups.models.rerating_id)),
                ("actor", models.TextField()),
                ("reason", models.TextField()),
                ("model", belongs_to("metering.languagemodel", null=True)),
                ("workspace", belongs_to("workspaces.workspace", null=True)),
                ("start", models.DateTimeField()),
                ("end", models.DateTimeField()),
                ("status", one_of("running", "finished", default="running")),
                ("created_at", models.DateTimeField()),
                ("finished_at", models.DateTimeField(null=True)),
                ("plan", models.JSONField(default=list)),
                ("at_workspace", models.IntegerField(null=True)),
                ("at_time", models.DateTimeField(null=True)),
                ("at_event", models.BigIntegerField(null=True)),
                ("examined", models.BigIntegerField(default=0)),
                ("changed", models.BigIntegerField(default=0)),
                ("priced", models.BigIntegerField(default=0)),
                ("cost_before", exact_usd(default=0)),
                ("cost_after", exact_usd(default=0)),
            ],
            options={"ordering": ["-id"]},
        ),
        migrations.CreateModel(
            "EventCorrection",
            [
                ("id", big_id()),
                ("request_id", models.TextField(db_collation="C")),
                ("attempt", models.IntegerField()),
                ("occurred_at", models.DateTimeField()),
                ("event_id", models.BigIntegerField()),
                (
                    "action",
                    models.CharField(max_length=16, choices=[("void", "Void"), ("replace", "Replace"), ("rerate", "Re-rate")]),
                ),
                ("reason", models.TextField(blank=True, default="")),
                ("actor", models.TextField()),
                ("recorded_at", models.DateTimeField()),
                ("batch_id", models.BigIntegerField(null=True)),
                ("index", models.IntegerField(null=True)),
                ("fingerprint", models.UUIDField(null=True)),
                ("took_effect", models.BooleanField(default=True)),
                *state("before"),
                *state("after"),
                ("workspace", number_of("workspaces.workspace")),
                ("rerating", belongs_to("metering.rerating", null=True, db_index=False, db_constraint=False)),
            ],
            options={
                "ordering": ["id"],
                "indexes": [
                    models.Index(fields=["workspace", "request_id", "attempt"], name="corrections_of_an_event"),
                    models.Index(
                        fields=["rerating"], condition=models.Q(rerating__isnull=False), name="corrections_of_a_rerating"
                    ),
                ],
                "constraints": [
                    models.UniqueConstraint(
                        fields=["workspace", "request_id", "attempt", "fingerprint"],
                        condition=models.Q(fingerprint__isnull=False),
                        name="each_correction_counts_once",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(action="rerate", fingerprint__isnull=True, rerating__isnull=False)
                        | models.Q(
                            action__in=["void", "replace"],
                            batch_id__isnull=False,
                            fingerprint__isnull=False,
                            rerating__isnull=True,
                        ),
                        name="a_correction_says_where_it_came_from",
                    ),
                ],
            },
        ),
        rollup("HourlyRollup", "hour"),
        rollup("DailyRollup", "day"),
        migrations.RunSQL(ROLLUP_STORAGE, migrations.RunSQL.noop),
        migrations.RunSQL(TRAIL_KEY, migrations.RunSQL.noop),
    ]
