"""Every entry of the audit trail gets its place in a chain of hashes, as the very last thing of the transaction that wrote it.

Two rounds, both deferred to the commit. In the first, the new entries ask for a seal: one row in workspaces_auditcommit for
the whole transaction. That row's own trigger runs in a second round, which begins when everything else that was deferred is
over, foreign keys among it. Only there the chain's head is locked: whatever holds that lock waits for nothing but the disk,
so that it can be part of no deadlock, and no act waits for another one's work.
"""

from django.db import migrations

TABLE = """
CREATE TABLE workspaces_auditcommit (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    first_entry bigint NOT NULL
);
COMMENT ON TABLE workspaces_auditcommit IS 'Transactions whose entries want a seal at their commit; empty between them.';
"""

# docs/running.md, "The audit trail", gives the same to whoever checks an export with a program of their own.
TEXT = """
CREATE FUNCTION workspaces_audit_text(entry workspaces_auditentry, place bigint, previous bytea) RETURNS text
LANGUAGE sql STABLE AS $$
    SELECT jsonb_build_array(
        'v1', place, encode(previous, 'hex'), 'aud_' || entry.id,
        to_char(entry.at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
        entry.actor_kind, entry.actor, entry.action,
        (SELECT public_id FROM workspaces_workspace WHERE id = entry.workspace_id),
        entry.target, host(entry.ip_address), entry.user_agent, entry.detail
    )::text
$$;
"""

SEAL = """
CREATE FUNCTION workspaces_seal_audit_from(first bigint) RETURNS bigint LANGUAGE plpgsql SET enable_seqscan = off AS $$
-- Returns the last entry's id. Other transactions' entries are committed with their seals: those without one are this
-- transaction's own. They are found by index, one by one, so that no plan reads the tables whole, whatever their statistics.
DECLARE
    head workspaces_audithead;
    entry workspaces_auditentry;
    previous bytea;
    last bigint := first;
BEGIN
    SELECT * INTO head FROM workspaces_audithead WHERE id = 1 FOR UPDATE;
    IF NOT FOUND THEN
        INSERT INTO workspaces_audithead VALUES (1, 0, decode(repeat('00', 32), 'hex')) ON CONFLICT DO NOTHING;
        SELECT * INTO head FROM workspaces_audithead WHERE id = 1 FOR UPDATE;
    END IF;
    FOR entry IN SELECT * FROM workspaces_auditentry WHERE id >= first ORDER BY id LOOP
        last := entry.id;
        CONTINUE WHEN EXISTS (SELECT FROM workspaces_auditseal WHERE entry_id = entry.id);
        previous := head.hash;
        head.position := head.position + 1;
        head.hash := sha256(convert_to(workspaces_audit_text(entry, head.position, previous), 'UTF8'));
        INSERT INTO workspaces_auditseal (position, entry_id, previous_hash, hash)
        VALUES (head.position, entry.id, previous, head.hash);
    END LOOP;
    UPDATE workspaces_audithead SET position = head.position, hash = head.hash WHERE id = 1;
    RETURN last;
END $$;
"""

ROUNDS = """
CREATE FUNCTION workspaces_audit_wants_a_seal() RETURNS trigger LANGUAGE plpgsql AS $$
-- The setting lives as long as the transaction: the first entry that asks, asks for all of them.
BEGIN
    IF NEW.id > coalesce(nullif(current_setting('omixa.audit_asked_to', true), '')::bigint, 0) THEN
        PERFORM set_config('omixa.audit_asked_to', '9223372036854775807', true);
        INSERT INTO workspaces_auditcommit (first_entry) VALUES (NEW.id);
    END IF;
    RETURN NULL;
END $$;

CREATE FUNCTION workspaces_seal_audit() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM workspaces_auditcommit WHERE id = NEW.id;
    -- Constraints can be checked before the commit: what is recorded after that asks again.
    PERFORM set_config('omixa.audit_asked_to', workspaces_seal_audit_from(NEW.first_entry)::text, true);
    RETURN NULL;
END $$;

CREATE CONSTRAINT TRIGGER audit_wants_a_seal AFTER INSERT ON workspaces_auditentry
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION workspaces_audit_wants_a_seal();
CREATE CONSTRAINT TRIGGER audit_is_sealed_last AFTER INSERT ON workspaces_auditcommit
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION workspaces_seal_audit();
"""

# The guard of the entries is there already. Django empties tables after tests that commit: only their database allows it.
GUARDS = """
CREATE FUNCTION workspaces_only_the_seal_writes() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF pg_trigger_depth() < 2 THEN
        RAISE EXCEPTION '% is written by the seal alone: % refused', TG_TABLE_NAME, TG_OP USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;

CREATE FUNCTION workspaces_audit_is_never_emptied() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF coalesce(current_setting('omixa.may_truncate', true), '') <> 'on' THEN
        RAISE EXCEPTION '% is never emptied', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NULL;
END $$;

CREATE TRIGGER seals_are_append_only BEFORE UPDATE OR DELETE ON workspaces_auditseal
    FOR EACH ROW EXECUTE FUNCTION workspaces_audit_is_append_only();
CREATE TRIGGER head_stays BEFORE DELETE ON workspaces_audithead
    FOR EACH ROW EXECUTE FUNCTION workspaces_audit_is_append_only();
CREATE TRIGGER only_the_seal_writes BEFORE INSERT ON workspaces_auditseal
    FOR EACH ROW EXECUTE FUNCTION workspaces_only_the_seal_writes();
CREATE TRIGGER only_the_seal_writes BEFORE INSERT OR UPDATE ON workspaces_audithead
    FOR EACH ROW EXECUTE FUNCTION workspaces_only_the_seal_writes();
"""
TABLES = ("workspaces_auditseal", "workspaces_audithead")  # the entries have such a guard from metering
NEVER_EMPTIED = "".join(
    f"CREATE TRIGGER never_emptied BEFORE TRUNCATE ON {table}"
    " FOR EACH STATEMENT EXECUTE FUNCTION workspaces_audit_is_never_emptied();"
    for table in TABLES
)

# Entries of before come without a kind of actor, and are sealed as they are.
KINDS = """
ALTER TABLE workspaces_auditentry DISABLE TRIGGER audit_is_append_only;
UPDATE workspaces_auditentry entry SET actor_kind = CASE
    WHEN actor LIKE 'key\\_%' THEN 'key' WHEN actor LIKE 'command%' THEN 'command' WHEN actor = 'stripe' THEN 'provider'
    WHEN actor NOT LIKE '%@%' THEN 'system'
    WHEN EXISTS (SELECT FROM workspaces_user person WHERE person.email = entry.actor AND person.is_staff) THEN 'operator'
    ELSE 'member' END;
ALTER TABLE workspaces_auditentry ENABLE TRIGGER audit_is_append_only;
"""

NO_GUARDS = (
    "".join(f"DROP TRIGGER never_emptied ON {table};" for table in TABLES)
    + """
DROP TRIGGER only_the_seal_writes ON workspaces_audithead;
DROP TRIGGER only_the_seal_writes ON workspaces_auditseal;
DROP TRIGGER head_stays ON workspaces_audithead;
DROP TRIGGER seals_are_append_only ON workspaces_auditseal;
DROP FUNCTION workspaces_audit_is_never_emptied();
DROP FUNCTION workspaces_only_the_seal_writes();
"""
)
NO_ROUNDS = """
DROP TRIGGER audit_is_sealed_last ON workspaces_auditcommit;
DROP TRIGGER audit_wants_a_seal ON workspaces_auditentry;
DROP FUNCTION workspaces_seal_audit();
DROP FUNCTION workspaces_audit_wants_a_seal();
"""


class Migration(migrations.Migration):
    dependencies = [("workspaces", "0007_audit_tells_from_where")]

    operations = [
        migrations.RunSQL(TABLE, "DROP TABLE workspaces_auditcommit;"),
        migrations.RunSQL(TEXT, "DROP FUNCTION workspaces_audit_text(workspaces_auditentry, bigint, bytea);"),
        migrations.RunSQL(SEAL, "DROP FUNCTION workspaces_seal_audit_from(bigint);"),
        migrations.RunSQL(KINDS, migrations.RunSQL.noop),
        migrations.RunSQL("SELECT workspaces_seal_audit_from(0);", migrations.RunSQL.noop),
        migrations.RunSQL(ROUNDS, NO_ROUNDS),
        migrations.RunSQL(GUARDS + NEVER_EMPTIED, NO_GUARDS),
    ]
