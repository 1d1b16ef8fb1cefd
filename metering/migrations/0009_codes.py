"""Codes beside sentences: why a draft is on hold, and since when automatic top-ups are stopped."""

from django.contrib.postgres.fields import ArrayField
from django.db import migrations, models

HOLDS = [
    ("implausible", "Implausibly large"),
    ("unexplained", "Takes back what nothing explains"),
    ("events", "Events of its month are not billed yet"),
]
FROM_SENTENCES = """
UPDATE metering_invoice SET holds = array_remove(ARRAY[
    CASE WHEN held LIKE '%The subtotal of %' THEN 'implausible' END,
    CASE WHEN held LIKE '%nothing explains it.%' THEN 'unexplained' END,
    CASE WHEN held LIKE '%: not billed.%' THEN 'events' END
]::varchar[], NULL) WHERE status = 'draft' AND held <> '';
UPDATE metering_paymentaccount SET top_ups_stopped_at = now() WHERE top_up_stopped <> '';
"""


class Migration(migrations.Migration):
    dependencies = [("metering", "0008_guards"), ("workspaces", "0003_suspensions")]
    operations = [
        migrations.AlterField(
            "paymentattempt",
            "channel",
            models.CharField(
                choices=[("saved_method", "Saved method"), ("payment_page", "Payment page")],
                default="saved_method",
                max_length=16,
            ),
        ),
        migrations.RemoveIndex("payment", "payments_in_surplus"),
        migrations.AddIndex(
            "payment",
            models.Index(
                condition=models.Q(invoice__isnull=True, grant__isnull=True), fields=["id"], name="payments_in_surplus"
            ),
        ),
        migrations.AddField("paymentaccount", "top_ups_stopped_at", models.DateTimeField(null=True)),
        migrations.AddField("invoice", "holds", ArrayField(models.CharField(choices=HOLDS, max_length=16), default=list)),
        migrations.RunSQL(FROM_SENTENCES, migrations.RunSQL.noop),
    ]
