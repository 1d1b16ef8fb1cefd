"""The audit trail is appended to and never changed, whoever asks."""

from django.db import migrations

FORBID = """
CREATE FUNCTION workspaces_audit_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the audit trail is append-only: % refused', TG_OP USING ERRCODE = 'restrict_violation';
END $$;

CREATE TRIGGER audit_is_append_only BEFORE UPDATE OR DELETE ON workspaces_auditentry
FOR EACH ROW EXECUTE FUNCTION workspaces_audit_is_append_only();
"""
ALLOW = """
DROP TRIGGER audit_is_append_only ON workspaces_auditentry;
DROP FUNCTION workspaces_audit_is_append_only();
"""


class Migration(migrations.Migration):
    dependencies = [("workspaces", "0001_initial")]

    operations = [migrations.RunSQL(FORBID, ALLOW)]
