"""Corrections of recorded events and re-ratings, on a trail that is only ever appended to; prices that correct prices."""

import django.contrib.postgres.fields
import django.db.models.deletion
from django.db import migrations, models

import metering.rollups.models

VOIDED_COSTS_NOTHING = """
ALTER TABLE metering_usageevent DROP CONSTRAINT only_a_priced_event_is_billed;
ALTER TABLE metering_usageevent ADD CONSTRAINT only_a_priced_event_is_billed CHECK (
    CASE WHEN status IN (2, 3) THEN cost = 0 AND price_id IS NULL ELSE (cost IS NULL) = (price_id IS NULL) END);
"""
AS_BEFORE = """
ALTER TABLE metering_usageevent DROP CONSTRAINT only_a_priced_event_is_billed;
ALTER TABLE metering_usageevent ADD CONSTRAINT only_a_priced_event_is_billed CHECK (
    CASE WHEN status = 2 THEN cost = 0 AND price_id IS NULL ELSE (cost IS NULL) = (price_id IS NULL) END);
"""

TRAIL_GUARD = """
CREATE FUNCTION metering_refuse_correction_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'corrections are appended, never changed' USING ERRCODE = 'integrity_constraint_violation';
END $$;

CREATE TRIGGER corrections_are_only_appended BEFORE UPDATE OR DELETE ON metering_eventcorrection
    FOR EACH ROW EXECUTE FUNCTION metering_refuse_correction_change();
"""
NO_TRAIL_GUARD = """
DROP TRIGGER corrections_are_only_appended ON metering_eventcorrection;
DROP FUNCTION metering_refuse_correction_change();
"""


class Migration(migrations.Migration):
    dependencies = [("metering", "0009_identities_by_hash")]

    operations = [
        migrations.RunSQL(VOIDED_COSTS_NOTHING, AS_BEFORE),
        migrations.AlterField(
            model_name="dailyrollup",
            name="status",
            field=models.SmallIntegerField(choices=[(0, "succeeded"), (1, "aborted"), (2, "failed"), (3, "voided")]),
        ),
        migrations.AlterField(
            model_name="hourlyrollup",
            name="status",
            field=models.SmallIntegerField(choices=[(0, "succeeded"), (1, "aborted"), (2, "failed"), (3, "voided")]),
        ),
        migrations.AlterField(
            model_name="usageevent",
            name="status",
            field=models.SmallIntegerField(choices=[(0, "succeeded"), (1, "aborted"), (2, "failed"), (3, "voided")]),
        ),
        migrations.CreateModel(
            name="EventCorrection",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("request_id", models.TextField(db_collation="C")),
                ("attempt", models.IntegerField()),
                ("occurred_at", models.DateTimeField()),
                ("event_id", models.BigIntegerField()),
                (
                    "action",
                    models.CharField(choices=[("void", "Void"), ("replace", "Replace"), ("rerate", "Re-rate")], max_length=16),
                ),
                ("reason", models.TextField(blank=True, default="")),
                ("actor", models.TextField()),
                ("recorded_at", models.DateTimeField()),
                ("batch_id", models.BigIntegerField(null=True)),
                ("index", models.IntegerField(null=True)),
                ("fingerprint", models.UUIDField(null=True)),
                ("took_effect", models.BooleanField(default=True)),
                (
                    "before_status",
                    models.SmallIntegerField(choices=[(0, "succeeded"), (1, "aborted"), (2, "failed"), (3, "voided")]),
                ),
                ("before_source", models.SmallIntegerField(choices=[(0, "provider"), (1, "estimated")])),
                ("before_tokens", django.contrib.postgres.fields.ArrayField(base_field=models.IntegerField(), size=5)),
                ("before_price_id", models.IntegerField(null=True)),
                ("before_cost", models.DecimalField(decimal_places=12, max_digits=30, null=True)),
                (
                    "after_status",
                    models.SmallIntegerField(choices=[(0, "succeeded"), (1, "aborted"), (2, "failed"), (3, "voided")]),
                ),
                ("after_source", models.SmallIntegerField(choices=[(0, "provider"), (1, "estimated")])),
                ("after_tokens", django.contrib.postgres.fields.ArrayField(base_field=models.IntegerField(), size=5)),
                ("after_price_id", models.IntegerField(null=True)),
                ("after_cost", models.DecimalField(decimal_places=12, max_digits=30, null=True)),
            ],
            options={
                "ordering": ["id"],
            },
        ),
        migrations.CreateModel(
            name="Rerating",
            fields=[
                ("id", models.AutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "public_id",
                    models.CharField(default=metering.rollups.models.rerating_id, editable=False, max_length=32, unique=True),
                ),
                ("actor", models.TextField()),
                ("reason", models.TextField()),
                ("start", models.DateTimeField()),
                ("end", models.DateTimeField()),
                (
                    "status",
                    models.CharField(
                        choices=[("running", "Running"), ("finished", "Finished")], default="running", max_length=16
                    ),
                ),
                ("created_at", models.DateTimeField()),
                ("finished_at", models.DateTimeField(null=True)),
                ("plan", models.JSONField(default=list)),
                ("at_workspace", models.IntegerField(null=True)),
                ("at_time", models.DateTimeField(null=True)),
                ("at_event", models.BigIntegerField(null=True)),
                ("examined", models.BigIntegerField(default=0)),
                ("changed", models.BigIntegerField(default=0)),
                ("priced", models.BigIntegerField(default=0)),
                ("cost_before", models.DecimalField(decimal_places=12, default=0, max_digits=38)),
                ("cost_after", models.DecimalField(decimal_places=12, default=0, max_digits=38)),
            ],
            options={
                "ordering": ["-id"],
            },
        ),
        migrations.AlterModelOptions(
            name="priceversion",
            options={"ordering": ["model", "service_tier", "-effective_from", "-revision"]},
        ),
        migrations.RemoveConstraint(
            model_name="priceversion",
            name="one_price_in_force_at_a_time",
        ),
        migrations.AddField(
            model_name="priceversion",
            name="revision",
            field=models.PositiveSmallIntegerField(default=0, editable=False),
        ),
        migrations.AddConstraint(
            model_name="priceversion",
            constraint=models.UniqueConstraint(
                fields=("model", "service_tier", "workspace", "above_input_tokens", "effective_from", "revision"),
                name="one_price_in_force_at_a_time",
                nulls_distinct=False,
            ),
        ),
        migrations.AddField(
            model_name="eventcorrection",
            name="workspace",
            field=models.ForeignKey(
                db_constraint=False, db_index=False, on_delete=django.db.models.deletion.DO_NOTHING, to="workspaces.workspace"
            ),
        ),
        migrations.AddField(
            model_name="rerating",
            name="model",
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, to="metering.languagemodel"),
        ),
        migrations.AddField(
            model_name="rerating",
            name="workspace",
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, to="workspaces.workspace"),
        ),
        migrations.AddField(
            model_name="eventcorrection",
            name="rerating",
            field=models.ForeignKey(
                db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, to="metering.rerating"
            ),
        ),
        migrations.AddIndex(
            model_name="eventcorrection",
            index=models.Index(fields=["workspace", "request_id", "attempt"], name="corrections_of_an_event"),
        ),
        migrations.AddIndex(
            model_name="eventcorrection",
            index=models.Index(
                condition=models.Q(("rerating__isnull", False)), fields=["rerating"], name="corrections_of_a_rerating"
            ),
        ),
        migrations.AddConstraint(
            model_name="eventcorrection",
            constraint=models.UniqueConstraint(
                condition=models.Q(("fingerprint__isnull", False)),
                fields=("workspace", "request_id", "attempt", "fingerprint"),
                name="each_correction_counts_once",
            ),
        ),
        migrations.AddConstraint(
            model_name="eventcorrection",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("action", "rerate"), ("fingerprint__isnull", True), ("rerating__isnull", False)),
                    models.Q(
                        ("action__in", ["void", "replace"]),
                        ("batch_id__isnull", False),
                        ("fingerprint__isnull", False),
                        ("rerating__isnull", True),
                    ),
                    _connector="OR",
                ),
                name="a_correction_says_where_it_came_from",
            ),
        ),
        migrations.RunSQL(TRAIL_GUARD, NO_TRAIL_GUARD),
    ]
