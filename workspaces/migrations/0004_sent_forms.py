from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("workspaces", "0003_suspension"),
    ]

    operations = [
        migrations.CreateModel(
            name="SentForm",
            fields=[
                ("token", models.CharField(max_length=32, primary_key=True, serialize=False)),
                ("sent_at", models.DateTimeField(db_index=True)),
            ],
        ),
    ]
