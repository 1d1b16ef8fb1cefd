"""Gateways hear when a workspace begins or ends to be prepaid, since what they are answered about its keys says so; and a limit of
nothing is crossed by the first usage.
"""

from importlib import import_module

from django.db import migrations

LOCK = "7239005"  # as other changes of access have it: numbers follow commits

NOTE = """
CREATE FUNCTION metering_note_billing_mode() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(ACCESS_LOCK);
    INSERT INTO workspaces_accesschange (workspace_id, key_id, changed_at) VALUES (NEW.workspace_id, NULL, clock_timestamp());
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER note_billing_mode AFTER UPDATE ON metering_limitaccount DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    WHEN ((OLD.balance IS NULL) <> (NEW.balance IS NULL)) EXECUTE FUNCTION metering_note_billing_mode();
CREATE CONSTRAINT TRIGGER note_new_billing_mode AFTER INSERT ON metering_limitaccount DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    WHEN (NEW.balance IS NOT NULL) EXECUTE FUNCTION metering_note_billing_mode();
""".replace("ACCESS_LOCK", LOCK)
FORGET = """
DROP TRIGGER note_new_billing_mode ON metering_limitaccount;
DROP TRIGGER note_billing_mode ON metering_limitaccount;
DROP FUNCTION metering_note_billing_mode;
"""

held_across_windows = import_module("metering.migrations.0042_held_across_windows")
MOVE = held_across_windows.changed(
    held_across_windows.MOVE,
    (
        '(standing.spent - moved.spent) * 100 < budget."limit" * threshold\n',
        '((standing.spent - moved.spent) * 100 < budget."limit" * threshold OR budget."limit" = 0)\n',
    ),
)


class Migration(migrations.Migration):
    dependencies = [("metering", "0042_held_across_windows"), ("workspaces", "0008_lock_of_access_changes")]
    operations = [
        migrations.RunSQL(NOTE, FORGET),
        migrations.RunSQL(MOVE, held_across_windows.MOVE),
    ]
