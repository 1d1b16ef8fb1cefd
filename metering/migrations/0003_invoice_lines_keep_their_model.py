import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("metering", "0002_events_and_guards")]

    operations = [
        migrations.AddField(
            model_name="invoiceline",
            name="language_model",
            field=models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="metering.languagemodel",
            ),
        ),
    ]
