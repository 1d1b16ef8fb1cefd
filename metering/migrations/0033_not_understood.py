"""Numbers in usage that no dialect knows, what operators said of them, and the usage of events that says more than its counts."""

import django.db.models.deletion
from django.db import migrations, models
from django.db.models import F, Q

import metering.ingest.understanding.models
from workspaces.migrations._columns import auto_id, big_id, public_id

MEANINGS = [("information", "Informational"), ("part", "Part of another number"), ("component", "A component")]


class Migration(migrations.Migration):
    dependencies = [("metering", "0032_operator_requests")]

    operations = [
        migrations.AddField("usageevent", "usage", models.BinaryField(null=True)),
        migrations.CreateModel(
            "UnknownPath",
            [
                ("id", big_id()),
                (
                    "event",
                    models.ForeignKey(
                        "metering.quarantinedevent",
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="unknown_paths",
                    ),
                ),
                ("dialect", models.CharField(max_length=32)),
                ("path", models.CharField(max_length=200)),
                ("model", models.CharField(blank=True, default="", max_length=300)),
            ],
            options={
                "ordering": ["-id"],
                "constraints": [models.UniqueConstraint(fields=["event", "path"], name="a_path_is_unknown_once_per_event")],
                "indexes": [models.Index(fields=["dialect", "path"], name="unknown_by_dialect_and_path")],
            },
        ),
        migrations.CreateModel(
            "UsageRule",
            [
                ("id", auto_id()),
                ("public_id", public_id(metering.ingest.understanding.models.rule_id)),
                ("dialect", models.CharField(max_length=32)),
                ("path", models.CharField(max_length=200)),
                ("version", models.IntegerField()),
                ("meaning", models.CharField(choices=MEANINGS, max_length=16)),
                ("of", models.CharField(blank=True, default="", max_length=200)),
                ("reason", models.CharField(max_length=500)),
                ("begins_at", models.DateTimeField()),
                ("ends_at", models.DateTimeField(null=True)),
                ("made_by", models.TextField()),
                ("ended_by", models.TextField(blank=True, default="")),
            ],
            options={
                "ordering": ["dialect", "path", "-version"],
                "constraints": [
                    models.UniqueConstraint(fields=["dialect", "path", "version"], name="rule_versions_count_up"),
                    models.UniqueConstraint(
                        fields=["dialect", "path"], condition=Q(ends_at__isnull=True), name="one_rule_per_path"
                    ),
                    models.CheckConstraint(
                        condition=Q(ends_at__isnull=True) | Q(ends_at__gt=F("begins_at")), name="rule_ends_later"
                    ),
                ],
            },
        ),
    ]
