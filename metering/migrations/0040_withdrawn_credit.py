"""What of the credit that a refund or a dispute takes had been withdrawn before."""

from decimal import Decimal
from typing import ClassVar

from django.db import migrations, models


def an_amount() -> models.DecimalField:
    return models.DecimalField(decimal_places=2, default=Decimal("0.00"), max_digits=20)


class Migration(migrations.Migration):
    dependencies: ClassVar = [("metering", "0039_origin_of_refunds")]
    operations: ClassVar = [
        migrations.AddField("refund", "of_withdrawn", an_amount()),
        migrations.AddField("dispute", "of_withdrawn", an_amount()),
    ]
