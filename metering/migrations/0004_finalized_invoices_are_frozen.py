"""The database itself refuses to change a finalized invoice or its lines."""

from django.db import migrations

INVOICE_GUARD = """
CREATE FUNCTION metering_refuse_invoice_change() RETURNS trigger LANGUAGE plpgsql AS $$
-- Whatever is not named here is frozen, so that a column added later is frozen too.
DECLARE
    may_move CONSTANT text[] := ARRAY['status', 'paid_at', 'payment_reference', 'credits_applied', 'amount_due'];
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

CREATE TRIGGER finalized_invoice_never_changes BEFORE UPDATE OR DELETE ON metering_invoice
    FOR EACH ROW EXECUTE FUNCTION metering_refuse_invoice_change();
"""

NO_INVOICE_GUARD = """
DROP TRIGGER finalized_invoice_never_changes ON metering_invoice;
DROP FUNCTION metering_refuse_invoice_change();
"""

LINE_GUARD = """
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

CREATE TRIGGER lines_of_a_finalized_invoice_never_change BEFORE INSERT OR UPDATE OR DELETE ON metering_invoiceline
    FOR EACH ROW EXECUTE FUNCTION metering_refuse_line_change();
"""

NO_LINE_GUARD = """
DROP TRIGGER lines_of_a_finalized_invoice_never_change ON metering_invoiceline;
DROP FUNCTION metering_refuse_line_change();
"""


class Migration(migrations.Migration):
    dependencies = [("metering", "0003_invoice_lines_keep_their_model")]

    operations = [
        migrations.RunSQL(INVOICE_GUARD, NO_INVOICE_GUARD),
        migrations.RunSQL(LINE_GUARD, NO_LINE_GUARD),
    ]
