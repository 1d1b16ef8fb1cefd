"""A refund at Stripe says what of it is owed again."""

from decimal import Decimal
from typing import ClassVar

from django.db import migrations, models

OF_BEFORE = """
UPDATE metering_refund SET excess = due.amount FROM (
    SELECT refund_id, sum(amount) AS amount FROM metering_reopenedamount WHERE refund_id IS NOT NULL GROUP BY 1
) AS due WHERE due.refund_id = metering_refund.id AND status <> 'failed'
"""


class Migration(migrations.Migration):
    dependencies: ClassVar = [("metering", "0037_storable_labels")]
    operations: ClassVar = [
        migrations.AddField("refund", "excess", models.DecimalField(decimal_places=2, default=Decimal("0.00"), max_digits=20)),
        migrations.RunSQL(OF_BEFORE, migrations.RunSQL.noop),
    ]
