"""Changes of access get an advisory lock of their own. They had the journal's, so each waited for every open posting."""

from django.db import migrations

LOCK = "7239005"
LOCK_OF_THE_JOURNAL = "7239004"

# At the commit and one after the other, so that numbers follow commits: a reader that has seen one has seen all below it.
# After this only the head of the audit trail is locked, by all alike, so nobody waits in a circle.
NOTE = """
CREATE OR REPLACE FUNCTION workspaces_note_access_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(ACCESS_LOCK);
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
"""


class Migration(migrations.Migration):
    dependencies = [("workspaces", "0007_operator_keys")]
    operations = [
        migrations.RunSQL(NOTE.replace("ACCESS_LOCK", LOCK), NOTE.replace("ACCESS_LOCK", LOCK_OF_THE_JOURNAL)),
    ]
