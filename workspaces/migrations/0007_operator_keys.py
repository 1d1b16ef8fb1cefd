"""Keys of operators."""

import django.contrib.postgres.fields
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models
from django.db.models import Q

import workspaces.operators.models
from workspaces.migrations._columns import auto_id, public_id

SCOPES = [("read", "Read books and reports"), ("money", "Act on money")]


class Migration(migrations.Migration):
    dependencies = [("workspaces", "0006_closed_workspaces")]

    operations = [
        migrations.CreateModel(
            "OperatorKey",
            [
                ("id", auto_id()),
                ("public_id", public_id(workspaces.operators.models.operator_key_id)),
                ("name", models.CharField(max_length=200)),
                (
                    "scopes",
                    django.contrib.postgres.fields.ArrayField(models.CharField(choices=SCOPES, max_length=16), size=None),
                ),
                ("sha256", models.BinaryField(max_length=32, unique=True)),
                ("prefix", models.CharField(max_length=24)),
                ("last_four", models.CharField(max_length=4)),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                (
                    "created_by",
                    models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+"),
                ),
                ("expires_at", models.DateTimeField()),
                ("revoked_at", models.DateTimeField(editable=False, null=True)),
                ("last_used_at", models.DateTimeField(editable=False, null=True)),
            ],
            options={
                "ordering": ["-id"],
                "constraints": [
                    models.CheckConstraint(
                        condition=Q(scopes__contained_by=["read", "money"]) & ~Q(scopes=[]),
                        name="operator_key_has_scopes_that_there_are",
                    )
                ],
            },
        ),
    ]
