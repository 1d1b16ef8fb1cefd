"""What workspaces want to be alerted to, levels of prepaid balances that were crossed, and mails about no workspace."""

from decimal import Decimal

from django.contrib.postgres.fields import ArrayField
from django.db import migrations, models
from django.db.models import Q

import metering.alerts.models
from metering.migrations._columns import cents, exact_usd
from workspaces.migrations._columns import big_id

# A fall over a level is noted with the fall itself, whatever lowers the balance. Levels are the workspace's, and the one below
# which it wants a mail; of a workspace that has chosen nothing, that the balance is used up. A workspace that has just become
# prepaid has crossed nothing.
NOTE_CROSSINGS = """
CREATE FUNCTION metering_note_balance_crossings() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO metering_balancecrossing (workspace_id, level, newest_grant, balance, crossed_at)
    SELECT NEW.workspace_id, wanted.level,
           coalesce((SELECT max(id) FROM metering_creditgrant WHERE workspace_id = NEW.workspace_id), 0), NEW.balance, clock_timestamp()
    FROM (
        SELECT unnest(coalesce((SELECT balance_levels FROM metering_alertsettings WHERE workspace_id = NEW.workspace_id),
                               ARRAY[0::numeric])) AS level
        UNION
        SELECT low_balance FROM metering_paymentaccount WHERE workspace_id = NEW.workspace_id AND low_balance IS NOT NULL
    ) AS wanted
    WHERE OLD.balance > wanted.level AND NEW.balance <= wanted.level
    ON CONFLICT DO NOTHING;
    RETURN NULL;
END $$;
CREATE TRIGGER note_balance_crossings AFTER UPDATE OF balance ON metering_limitaccount FOR EACH ROW
    WHEN (NEW.balance < OLD.balance) EXECUTE FUNCTION metering_note_balance_crossings();
"""
DROP = """
DROP TRIGGER note_balance_crossings ON metering_limitaccount;
DROP FUNCTION metering_note_balance_crossings;
"""


class Migration(migrations.Migration):
    dependencies = [("metering", "0013_frozen_keys")]
    operations = [
        migrations.CreateModel(
            "AlertSettings",
            [
                (
                    "workspace",
                    models.OneToOneField(
                        "workspaces.workspace",
                        on_delete=models.CASCADE,
                        primary_key=True,
                        related_name="alert_settings",
                        serialize=False,
                    ),
                ),
                (
                    "on_leaked_key",
                    models.CharField(
                        choices=[("revoke", "Revoke it"), ("freeze", "Freeze it")], default="revoke", max_length=16
                    ),
                ),
                (
                    "balance_levels",
                    ArrayField(cents(), blank=True, default=metering.alerts.models.usual_levels),
                ),
                ("spike_factor", models.DecimalField(decimal_places=2, default=Decimal("10.00"), max_digits=7)),
                ("spike_least", cents(default=Decimal("10.00"))),
                ("spike_freezes", models.BooleanField(default=False)),
            ],
            options={
                "constraints": [
                    models.CheckConstraint(condition=Q(spike_factor__gt=1), name="a_spike_is_more_than_usual"),
                    models.CheckConstraint(condition=Q(spike_least__gte=0), name="the_least_of_a_spike_is_not_negative"),
                ],
            },
        ),
        migrations.CreateModel(
            "BalanceCrossing",
            [
                ("id", big_id()),
                ("workspace", models.ForeignKey("workspaces.workspace", on_delete=models.CASCADE, db_index=False)),
                ("level", exact_usd()),
                ("newest_grant", models.IntegerField()),
                ("balance", exact_usd()),
                ("crossed_at", models.DateTimeField()),
                ("notified_at", models.DateTimeField(null=True)),
            ],
            options={
                "ordering": ["id"],
                "constraints": [
                    models.UniqueConstraint(fields=["workspace", "level", "newest_grant"], name="each_level_once_for_a_grant"),
                ],
                "indexes": [models.Index(fields=["id"], name="balances_to_notify", condition=Q(notified_at__isnull=True))],
            },
        ),
        migrations.AlterField(
            "notice", "workspace", models.ForeignKey("workspaces.workspace", models.CASCADE, null=True, related_name="+")
        ),
        migrations.RunSQL(NOTE_CROSSINGS, DROP),
    ]
