"""When a void invoice's month was billed again; and credit that comes back after it expired is written off once more."""

from django.db import migrations, models

# What a finalized invoice may still change, as in 0008_guards, with and without the new column.
GUARD = """
DO $$
BEGIN
    EXECUTE replace(
        pg_get_functiondef('metering_refuse_invoice_change()'::regprocedure), $o${old}$o$, $n${new}$n$);
END $$;
"""
WITHOUT, WITH = "'voided_at', 'payment", "'voided_at', 'reissued_at', 'payment"


class Migration(migrations.Migration):
    dependencies = [("metering", "0017_journal_of_before")]

    operations = [
        migrations.AddField("invoice", "reissued_at", models.DateTimeField(null=True)),
        migrations.RunSQL(GUARD.format(old=WITHOUT, new=WITH), GUARD.format(old=WITH, new=WITHOUT)),
        migrations.RemoveConstraint("creditentry", "granted_and_expired_once"),
        migrations.AddConstraint(
            "creditentry",
            models.UniqueConstraint(fields=["grant"], condition=models.Q(kind="grant"), name="granted_once"),
        ),
    ]
