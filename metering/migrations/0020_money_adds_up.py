"""The database itself refuses invoices that do not add up, credit used twice, and emptying what is never deleted."""

from django.db import migrations, models
from django.db.models import F, Q

BEGINS_AS_A_DRAFT = """
CREATE FUNCTION metering_refuse_finalized_insert() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'an invoice begins as a draft: % was to be written as %', coalesce(NEW.number, NEW.public_id), NEW.status
        USING ERRCODE = 'integrity_constraint_violation';
END $$;

CREATE TRIGGER an_invoice_begins_as_a_draft BEFORE INSERT ON metering_invoice
    FOR EACH ROW WHEN (NEW.status <> 'draft') EXECUTE FUNCTION metering_refuse_finalized_insert();
"""
NO_BEGINS_AS_A_DRAFT = """
DROP TRIGGER an_invoice_begins_as_a_draft ON metering_invoice;
DROP FUNCTION metering_refuse_finalized_insert();
"""

CREDIT_GUARD = """
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

CREATE TRIGGER a_grant_is_used_up_once BEFORE INSERT ON metering_creditentry
    FOR EACH ROW EXECUTE FUNCTION metering_refuse_overdrawn_credit();
"""
NO_CREDIT_GUARD = """
DROP TRIGGER a_grant_is_used_up_once ON metering_creditentry;
DROP FUNCTION metering_refuse_overdrawn_credit();
"""

NOT_EMPTIED = """
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
NO_NOT_EMPTIED = "DROP FUNCTION metering_refuse_truncate();"
TABLES = (
    "metering_invoice",
    "metering_invoiceline",
    "metering_creditnote",
    "metering_creditnoteline",
    "metering_creditgrant",
    "metering_creditentry",
    "metering_issuedpdf",
    "workspaces_auditentry",
)
TRIGGERS = "".join(
    f"CREATE TRIGGER never_emptied BEFORE TRUNCATE ON {table} FOR EACH STATEMENT EXECUTE FUNCTION metering_refuse_truncate();"
    for table in TABLES
)
NO_TRIGGERS = "".join(f"DROP TRIGGER never_emptied ON {table};" for table in TABLES)


class Migration(migrations.Migration):
    dependencies = [("metering", "0019_issued_pdfs")]

    # Every invoice of before satisfies these: until 0014 nothing but a whole payment lowered what was due, 0016 entered that
    # payment, and nothing made an invoice void.
    operations = [
        migrations.AddConstraint(
            model_name="invoice",
            constraint=models.CheckConstraint(
                condition=Q(total=F("subtotal") - F("promotional") + F("tax")),
                name="total_is_subtotal_less_promotional_plus_tax",
            ),
        ),
        migrations.AddConstraint(
            model_name="invoice",
            constraint=models.CheckConstraint(
                condition=Q(amount_due=F("total") - F("credits_applied") - F("amount_paid") - F("credited")),
                name="due_is_total_less_credits_paid_and_credited",
            ),
        ),
        migrations.AddConstraint(
            model_name="invoice",
            constraint=models.CheckConstraint(
                condition=~Q(status="paid") | Q(amount_due=0),
                name="nothing_is_due_on_a_paid_invoice",
            ),
        ),
        migrations.AddConstraint(
            model_name="invoice",
            constraint=models.CheckConstraint(
                condition=~Q(status__in=["draft", "void"]) | Q(amount_paid=0, credited=0),
                name="a_draft_or_void_invoice_is_neither_paid_nor_credited",
            ),
        ),
        migrations.RunSQL(BEGINS_AS_A_DRAFT, NO_BEGINS_AS_A_DRAFT),
        migrations.RunSQL(CREDIT_GUARD, NO_CREDIT_GUARD),
        migrations.RunSQL(NOT_EMPTIED + TRIGGERS, NO_TRIGGERS + NO_NOT_EMPTIED),
    ]
