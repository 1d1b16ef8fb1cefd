"""What the database does and refuses when the journal is posted to.

Postings arrive with their entry, all in one statement: then they are whole, and one look at the statement's rows is enough
however many entries it brings. Nothing else writes balances.
"""

LOCK = "7239004"  # advisory: shared by each posting until its commit, alone while a month is locked

OPEN_PERIOD = """
CREATE FUNCTION metering_refuse_locked_period() RETURNS trigger LANGUAGE plpgsql AS $$
-- The lock makes a posting wait for a month that is being locked, and then see that it came too late.
DECLARE
    locked_until timestamptz;
    earliest timestamptz;
BEGIN
    PERFORM pg_advisory_xact_lock_shared(JOURNAL_LOCK);
    SELECT max(ends_at) INTO locked_until FROM metering_lockedperiod;
    SELECT min(happened_at) INTO earliest FROM added;
    IF earliest < locked_until THEN
        RAISE EXCEPTION 'the books are locked until %: nothing of % is posted any more', locked_until, earliest
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'entries_lie_in_an_open_period';
    END IF;
    RETURN NULL;
END $$;
"""

SOMETHING = """
CREATE FUNCTION metering_refuse_empty_entry() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM metering_journalposting WHERE entry_id = NEW.id) THEN
        RAISE EXCEPTION 'the entry % moves nothing', NEW.key
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'an_entry_moves_something';
    END IF;
    RETURN NULL;
END $$;
"""

BALANCES = """
CREATE FUNCTION metering_add_to_balances() RETURNS trigger LANGUAGE plpgsql AS $$
-- Rows are made at zero and moved afterwards: a new one is checked as it is proposed, before it meets the one that is there.
DECLARE
    odd record;
BEGIN
    SELECT entry_id, currency, sum(amount) AS rest INTO odd
    FROM added GROUP BY entry_id, currency HAVING sum(amount) <> 0 ORDER BY 1, 2 LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'the entry % does not add up to nothing: % of % are left', odd.entry_id, odd.rest, odd.currency
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'entries_add_up_to_nothing';
    END IF;
    SELECT entry_id INTO odd FROM (SELECT entry_id, count(*) AS postings FROM added GROUP BY entry_id) AS entry
    WHERE postings <> (SELECT count(*) FROM metering_journalposting kept WHERE kept.entry_id = entry.entry_id) LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'the entry % was posted before: nothing is added to it', odd.entry_id
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'entries_are_posted_whole';
    END IF;

    INSERT INTO metering_journalbalance (workspace_id, account, part, currency, balance)
    SELECT DISTINCT added.workspace_id, added.account, whole_or_part.part, added.currency, 0
    FROM added CROSS JOIN LATERAL (VALUES (''), (added.part)) AS whole_or_part (part)
    WHERE NOT EXISTS (
        SELECT FROM metering_journalbalance kept WHERE kept.workspace_id = added.workspace_id
          AND kept.account = added.account AND kept.part = whole_or_part.part AND kept.currency = added.currency)
    ORDER BY 1, 2, 3, 4 ON CONFLICT DO NOTHING;
    PERFORM FROM metering_journalbalance kept JOIN (
        SELECT DISTINCT added.workspace_id, added.account, whole_or_part.part, added.currency
        FROM added CROSS JOIN LATERAL (VALUES (''), (added.part)) AS whole_or_part (part)
    ) AS touched USING (workspace_id, account, part, currency)
    ORDER BY kept.workspace_id, kept.account, kept.part, kept.currency FOR UPDATE OF kept;
    UPDATE metering_journalbalance kept SET balance = kept.balance + moved.amount
    FROM (
        SELECT added.workspace_id, added.account, whole_or_part.part, added.currency, sum(added.amount) AS amount
        FROM added CROSS JOIN LATERAL (SELECT '' UNION SELECT added.part) AS whole_or_part (part)
        GROUP BY 1, 2, 3, 4 HAVING sum(added.amount) <> 0
    ) AS moved
    WHERE kept.workspace_id = moved.workspace_id AND kept.account = moved.account AND kept.part = moved.part
      AND kept.currency = moved.currency;
    RETURN NULL;
END $$;
"""

ONLY_BY_POSTING = """
CREATE FUNCTION metering_refuse_balance_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'balances are what postings add up to: only a posting changes them'
        USING ERRCODE = 'integrity_constraint_violation';
END $$;
"""

FUNCTIONS = {
    "metering_refuse_locked_period": OPEN_PERIOD.replace("JOURNAL_LOCK", LOCK),
    "metering_refuse_empty_entry": SOMETHING,
    "metering_add_to_balances": BALANCES,
    "metering_refuse_balance_change": ONLY_BY_POSTING,
}

# What a statement adds is looked at whole.
STATEMENTS = """
CREATE TRIGGER entries_lie_in_an_open_period AFTER INSERT ON metering_journalentry REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION metering_refuse_locked_period();
CREATE CONSTRAINT TRIGGER an_entry_moves_something AFTER INSERT ON metering_journalentry DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION metering_refuse_empty_entry();
CREATE TRIGGER entries_add_up_and_move_balances AFTER INSERT ON metering_journalposting REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION metering_add_to_balances();
"""
STATEMENTS_BACK = """
DROP TRIGGER entries_lie_in_an_open_period ON metering_journalentry;
DROP TRIGGER an_entry_moves_something ON metering_journalentry;
DROP TRIGGER entries_add_up_and_move_balances ON metering_journalposting;
"""
