"""The database itself refuses changes to finalized invoices, credit notes and the credit ledger."""

from importlib import import_module

from django.db import migrations

before = import_module("metering.migrations.0004_finalized_invoices_are_frozen")

MAY_MOVE_BEFORE = "ARRAY['status', 'paid_at', 'payment_reference', 'credits_applied', 'amount_due']"
MAY_MOVE = (
    "ARRAY['status', 'status_reason', 'paid_at', 'voided_at', 'payment_reference', 'amount_paid', 'credited', 'amount_due']"
)
GUARD_BEFORE = before.INVOICE_GUARD.partition("CREATE TRIGGER")[0].replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION")
GUARD = GUARD_BEFORE.replace(MAY_MOVE_BEFORE, MAY_MOVE)

APPEND_ONLY = """
CREATE FUNCTION metering_refuse_ledger_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is only ever added to: what was written stays', TG_TABLE_NAME
        USING ERRCODE = 'integrity_constraint_violation';
END $$;
"""
NO_APPEND_ONLY = "DROP FUNCTION metering_refuse_ledger_change();"
TABLES = ("metering_creditgrant", "metering_creditentry", "metering_creditnote", "metering_creditnoteline")
TRIGGERS = "".join(
    f"CREATE TRIGGER written_once BEFORE UPDATE OR DELETE ON {table}"
    " FOR EACH ROW EXECUTE FUNCTION metering_refuse_ledger_change();"
    for table in TABLES
)
NO_TRIGGERS = "".join(f"DROP TRIGGER written_once ON {table};" for table in TABLES)


class Migration(migrations.Migration):
    dependencies = [("metering", "0014_money")]

    operations = [
        migrations.RunSQL(GUARD, GUARD_BEFORE),
        migrations.RunSQL(APPEND_ONLY + TRIGGERS, NO_TRIGGERS + NO_APPEND_ONLY),
    ]
