"""A credit note has a reference of its own: the same one given twice for an invoice makes one note."""

from django.db import migrations, models
from django.db.models import Q


class Migration(migrations.Migration):
    dependencies = [("metering", "0044_holds_that_ran_out")]
    operations = [
        migrations.AddField("creditnote", "reference", models.CharField(blank=True, default="", max_length=200)),
        migrations.AddConstraint(
            "creditnote",
            models.UniqueConstraint(
                fields=["invoice", "reference"], condition=~Q(reference=""), name="one_credit_note_per_invoice_and_reference"
            ),
        ),
    ]
