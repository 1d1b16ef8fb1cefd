from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("metering", "0006_bodies_rest_compressed")]

    operations = [
        migrations.AlterField(
            model_name="priceversion",
            name="service_tier",
            field=models.CharField(default="default", max_length=64),
        ),
    ]
