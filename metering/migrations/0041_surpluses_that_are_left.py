"""Operators are told each minute of money that settles nothing: it is found by an index of its own."""

from typing import ClassVar

from django.db import migrations, models
from django.db.models import Q


class Migration(migrations.Migration):
    dependencies: ClassVar = [("metering", "0040_withdrawn_credit")]
    operations: ClassVar = [
        migrations.AddIndex(
            "journalbalance",
            models.Index(fields=["part"], condition=Q(account="surplus", balance__lt=0), name="surpluses_that_are_left"),
        ),
    ]
