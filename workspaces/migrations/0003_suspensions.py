"""Why a workspace is suspended, as codes beside the sentences."""

from django.contrib.postgres.fields import ArrayField
from django.db import migrations, models

FROM_SENTENCES = """
UPDATE workspaces_workspace SET suspensions = array_remove(ARRAY[
    CASE WHEN suspended_because LIKE '%is overdue.%' THEN 'past_due' END,
    CASE WHEN suspended_because LIKE '%credit is used up.%' THEN 'no_credit' END
]::varchar[], NULL) WHERE suspended_at IS NOT NULL
"""


class Migration(migrations.Migration):
    dependencies = [("workspaces", "0002_audit_trail")]
    operations = [
        migrations.AddField(
            "workspace",
            "suspensions",
            ArrayField(
                models.CharField(
                    choices=[("past_due", "An invoice is overdue"), ("no_credit", "Prepaid credit is used up")], max_length=16
                ),
                default=list,
                editable=False,
            ),
        ),
        migrations.RunSQL(FROM_SENTENCES, migrations.RunSQL.noop),
    ]
