"""What documents of before the journal posted, had there been one: dated by the documents, and posted once.

Who acted is not in the documents, so it is the migration. Of an invoice that was uncollectible and is no longer only the end is
posted. Each document's entries have the keys that acts of today give them.
"""

from django.db import migrations

TABLE = """
CREATE TEMPORARY TABLE journal_of_before (
    place serial, kind text, document text, key text, workspace_id int, happened_at timestamptz,
    account text, part text, currency text, amount numeric
);
"""

INVOICES = """
CREATE TEMPORARY TABLE invoice_of_before AS
SELECT invoice.*, invoice.subtotal + invoice.tax AS owed FROM metering_invoice invoice WHERE status <> 'draft';

CREATE TEMPORARY TABLE sale_of_before AS
SELECT id, 'receivable' AS account, public_id AS part, owed AS amount, 0 AS rank FROM invoice_of_before
UNION ALL
SELECT invoice_id, CASE kind WHEN 'usage' THEN 'revenue_usage' WHEN 'adjustment' THEN 'revenue_adjustment'
    WHEN 'minimum' THEN 'revenue_minimum' ELSE 'discount' END, '', -sum(line.amount), 1
FROM metering_invoiceline line JOIN invoice_of_before invoice ON invoice.id = invoice_id GROUP BY 1, 2
UNION ALL
SELECT id, 'tax', (one ->> 'percent') || ' % ' || (one ->> 'name'), -(one ->> 'amount')::numeric, 2
FROM invoice_of_before, jsonb_array_elements(taxes) AS each (one);

INSERT INTO journal_of_before (kind, document, key, workspace_id, happened_at, account, part, currency, amount)
SELECT 'invoice_finalized', public_id, 'invoice_finalized:' || public_id, workspace_id, finalized_at, account, part, currency, amount
FROM sale_of_before JOIN invoice_of_before USING (id) ORDER BY id, rank;

INSERT INTO journal_of_before (kind, document, key, workspace_id, happened_at, account, part, currency, amount)
SELECT 'invoice_voided', public_id, 'invoice_voided:' || public_id, workspace_id, voided_at, account, part, currency, -amount
FROM sale_of_before JOIN invoice_of_before USING (id) WHERE status = 'void' ORDER BY id, rank;

INSERT INTO journal_of_before (kind, document, key, workspace_id, happened_at, account, part, currency, amount)
SELECT 'write_off', public_id, 'write_off:' || public_id || ':before', workspace_id, coalesce(
    (SELECT max(at) FROM workspaces_auditentry WHERE action = 'invoice.uncollectible' AND target = public_id), finalized_at),
    account, part, currency, amount
FROM invoice_of_before, LATERAL (VALUES ('bad_debt', '', amount_due), ('receivable', public_id, -amount_due)) AS side (account, part, amount)
WHERE status = 'uncollectible' ORDER BY id;
"""

CREDIT_NOTES = """
CREATE TEMPORARY TABLE note_of_before AS
SELECT note.*, invoice.workspace_id, invoice.public_id AS invoice_public_id,
    coalesce((SELECT sum(amount) FROM metering_creditgrant given
              WHERE given.workspace_id = invoice.workspace_id AND given.source = 'credit_note:' || note.public_id), 0) AS as_credit,
    coalesce((SELECT sum(amount) FROM metering_refund refund
              WHERE refund.credit_note_id = note.id AND refund.status <> 'failed'), 0) AS as_refunds,
    coalesce((SELECT sum(refund.amount) FROM metering_refund refund JOIN metering_payment payment ON payment.id = payment_id
              WHERE payment.invoice_id = invoice.id AND refund.credit_note_id IS NULL AND refund.status <> 'failed'
                AND refund.started_at <= note.issued_at), 0) AS refunded_ahead
FROM metering_creditnote note JOIN metering_invoice invoice ON invoice.id = invoice_id;

INSERT INTO journal_of_before (kind, document, key, workspace_id, happened_at, account, part, currency, amount)
SELECT 'credit_note', public_id, 'credit_note:' || public_id, workspace_id, issued_at, account, part, currency, side.amount
FROM note_of_before JOIN (
    SELECT credit_note_id, CASE line.kind WHEN 'usage' THEN 'revenue_usage' WHEN 'adjustment' THEN 'revenue_adjustment'
        WHEN 'minimum' THEN 'revenue_minimum' ELSE 'discount' END AS account, '' AS part, sum(credited.amount) AS amount, 0 AS rank
    FROM metering_creditnoteline credited JOIN metering_invoiceline line ON line.id = invoice_line_id GROUP BY 1, 2
    UNION ALL
    SELECT id, 'tax', (one ->> 'percent') || ' % ' || (one ->> 'name'), (one ->> 'amount')::numeric, 1
    FROM note_of_before, jsonb_array_elements(taxes) AS each (one)
    UNION ALL
    SELECT id, 'receivable', invoice_public_id, -off_due, 2 FROM note_of_before
    UNION ALL
    SELECT id, 'owed_to_customer', public_id, -given_back, 3 FROM note_of_before
) AS side ON side.credit_note_id = note_of_before.id ORDER BY id, rank;

INSERT INTO journal_of_before (kind, document, key, workspace_id, happened_at, account, part, currency, amount)
SELECT 'credit_note_settled', public_id, 'credit_note_settled:' || public_id, workspace_id, issued_at, account, part, currency, amount
FROM (
    SELECT *, greatest(0, least(rest, refunded_ahead - earlier)) AS ahead FROM (
        SELECT *, coalesce(sum(rest) OVER (PARTITION BY invoice_id ORDER BY id ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0)
            AS earlier
        FROM (SELECT *, given_back - as_credit - as_refunds AS rest FROM note_of_before WHERE settlement = 'outside') AS outside
    ) AS in_order
) AS note, LATERAL (VALUES
    ('owed_to_customer', public_id, rest), ('refunded_ahead', invoice_public_id, -ahead), ('money_other', public_id, ahead - rest)
) AS side (account, part, amount) ORDER BY id;
"""

CREDITS = """
INSERT INTO journal_of_before (kind, document, key, workspace_id, happened_at, account, part, currency, amount)
SELECT kind, document, kind || ':' || document, workspace_id, at, account, part, currency, amount FROM (
    SELECT entry.id, entry.public_id AS document, entry.workspace_id, entry.at, given.currency, entry.amount AS moved,
        CASE entry.kind WHEN 'grant' THEN 'credit_granted' WHEN 'consumption' THEN 'credit_used' WHEN 'expiry' THEN 'credit_expired'
            ELSE CASE WHEN entry.amount > 0 THEN 'credit_returned' ELSE 'credit_reversed' END END AS kind,
        CASE given.kind WHEN 'purchased' THEN 'credit_bought' ELSE 'credit_' || given.kind END AS held, given.public_id AS given,
        CASE
            WHEN invoice.id IS NOT NULL THEN ARRAY['receivable', invoice.public_id]
            WHEN given.kind = 'promotional' THEN ARRAY['promotions_given', '']
            WHEN given.kind = 'goodwill' THEN ARRAY['goodwill_given', '']
            WHEN entry.kind = 'expiry' THEN ARRAY['breakage', '']
            WHEN entry.kind = 'grant' AND payment.id IS NOT NULL THEN ARRAY['surplus', payment.public_id]
            WHEN entry.kind = 'grant' AND given.source LIKE 'credit\\_note:%'
                THEN ARRAY['owed_to_customer', split_part(given.source, ':', 2)]
            WHEN entry.kind = 'reversal' AND payment.id IS NOT NULL AND (entry.amount > 0 OR EXISTS (
                SELECT FROM metering_refund refund WHERE refund.payment_id = payment.id AND refund.started_at = entry.at))
                THEN ARRAY['owed_to_customer', payment.public_id]
            WHEN entry.kind = 'reversal' AND (given.source LIKE 'topup:%' OR given.source LIKE 'credit\\_note:%')
                THEN ARRAY['owed_to_customer', given.public_id]
            ELSE ARRAY['money_other', given.public_id]
        END AS other
    FROM metering_creditentry entry JOIN metering_creditgrant given ON given.id = grant_id
    LEFT JOIN metering_invoice invoice ON invoice.id = entry.invoice_id
    LEFT JOIN metering_payment payment ON payment.grant_id = given.id
) AS movement, LATERAL (VALUES (0, other[1], other[2], moved), (1, held, given, -moved)) AS side (rank, account, part, amount)
ORDER BY id, rank;
"""

PAYMENTS = """
CREATE TEMPORARY TABLE payment_of_before AS
SELECT payment.*, CASE method WHEN 'stripe' THEN 'money_stripe' ELSE 'money_bank' END AS money, invoice.public_id AS invoice_public_id
FROM metering_payment payment LEFT JOIN metering_invoice invoice ON invoice.id = invoice_id;

INSERT INTO journal_of_before (kind, document, key, workspace_id, happened_at, account, part, currency, amount)
SELECT 'payment_received', public_id, 'payment_received:' || public_id, workspace_id, received_at, account, part, currency, side.amount
FROM payment_of_before payment, LATERAL (VALUES
    (money, public_id, payment.amount),
    (CASE WHEN invoice_id IS NULL THEN 'surplus' ELSE 'receivable' END, coalesce(invoice_public_id, public_id), -payment.amount)
) AS side (account, part, amount) ORDER BY id;

CREATE TEMPORARY TABLE refund_of_before AS
SELECT refund.*, payment.workspace_id, payment.money, payment.public_id AS payment_public_id, CASE
        WHEN credit_note_id IS NOT NULL THEN 'owed_to_customer'
        WHEN payment.grant_id IS NOT NULL THEN 'owed_to_customer'
        WHEN payment.invoice_id IS NULL THEN 'surplus'
        ELSE 'refunded_ahead'
    END AS source, CASE
        WHEN credit_note_id IS NOT NULL THEN note.public_id
        WHEN payment.invoice_id IS NULL THEN payment.public_id
        ELSE payment.invoice_public_id
    END AS source_part,
    CASE WHEN credit_note_id IS NULL AND payment.grant_id IS NOT NULL THEN refund.amount - credit_taken ELSE 0 END AS ahead
FROM metering_refund refund JOIN payment_of_before payment ON payment.id = payment_id
LEFT JOIN metering_creditnote note ON note.id = credit_note_id;

CREATE TEMPORARY TABLE refund_side_of_before AS
SELECT id, side.* FROM refund_of_before, LATERAL (VALUES
    (0, source, source_part, amount - ahead), (1, 'refunded_ahead', payment_public_id, ahead),
    (2, 'refunds_in_progress', payment_public_id, -amount)
) AS side (rank, account, part, moved);

INSERT INTO journal_of_before (kind, document, key, workspace_id, happened_at, account, part, currency, amount)
SELECT 'refund_begun', public_id, 'refund_begun:' || public_id, workspace_id, started_at, account, part, currency, moved
FROM refund_of_before JOIN refund_side_of_before USING (id) ORDER BY id, rank;

INSERT INTO journal_of_before (kind, document, key, workspace_id, happened_at, account, part, currency, amount)
SELECT 'refund_failed', public_id, 'refund_failed:' || public_id, workspace_id, settled_at, account, part, currency, -moved
FROM refund_of_before JOIN refund_side_of_before USING (id) WHERE status = 'failed' ORDER BY id, rank;

INSERT INTO journal_of_before (kind, document, key, workspace_id, happened_at, account, part, currency, amount)
SELECT 'refund_made', public_id, 'refund_made:' || public_id, workspace_id, settled_at, account, part, currency, side.amount
FROM refund_of_before refund, LATERAL (VALUES
    ('refunds_in_progress', payment_public_id, refund.amount), (CASE WHEN reference <> '' THEN 'money_bank' ELSE money END, payment_public_id, -refund.amount)
) AS side (account, part, amount) WHERE status = 'succeeded' ORDER BY id;

INSERT INTO journal_of_before (kind, document, key, workspace_id, happened_at, account, part, currency, amount)
SELECT kind, dispute.stripe_id, kind || ':' || dispute.stripe_id, payment.workspace_id, happened_at, account, part, dispute.currency,
       side.amount
FROM metering_dispute dispute JOIN payment_of_before payment ON payment.id = payment_id, LATERAL (VALUES
    ('dispute_opened', opened_at, 'in_dispute', dispute.stripe_id, dispute.amount),
    ('dispute_opened', opened_at, money, payment.public_id, -dispute.amount),
    ('dispute_won', updated_at, money, payment.public_id, dispute.amount),
    ('dispute_won', updated_at, 'in_dispute', dispute.stripe_id, -dispute.amount),
    ('dispute_lost', updated_at, 'chargebacks', '', dispute.amount),
    ('dispute_lost', updated_at, 'in_dispute', dispute.stripe_id, -dispute.amount)
) AS side (kind, happened_at, account, part, amount)
WHERE dispute.status NOT LIKE 'warning%' AND dispute.status <> 'prevented'
  AND side.kind IN ('dispute_opened', 'dispute_' || dispute.status) ORDER BY dispute.id;
"""

# In the order of what happened, whole entries only, in the smallest unit of each currency (ISO 4217).
POST = """
INSERT INTO metering_journalentry (public_id, workspace_id, kind, key, document, happened_at, booked_at, actor)
SELECT 'jrn_' || left(encode(sha256(key::bytea), 'hex'), 20), workspace_id, kind, key, document, happened_at, now(), 'migration'
FROM (
    SELECT DISTINCT ON (key) * FROM journal_of_before
    WHERE amount <> 0 AND NOT EXISTS (SELECT FROM metering_journalentry kept WHERE kept.key = journal_of_before.key)
    ORDER BY key, place
) AS entry ORDER BY happened_at, place;

INSERT INTO metering_journalposting (entry_id, workspace_id, account, part, currency, amount)
SELECT entry.id, side.workspace_id, side.account, side.part, side.currency, side.amount * CASE
    WHEN side.currency IN ('BIF', 'CLP', 'DJF', 'GNF', 'ISK', 'JPY', 'KMF', 'KRW', 'PYG', 'RWF', 'UGX', 'UYI', 'VND', 'VUV', 'XAF',
        'XOF', 'XPF') THEN 1
    WHEN side.currency IN ('BHD', 'IQD', 'JOD', 'KWD', 'LYD', 'OMR', 'TND') THEN 1000 ELSE 100 END
FROM journal_of_before side JOIN metering_journalentry entry USING (key)
WHERE side.amount <> 0 AND NOT EXISTS (SELECT FROM metering_journalposting kept WHERE kept.entry_id = entry.id)
ORDER BY entry.id, place;

DROP TABLE journal_of_before, invoice_of_before, sale_of_before, note_of_before, payment_of_before, refund_of_before,
    refund_side_of_before;
"""
BACKFILL = TABLE + INVOICES + CREDIT_NOTES + CREDITS + PAYMENTS + POST


class Migration(migrations.Migration):
    dependencies = [("metering", "0016_journal")]
    operations = [migrations.RunSQL(BACKFILL, migrations.RunSQL.noop)]
