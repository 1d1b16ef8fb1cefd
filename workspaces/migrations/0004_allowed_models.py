"""Which models keys may ask for, and a log of what changes the answer about a key, for gateways that remember it."""

from django.contrib.postgres.fields import ArrayField
from django.db import migrations, models

from workspaces.migrations._columns import big_id

# At the commit and one after the other, so that numbers follow commits: a reader that has seen one has seen all below it.
# Nothing else is locked after this, so nobody waits in a circle.
NOTE = """
CREATE FUNCTION workspaces_note_access_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(7239004);
    CASE TG_TABLE_NAME
        WHEN 'workspaces_workspace' THEN
            INSERT INTO workspaces_accesschange (workspace_id, key_id, changed_at) VALUES (NEW.id, NULL, clock_timestamp());
        WHEN 'workspaces_apikey' THEN
            INSERT INTO workspaces_accesschange (workspace_id, key_id, changed_at)
            VALUES (NEW.workspace_id, NEW.id, clock_timestamp());
        ELSE
            INSERT INTO workspaces_accesschange (workspace_id, key_id, changed_at)
            SELECT workspace_id, id, clock_timestamp() FROM workspaces_apikey WHERE id = NEW.api_key_id;
    END CASE;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER note_access_change AFTER UPDATE ON workspaces_workspace DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    WHEN ((OLD.suspensions, OLD.allowed_models, OLD.refuses_unpriced)
          IS DISTINCT FROM (NEW.suspensions, NEW.allowed_models, NEW.refuses_unpriced))
    EXECUTE FUNCTION workspaces_note_access_change();
CREATE CONSTRAINT TRIGGER note_access_change AFTER UPDATE ON workspaces_apikey DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    WHEN ((OLD.revoked_at, OLD.expires_at, OLD.allowed_models) IS DISTINCT FROM (NEW.revoked_at, NEW.expires_at, NEW.allowed_models))
    EXECUTE FUNCTION workspaces_note_access_change();
CREATE CONSTRAINT TRIGGER note_access_change AFTER UPDATE ON workspaces_credential DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    WHEN (OLD.expires_at IS DISTINCT FROM NEW.expires_at AND NEW.api_key_id IS NOT NULL)
    EXECUTE FUNCTION workspaces_note_access_change();
"""
FORGET = """
DROP TRIGGER note_access_change ON workspaces_credential;
DROP TRIGGER note_access_change ON workspaces_apikey;
DROP TRIGGER note_access_change ON workspaces_workspace;
DROP FUNCTION workspaces_note_access_change;
"""


def allowed_models() -> ArrayField:
    return ArrayField(models.CharField(max_length=300), editable=False, null=True)


class Migration(migrations.Migration):
    dependencies = [("workspaces", "0003_suspensions")]
    operations = [
        migrations.AddField("workspace", "allowed_models", allowed_models()),
        migrations.AddField("workspace", "refuses_unpriced", models.BooleanField(default=False, editable=False)),
        migrations.AddField("apikey", "allowed_models", allowed_models()),
        migrations.CreateModel(
            "AccessChange",
            [
                ("id", big_id()),
                ("workspace", models.ForeignKey("workspaces.workspace", on_delete=models.CASCADE, db_index=False)),
                ("key", models.ForeignKey("workspaces.apikey", on_delete=models.CASCADE, db_index=False, null=True)),
                ("changed_at", models.DateTimeField()),
            ],
            options={
                "ordering": ["id"],
                "indexes": [models.Index(fields=["changed_at"], name="access_changes_by_age")],
            },
        ),
        migrations.RunSQL(NOTE, FORGET),
    ]
