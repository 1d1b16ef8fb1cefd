from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("metering", "0022_topups_and_dunning"),
    ]

    operations = [
        migrations.AddField(
            model_name="jobrun",
            name="seen_at",
            field=models.DateTimeField(null=True),
        ),
        migrations.AddIndex(
            model_name="payment",
            index=models.Index(condition=models.Q(("surplus", ""), _negated=True), fields=["id"], name="payments_in_surplus"),
        ),
    ]
