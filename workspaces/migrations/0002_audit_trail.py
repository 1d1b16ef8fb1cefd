"""The audit trail, and its chain of hashes.

Every entry gets its place in the chain as the very last thing of the transaction that wrote it.

Two rounds, both deferred to the commit. In the first, the new entries ask for a seal: one row in workspaces_auditcommit for
the whole transaction. That row's own trigger runs in a second round, which begins when everything else that was deferred is
over, foreign keys among it. Only there the chain's head is locked: whatever holds that lock waits for nothing but the disk,
so that it can be part of no deadlock, and no act waits for another one's work.
"""

from django.db import migrations, models
from django.utils import timezone

from workspaces.migrations._columns import belongs_to, big_id
from workspaces.migrations._guards import drop_functions, row_guard, truncate_guard

COMMITS = """
CREATE TABLE workspaces_auditcommit (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    first_entry bigint NOT NULL
);
COMMENT ON TABLE workspaces_auditcommit IS 'Transactions whose entries want a seal at their commit; empty between them.';
"""

# docs/running.md, "The audit trail", gives the same to those who check an export with a program of their own.
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

GUARDS = """
CREATE FUNCTION workspaces_audit_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the audit trail is append-only: % refused', TG_OP USING ERRCODE = 'restrict_violation';
END $$;

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
"""


class Migration(migrations.Migration):
    dependencies = [("workspaces", "0001_people_keys_and_gateways")]

    operations = [
        migrations.CreateModel(
            "AuditEntry",
            [
                ("id", big_id()),
                ("at", models.DateTimeField(default=timezone.now)),
                ("actor", models.CharField(max_length=300)),
                (
                    "actor_kind",
                    models.CharField(
                        max_length=16,
                        default="system",
                        choices=[
                            ("member", "Member"),
                            ("operator", "Operator"),
                            ("key", "API key"),
                            ("gateway", "Gateway"),
                            ("command", "Command"),
                            ("provider", "Payment provider"),
                            ("system", "The product"),
                            ("stranger", "Nobody known"),
                        ],
                    ),
                ),
                ("action", models.CharField(max_length=64)),
                ("workspace", belongs_to("workspaces.workspace", blank=True, null=True)),
                ("target", models.CharField(max_length=300)),
                ("detail", models.JSONField(default=dict)),
                ("ip_address", models.GenericIPAddressField(null=True)),
                ("user_agent", models.CharField(max_length=300, default="")),
            ],
            options={
                "verbose_name_plural": "audit trail",
                "ordering": ["-id"],
                "indexes": [
                    models.Index(fields=["workspace", "-id"], name="audit_of_a_workspace"),
                    models.Index(fields=["target", "-id"], name="audit_of_a_target"),
                    models.Index(fields=["action", "-id"], name="audit_of_an_action"),
                    models.Index(fields=["actor", "-id"], name="audit_of_an_actor"),
                ],
            },
        ),
        migrations.CreateModel(
            "AuditSeal",
            [
                ("position", models.BigIntegerField(primary_key=True, serialize=False)),
                ("entry", models.OneToOneField("workspaces.auditentry", models.PROTECT, related_name="seal")),
                ("previous_hash", models.BinaryField(max_length=32)),
                ("hash", models.BinaryField(max_length=32)),
            ],
        ),
        migrations.CreateModel(
            "AuditHead",
            [
                ("id", models.SmallIntegerField(primary_key=True, serialize=False)),
                ("position", models.BigIntegerField()),
                ("hash", models.BinaryField(max_length=32)),
            ],
        ),
        migrations.CreateModel(
            "AuditFold",
            [
                ("key", models.BinaryField(primary_key=True, max_length=32, serialize=False)),
                ("action", models.CharField(max_length=64)),
                ("until", models.DateTimeField()),
            ],
            options={"indexes": [models.Index(fields=["action", "until"], name="audit_folds_by_action")]},
        ),
        migrations.RunSQL(COMMITS, "DROP TABLE workspaces_auditcommit"),
        migrations.RunSQL(TEXT, "DROP FUNCTION workspaces_audit_text(workspaces_auditentry, bigint, bytea)"),
        migrations.RunSQL(SEAL, "DROP FUNCTION workspaces_seal_audit_from(bigint)"),
        # The chain begins.
        migrations.RunSQL("SELECT workspaces_seal_audit_from(0)", migrations.RunSQL.noop),
        migrations.RunSQL(ROUNDS, drop_functions("workspaces_audit_wants_a_seal", "workspaces_seal_audit")),
        migrations.RunSQL(
            GUARDS,
            drop_functions(
                "workspaces_audit_is_append_only", "workspaces_only_the_seal_writes", "workspaces_audit_is_never_emptied"
            ),
        ),
        row_guard("audit_is_append_only", "UPDATE OR DELETE", "workspaces_auditentry", "workspaces_audit_is_append_only"),
        row_guard("seals_are_append_only", "UPDATE OR DELETE", "workspaces_auditseal", "workspaces_audit_is_append_only"),
        row_guard("head_stays", "DELETE", "workspaces_audithead", "workspaces_audit_is_append_only"),
        row_guard("only_the_seal_writes", "INSERT", "workspaces_auditseal", "workspaces_only_the_seal_writes"),
        row_guard("only_the_seal_writes", "INSERT OR UPDATE", "workspaces_audithead", "workspaces_only_the_seal_writes"),
        # The entries themselves have such a guard from metering's migrations, beside those of the other frozen tables.
        truncate_guard("never_emptied", "workspaces_auditseal", "workspaces_audit_is_never_emptied"),
        truncate_guard("never_emptied", "workspaces_audithead", "workspaces_audit_is_never_emptied"),
    ]
