"""What the database itself refuses: changes to what is past, and money that does not add up."""

from django.db import migrations

from workspaces.migrations._guards import drop_functions, row_guard, truncate_guard

PRICES = """
CREATE FUNCTION metering_refuse_price_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' OR OLD.effective_from <= now() THEN
        RAISE EXCEPTION USING
            ERRCODE = 'integrity_constraint_violation',
            MESSAGE = format('price version %s (effective from %s) is succeeded by a new version, never changed',
                OLD.public_id, OLD.effective_from),
            HINT = 'Only a future version can be withdrawn.';
    END IF;
    RETURN OLD;
END $$;
"""

CORRECTIONS = """
CREATE FUNCTION metering_refuse_correction_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'corrections are appended, never changed' USING ERRCODE = 'integrity_constraint_violation';
END $$;
"""

INVOICES = """
CREATE FUNCTION metering_refuse_invoice_change() RETURNS trigger LANGUAGE plpgsql AS $$
-- Whatever is not named here is frozen, so that a column added later is frozen too.
DECLARE
    may_move CONSTANT text[] := ARRAY['status', 'status_reason', 'paid_at', 'voided_at', 'payment_reference', 'amount_paid', 'credited', 'amount_due'];
BEGIN
    IF TG_OP = 'DELETE' THEN
        IF OLD.status <> 'draft' THEN
            RAISE EXCEPTION 'invoice % is finalized: it is voided or credited, never deleted', OLD.number
                USING ERRCODE = 'integrity_constraint_violation';
        END IF;
        RETURN OLD;
    END IF;
    IF NEW.status <> OLD.status AND NOT (CASE OLD.status
        WHEN 'draft' THEN NEW.status = 'open'
        WHEN 'open' THEN NEW.status IN ('paid', 'void', 'uncollectible')
        WHEN 'uncollectible' THEN NEW.status IN ('paid', 'void')
        ELSE false
    END) THEN
        RAISE EXCEPTION 'invoice % cannot go from % to %', coalesce(OLD.number, OLD.public_id), OLD.status, NEW.status
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    IF OLD.status <> 'draft' AND to_jsonb(NEW) - may_move IS DISTINCT FROM to_jsonb(OLD) - may_move THEN
        RAISE EXCEPTION 'invoice % is finalized: what it prints never changes', OLD.number
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END $$;
"""

LINES = """
CREATE FUNCTION metering_refuse_line_change() RETURNS trigger LANGUAGE plpgsql AS $$
-- The share lock makes a writer wait for a finalization under way, and then see that it came too late. The state is
-- compared outside the query: a condition in it would be judged before the wait.
DECLARE
    invoice record;
BEGIN
    FOR invoice IN
        SELECT number, status FROM metering_invoice WHERE id IN (OLD.invoice_id, NEW.invoice_id) FOR SHARE
    LOOP
        IF invoice.status <> 'draft' THEN
            RAISE EXCEPTION 'invoice % is finalized: its lines never change', invoice.number
                USING ERRCODE = 'integrity_constraint_violation';
        END IF;
    END LOOP;
    IF TG_OP = 'DELETE' THEN
        RETURN OLD;
    END IF;
    RETURN NEW;
END $$;
"""

DRAFTS = """
CREATE FUNCTION metering_refuse_finalized_insert() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'an invoice begins as a draft: % was to be written as %', coalesce(NEW.number, NEW.public_id), NEW.status
        USING ERRCODE = 'integrity_constraint_violation';
END $$;
"""

CREDIT = """
CREATE FUNCTION metering_refuse_overdrawn_credit() RETURNS trigger LANGUAGE plpgsql AS $$
-- The lock makes two entries of one grant wait for each other, and the sum is taken after the wait. Above read committed it
-- would be taken as things stood before the wait, so such a transaction is refused.
DECLARE
    granted numeric;
    is_left numeric;
BEGIN
    IF current_setting('transaction_isolation') NOT IN ('read committed', 'read uncommitted') THEN
        RAISE EXCEPTION 'credit is entered in read committed transactions only' USING ERRCODE = 'invalid_transaction_state';
    END IF;
    SELECT amount INTO granted FROM metering_creditgrant WHERE id = NEW.grant_id FOR NO KEY UPDATE;
    SELECT coalesce(sum(amount), 0) + NEW.amount INTO is_left FROM metering_creditentry WHERE grant_id = NEW.grant_id;
    IF is_left < 0 OR is_left > granted THEN
        RAISE EXCEPTION 'credit grant % is of %: an entry of % would leave %', NEW.grant_id, granted, NEW.amount, is_left
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END $$;
"""

WRITTEN_ONCE = """
CREATE FUNCTION metering_refuse_ledger_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is only ever added to: what was written stays', TG_TABLE_NAME
        USING ERRCODE = 'integrity_constraint_violation';
END $$;
"""

NEVER_EMPTIED = """
CREATE FUNCTION metering_refuse_truncate() RETURNS trigger LANGUAGE plpgsql AS $$
-- The setting is for databases of tests, which are emptied between two of them.
BEGIN
    IF coalesce(current_setting('omixa.may_truncate', true), '') <> 'on' THEN
        RAISE EXCEPTION '% is never emptied: what was written stays', TG_TABLE_NAME
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NULL;
END $$;
"""

FUNCTIONS = {
    "metering_refuse_price_change": PRICES,
    "metering_refuse_correction_change": CORRECTIONS,
    "metering_refuse_invoice_change": INVOICES,
    "metering_refuse_line_change": LINES,
    "metering_refuse_finalized_insert": DRAFTS,
    "metering_refuse_overdrawn_credit": CREDIT,
    "metering_refuse_ledger_change": WRITTEN_ONCE,
    "metering_refuse_truncate": NEVER_EMPTIED,
}

ADDED_TO_ONLY = (
    "metering_creditgrant",
    "metering_creditentry",
    "metering_creditnote",
    "metering_creditnoteline",
    "metering_issuedpdf",
)
FROZEN = ("metering_invoice", "metering_invoiceline", *ADDED_TO_ONLY, "workspaces_auditentry")


class Migration(migrations.Migration):
    dependencies = [("metering", "0007_jobs"), ("workspaces", "0002_audit_trail")]

    operations = [
        *(migrations.RunSQL(function, drop_functions(name)) for name, function in FUNCTIONS.items()),
        row_guard(
            "prices_are_succeeded_not_changed", "UPDATE OR DELETE", "metering_priceversion", "metering_refuse_price_change"
        ),
        row_guard(
            "corrections_are_only_appended",
            "UPDATE OR DELETE",
            "metering_eventcorrection",
            "metering_refuse_correction_change",
        ),
        row_guard(
            "an_invoice_begins_as_a_draft",
            "INSERT",
            "metering_invoice",
            "metering_refuse_finalized_insert",
            when="NEW.status <> 'draft'",
        ),
        row_guard("finalized_invoice_never_changes", "UPDATE OR DELETE", "metering_invoice", "metering_refuse_invoice_change"),
        row_guard(
            "lines_of_a_finalized_invoice_never_change",
            "INSERT OR UPDATE OR DELETE",
            "metering_invoiceline",
            "metering_refuse_line_change",
        ),
        row_guard("a_grant_is_used_up_once", "INSERT", "metering_creditentry", "metering_refuse_overdrawn_credit"),
        *(row_guard("written_once", "UPDATE OR DELETE", table, "metering_refuse_ledger_change") for table in ADDED_TO_ONLY),
        *(truncate_guard("never_emptied", table, "metering_refuse_truncate") for table in FROZEN),
    ]
