"""Where the outgoing money of a refund by hand is found. Credit notes settled outside had put it where the reason stands."""

from django.db import migrations, models

KEEP_REFERENCES = """
UPDATE metering_refund r SET reference = left(r.reason, 200)
FROM metering_payment p, metering_creditnote n
WHERE p.id = r.payment_id AND n.id = r.credit_note_id AND p.method = 'by_hand' AND n.settlement = 'outside'
"""


class Migration(migrations.Migration):
    dependencies = [("metering", "0024_pricing_by_month")]

    operations = [
        migrations.AddField("refund", "reference", models.CharField(default="", max_length=200)),
        migrations.RunSQL(KEEP_REFERENCES, migrations.RunSQL.noop),
    ]
