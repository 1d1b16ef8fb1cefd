"""How far a gateway's word goes: which workspaces it is bound to, and whether it corrects what others sent."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("workspaces", "0010_shared_values"),
    ]

    operations = [
        migrations.AddField(
            model_name="gateway",
            name="may_correct_all",
            field=models.BooleanField(default=False, editable=False),
        ),
        migrations.CreateModel(
            name="GatewayWorkspace",
            fields=[
                ("id", models.AutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("gateway", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, to="workspaces.gateway")),
                ("workspace", models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, to="workspaces.workspace")),
            ],
        ),
        migrations.AddConstraint(
            model_name="gatewayworkspace",
            constraint=models.UniqueConstraint(fields=("gateway", "workspace"), name="gateway_bound_once_to_a_workspace"),
        ),
        migrations.AddField(
            model_name="gateway",
            name="workspaces",
            field=models.ManyToManyField(
                related_name="gateways", through="workspaces.GatewayWorkspace", to="workspaces.workspace"
            ),
        ),
    ]
