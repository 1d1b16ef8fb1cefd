"""Since when a workspace is closed."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("workspaces", "0005_frozen_keys")]

    operations = [
        migrations.AddField("workspace", "closed_at", models.DateTimeField(editable=False, null=True)),
    ]
