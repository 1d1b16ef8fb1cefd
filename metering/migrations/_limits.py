"""The functions that decide about a request in one call, and that move what is spent and held.

A workspace's row in metering_limitaccount is the lock: its windows, its balance and its holds change only under it. A workspace
that has no such row has no limits, and its requests wait for nothing; so that one can be made without missing anything in progress,
each decision and each settlement holds the advisory lock shared, and what makes the row holds it alone.
"""

from metering.migrations._authorize import AUTHORIZE

LOCK = "7239003"

WINDOWS = """
-- In the budget's own zone, so that a day is as long as people there say: 23 to 25 hours.
CREATE FUNCTION metering_window_start(period text, zone text, at timestamptz) RETURNS timestamptz LANGUAGE sql STABLE AS $$
    SELECT CASE period WHEN 'total' THEN '1970-01-01T00:00:00Z'::timestamptz ELSE date_trunc(period, at, zone) END
$$;

-- Null for all time. An hour is an hour; days and longer are counted on the calendar.
CREATE FUNCTION metering_window_end(period text, zone text, start timestamptz) RETURNS timestamptz LANGUAGE sql STABLE AS $$
    SELECT CASE period
        WHEN 'total' THEN NULL
        WHEN 'hour' THEN start + interval '1 hour'
        ELSE ((start AT TIME ZONE zone) + ('1 ' || period)::interval) AT TIME ZONE zone
    END
$$;

CREATE FUNCTION metering_budget_covers(scope text, scope_id text, key text, model text, usr text) RETURNS boolean
LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE scope
        WHEN 'workspace' THEN true
        WHEN 'key' THEN scope_id = key OR scope_id = '*'
        WHEN 'model' THEN scope_id = left(model, 512) OR scope_id = '*'
        ELSE usr <> '' AND (scope_id = left(usr, 512) OR scope_id = '*')
    END
$$;

CREATE FUNCTION metering_budget_value(scope text, key text, model text, usr text) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE scope WHEN 'workspace' THEN '' WHEN 'key' THEN key WHEN 'model' THEN left(model, 512) ELSE left(usr, 512) END
$$;
"""

MOVE = """
-- Adds to what is spent and held, of budgets and of balances, and notes the thresholds that were crossed. Arrays of equal length;
-- the last is what the balance held. Returns the workspaces whose balance is used up by it. The caller holds their accounts.
CREATE FUNCTION metering_move_limits(
    p_workspace int[], p_key text[], p_model text[], p_user text[], p_at timestamptz[],
    p_spent numeric[], p_held numeric[], p_balance_held numeric[], p_now timestamptz
) RETURNS int[] LANGUAGE plpgsql AS $$
DECLARE
    used_up int[];
BEGIN
    WITH moved AS (
        SELECT budget.id AS budget_id, metering_budget_value(budget.scope, key, model, usr) AS scope_value,
               metering_window_start(budget."window", budget.time_zone, at) AS start, sum(spent) AS spent, sum(held) AS held
        FROM unnest(p_workspace, p_key, p_model, p_user, p_at, p_spent, p_held) AS part (workspace_id, key, model, usr, at, spent, held)
        JOIN metering_budget budget ON budget.workspace_id = part.workspace_id
            AND metering_budget_covers(budget.scope, budget.scope_id, key, model, usr)
        GROUP BY 1, 2, 3
    ), standing AS (
        INSERT INTO metering_budgetwindow AS standing
            (budget_id, scope_value, start, spent, held, would_have_refused, would_have_refused_usd)
        SELECT budget_id, scope_value, start, spent, held, 0, 0 FROM moved ORDER BY 1, 2, 3
        ON CONFLICT (budget_id, scope_value, start) DO UPDATE
            SET spent = standing.spent + EXCLUDED.spent, held = standing.held + EXCLUDED.held
        RETURNING budget_id, scope_value, start, spent
    )
    INSERT INTO metering_thresholdcrossing (budget_id, scope_value, start, threshold, spent, "limit", crossed_at)
    SELECT budget.id, scope_value, start, threshold, standing.spent, budget."limit", p_now
    FROM standing JOIN moved USING (budget_id, scope_value, start) JOIN metering_budget budget ON budget.id = budget_id,
         unnest(budget.thresholds) AS threshold
    WHERE moved.spent > 0 AND standing.spent * 100 >= budget."limit" * threshold
      AND (standing.spent - moved.spent) * 100 < budget."limit" * threshold
    ON CONFLICT DO NOTHING;

    WITH part AS (
        SELECT workspace_id, sum(spent) AS spent, sum(held) AS held
        FROM unnest(p_workspace, p_spent, p_balance_held) AS part (workspace_id, spent, held) GROUP BY 1
    ), account AS (
        UPDATE metering_limitaccount account
        SET balance = account.balance - part.spent * account.factor, held = account.held + part.held
        FROM part WHERE part.workspace_id = account.workspace_id AND account.balance IS NOT NULL
        RETURNING account.workspace_id, account.balance, part.spent * account.factor AS taken
    )
    SELECT array_agg(workspace_id) INTO used_up FROM account WHERE balance <= 0 AND balance + taken > 0;
    RETURN coalesce(used_up, '{}');
END $$;

-- Ends holds that have run out, at most so many, and frees what they held. The caller holds the account, where there is one.
CREATE FUNCTION metering_expire_holds(p_workspace int, p_now timestamptz, p_most int) RETURNS int LANGUAGE plpgsql AS $$
DECLARE
    ended int;
BEGIN
    WITH due AS (
        SELECT id FROM metering_hold WHERE workspace_id = p_workspace AND status = 0 AND expires_at <= p_now
        ORDER BY id LIMIT p_most FOR UPDATE SKIP LOCKED
    ), expired AS (
        UPDATE metering_hold hold SET status = 3, ended_at = hold.expires_at FROM due WHERE hold.id = due.id
        RETURNING hold.workspace_id, hold.key_id, hold.model, hold."user", hold.created_at, hold.amount, hold.balance_held
    ), freed AS (
        SELECT count(*) AS count, metering_move_limits(
            array_agg(expired.workspace_id), array_agg(key.public_id::text), array_agg(expired.model), array_agg(expired."user"),
            array_agg(expired.created_at), array_agg(0::numeric), array_agg(-amount), array_agg(-balance_held), p_now)
        FROM expired JOIN workspaces_apikey key ON key.id = expired.key_id HAVING count(*) > 0
    )
    SELECT count INTO ended FROM freed;
    RETURN coalesce(ended, 0);
END $$;

-- Which of these workspaces settling concerns. Until the commit none of them is given its first limit.
CREATE FUNCTION metering_limited(p_workspace int[]) RETURNS int[] LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock_shared(LIMITS_LOCK);
    RETURN array(
        SELECT workspace_id FROM metering_limitaccount WHERE workspace_id = ANY(p_workspace)
        UNION
        SELECT candidate FROM unnest(p_workspace) AS candidate
        WHERE EXISTS (SELECT FROM metering_hold WHERE workspace_id = candidate AND status = 0)
        UNION
        SELECT candidate FROM unnest(p_workspace) AS candidate
        WHERE EXISTS (SELECT FROM metering_hold WHERE workspace_id = candidate AND status = 3));
END $$;

-- The worker's last statement: spends what events cost, settles the holds of those that are billed, and locks the accounts
-- until the commit. The first arrays are sums of costs, the second ones one element for each billed request.
CREATE FUNCTION metering_settle(
    p_workspace int[], p_key text[], p_model text[], p_user text[], p_at timestamptz[], p_spent numeric[],
    p_hold_workspace int[], p_hash bytea[], p_cost numeric[], p_now timestamptz
) RETURNS int[] LANGUAGE plpgsql AS $$
DECLARE
    used_up int[];
BEGIN
    PERFORM FROM metering_limitaccount WHERE workspace_id = ANY(p_workspace || p_hold_workspace) ORDER BY workspace_id FOR UPDATE;
    WITH sent AS (
        SELECT workspace_id, hash, sum(cost) AS cost FROM unnest(p_hold_workspace, p_hash, p_cost) AS sent (workspace_id, hash, cost)
        GROUP BY 1, 2
    ), held AS (
        SELECT hold.id, hold.status, sent.cost FROM sent JOIN metering_hold hold
            ON hold.workspace_id = sent.workspace_id AND hold.request_hash = sent.hash AND hold.status IN (0, 3)
        ORDER BY hold.id FOR UPDATE OF hold
    ), settled AS (
        UPDATE metering_hold hold SET status = 1, ended_at = p_now, settled_cost = held.cost FROM held WHERE hold.id = held.id
        RETURNING hold.workspace_id, hold.key_id, hold.model, hold."user", hold.created_at, hold.amount, hold.balance_held,
            held.status AS status_before
    ), part AS (
        SELECT workspace_id, key, model, usr, at, spent, 0::numeric AS held, 0::numeric AS balance_held
        FROM unnest(p_workspace, p_key, p_model, p_user, p_at, p_spent) AS part (workspace_id, key, model, usr, at, spent)
        UNION ALL
        SELECT settled.workspace_id, key.public_id, settled.model, settled."user", settled.created_at, 0, -amount, -balance_held
        FROM settled JOIN workspaces_apikey key ON key.id = settled.key_id WHERE status_before = 0
    )
    SELECT metering_move_limits(
        array_agg(workspace_id), array_agg(key), array_agg(model), array_agg(usr), array_agg(at),
        array_agg(spent), array_agg(held), array_agg(balance_held), p_now)
    INTO used_up FROM part HAVING count(*) > 0;
    RETURN coalesce(used_up, '{}');
END $$;
"""

ROOM = """
-- What the hard limits of a request leave: the output they pay for, at most what was asked, or -1 where they do not even pay for
-- the rest; the limit that lowered it; the one with the least left, what it has left, and what a dollar costs there; and the
-- budgets in shadow that would have refused it.
CREATE TYPE metering_room_found AS (
    output int, binding jsonb, tightest jsonb, left_over numeric, factor numeric, shadows bigint[]
);

-- `p_already` is what the request holds at present.
CREATE FUNCTION metering_room(
    p_workspace int, p_key text, p_model text, p_user text, p_at timestamptz, p_fixed numeric, p_per_token numeric, p_output int,
    p_already numeric
) RETURNS metering_room_found LANGUAGE sql STABLE AS $$
    WITH limits AS (
        SELECT budget.id, budget.mode, 1::numeric AS factor,
            budget."limit" - coalesce(standing.spent, 0) - coalesce(standing.held, 0) + p_already AS room,
            jsonb_build_object('scope', budget.scope, 'id', budget.public_id, 'limit', budget."limit"::text,
                'resets_at', metering_window_end(budget."window", budget.time_zone, covered.start)) AS named
        FROM metering_budget budget
        CROSS JOIN LATERAL (SELECT
            metering_budget_value(budget.scope, p_key, p_model, p_user) AS value,
            metering_window_start(budget."window", budget.time_zone, p_at) AS start) AS covered
        LEFT JOIN metering_budgetwindow standing ON standing.budget_id = budget.id
            AND standing.scope_value = covered.value AND standing.start = covered.start
        WHERE budget.workspace_id = p_workspace
          AND metering_budget_covers(budget.scope, budget.scope_id, p_key, p_model, p_user)
        UNION ALL
        SELECT NULL, 'hard', factor, balance - held + p_already * factor,
            jsonb_build_object('scope', 'balance', 'id', NULL, 'limit', balance::text, 'resets_at', NULL)
        FROM metering_limitaccount WHERE workspace_id = p_workspace AND balance IS NOT NULL
    ), fitted AS (
        SELECT *, (p_fixed + p_per_token * p_output) * factor > room AS is_short,
            CASE
                WHEN (p_fixed + p_per_token * p_output) * factor <= room THEN p_output
                WHEN p_per_token * factor = 0 OR room < p_fixed * factor THEN -1
                ELSE div(room - p_fixed * factor, p_per_token * factor)::int
            END AS output
        FROM limits
    )
    SELECT ROW(
        coalesce(min(output) FILTER (WHERE mode = 'hard'), p_output),
        (array_agg(named ORDER BY output, room) FILTER (WHERE mode = 'hard' AND is_short))[1],
        (array_agg(named ORDER BY room * other.factor, id) FILTER (WHERE mode = 'hard'))[1],
        (array_agg(room ORDER BY room * other.factor, id) FILTER (WHERE mode = 'hard'))[1],
        (array_agg(fitted.factor ORDER BY room * other.factor, id) FILTER (WHERE mode = 'hard'))[1],
        array_agg(id) FILTER (WHERE mode = 'shadow' AND is_short)
    )::metering_room_found
    FROM fitted CROSS JOIN LATERAL (SELECT CASE WHEN fitted.factor = 0 THEN 1 ELSE 1 / fitted.factor END AS factor) AS other
$$;
"""

DROP = """
DROP FUNCTION metering_limited, metering_authorize, metering_extend, metering_release, metering_standing_answer, metering_note_refusal,
    metering_note_shadow, metering_room, metering_settle, metering_expire_holds, metering_move_limits, metering_budget_value,
    metering_budget_covers, metering_window_end, metering_window_start;
DROP TYPE metering_room_found;
"""

FUNCTIONS = [sql.replace("LIMITS_LOCK", LOCK) for sql in (WINDOWS, MOVE, ROOM, AUTHORIZE)]
