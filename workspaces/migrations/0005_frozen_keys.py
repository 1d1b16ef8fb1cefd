"""Keys that are refused for a while: since when, why, and who asked for it. Gateways that remember a key hear of it."""

from django.conf import settings
from django.db import migrations, models
from django.db.models import Q

REASONS = [
    ("requested", "A person or a program asked for it"),
    ("leaked", "Its secret was found in public"),
    ("spend_spike", "It spent far more than usual"),
]
BEFORE = ["revoked_at", "expires_at", "allowed_models"]


def noted(columns: list[str]) -> str:
    """The trigger that writes a change of access, for changes of these columns."""
    old, new = (", ".join(f"{row}.{column}" for column in columns) for row in ("OLD", "NEW"))
    return f"""
DROP TRIGGER note_access_change ON workspaces_apikey;
CREATE CONSTRAINT TRIGGER note_access_change AFTER UPDATE ON workspaces_apikey DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    WHEN (({old}) IS DISTINCT FROM ({new})) EXECUTE FUNCTION workspaces_note_access_change();
"""


class Migration(migrations.Migration):
    dependencies = [("workspaces", "0004_allowed_models")]
    operations = [
        migrations.AddField("apikey", "frozen_at", models.DateTimeField(editable=False, null=True)),
        migrations.AddField(
            "apikey",
            "frozen_reason",
            models.CharField(blank=True, choices=REASONS, default="", editable=False, max_length=16),
        ),
        migrations.AddField(
            "apikey",
            "frozen_by",
            models.ForeignKey(settings.AUTH_USER_MODEL, editable=False, null=True, on_delete=models.SET_NULL, related_name="+"),
        ),
        migrations.AddField(
            "apikey",
            "frozen_by_key",
            models.ForeignKey("workspaces.apikey", editable=False, null=True, on_delete=models.PROTECT, related_name="+"),
        ),
        migrations.AddConstraint(
            "apikey",
            models.CheckConstraint(
                condition=Q(frozen_at__isnull=True, frozen_reason="") | (Q(frozen_at__isnull=False) & ~Q(frozen_reason="")),
                name="a_frozen_key_says_why",
            ),
        ),
        migrations.RunSQL(noted([*BEFORE, "frozen_at"]), noted(BEFORE)),
    ]
