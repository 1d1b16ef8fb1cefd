"""Decisions and settlements do less for each hold.

What limits leave is found in a loop over the few that there are: a query that sorts them takes longer to begin than the loop to end.
A decision looks whether a hold has run out before it ends any, and adds its own to the windows without asking whether that
crosses a threshold, which only spending does. A settlement sums up what its holds free before it looks for their windows. No
question is about how the public id of a hold begins, so the index for that goes.
"""

from importlib import import_module

from django.db import migrations

from metering.migrations import _limits

EXPIRE = """
-- Ends holds that have run out, at most so many, and frees what they held. The caller holds the account, where there is one.
CREATE OR REPLACE FUNCTION metering_expire_holds(p_workspace int, p_now timestamptz, p_most int) RETURNS int LANGUAGE plpgsql AS $$
DECLARE
    ended int;
BEGIN
    IF NOT EXISTS (SELECT FROM metering_hold WHERE workspace_id = p_workspace AND status = 0 AND expires_at <= p_now) THEN
        RETURN 0;
    END IF;
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
"""

SETTLE = """
-- The worker's last statement: spends what events cost, settles the holds of those that are billed, and locks the accounts
-- until the commit. The first arrays are sums of costs, the second ones one element for each billed request. What holds free is
-- summed up by quarters of an hour: no window of any zone begins within one.
CREATE OR REPLACE FUNCTION metering_settle(
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
    ), freed AS (
        SELECT workspace_id, key_id, model, "user", date_bin('15 minutes', created_at, '2000-01-01T00:00:00Z') AS at,
            sum(amount) AS held, sum(balance_held) AS balance_held
        FROM settled WHERE status_before = 0 GROUP BY 1, 2, 3, 4, 5
    ), part AS (
        SELECT workspace_id, key, model, usr, at, spent, 0::numeric AS held, 0::numeric AS balance_held
        FROM unnest(p_workspace, p_key, p_model, p_user, p_at, p_spent) AS part (workspace_id, key, model, usr, at, spent)
        UNION ALL
        SELECT freed.workspace_id, key.public_id, freed.model, freed."user", at, 0, -held, -balance_held
        FROM freed JOIN workspaces_apikey key ON key.id = freed.key_id
    )
    SELECT metering_move_limits(
        array_agg(workspace_id), array_agg(key), array_agg(model), array_agg(usr), array_agg(at),
        array_agg(spent), array_agg(held), array_agg(balance_held), p_now)
    INTO used_up FROM part HAVING count(*) > 0;
    RETURN coalesce(used_up, '{}');
END $$;
"""

ROOM = """
-- `p_already` is what the request holds at present. Of two limits with the same left, the older one is the tightest.
CREATE OR REPLACE FUNCTION metering_room(
    p_workspace int, p_key text, p_model text, p_user text, p_at timestamptz, p_fixed numeric, p_per_token numeric, p_output int,
    p_already numeric
) RETURNS metering_room_found LANGUAGE plpgsql STABLE AS $$
DECLARE
    room metering_room_found;
    each record;
    tightest record;
    fits int;
    lowest numeric;  -- room of the limit that lowers the output
    least numeric;  -- what is left of the tightest, in USD of usage
BEGIN
    room.output := p_output;
    FOR each IN
        SELECT budget.id, budget.mode, 1::numeric AS factor, budget.scope, budget.public_id, budget."limit", budget."window",
            budget.time_zone, covered.start,
            budget."limit" - coalesce(standing.spent, 0) - coalesce(standing.held, 0) + p_already AS room
        FROM metering_budget budget
        CROSS JOIN LATERAL (SELECT
            metering_budget_value(budget.scope, p_key, p_model, p_user) AS value,
            metering_window_start(budget."window", budget.time_zone, p_at) AS start) AS covered
        LEFT JOIN metering_budgetwindow standing ON standing.budget_id = budget.id
            AND standing.scope_value = covered.value AND standing.start = covered.start
        WHERE budget.workspace_id = p_workspace AND budget.mode <> 'soft'
          AND metering_budget_covers(budget.scope, budget.scope_id, p_key, p_model, p_user)
        UNION ALL
        SELECT NULL, 'hard', factor, 'balance', NULL, balance, 'total', 'UTC', NULL, balance - held + p_already * factor
        FROM metering_limitaccount WHERE workspace_id = p_workspace AND balance IS NOT NULL
        ORDER BY 1
    LOOP
        fits := CASE
            WHEN (p_fixed + p_per_token * p_output) * each.factor <= each.room THEN NULL
            WHEN p_per_token * each.factor = 0 OR each.room < p_fixed * each.factor THEN -1
            ELSE div(each.room - p_fixed * each.factor, p_per_token * each.factor)::int
        END;
        IF each.mode = 'shadow' THEN
            room.shadows := CASE WHEN fits IS NULL THEN room.shadows ELSE room.shadows || each.id::bigint END;
            CONTINUE;
        END IF;
        IF fits < room.output OR fits = room.output AND (lowest IS NULL OR each.room < lowest) THEN
            room.output := fits;
            lowest := each.room;
            room.binding := jsonb_build_object('scope', each.scope, 'id', each.public_id, 'limit', each."limit"::text,
                'resets_at', metering_window_end(each."window", each.time_zone, each.start));
        END IF;
        IF least IS NULL OR each.room / coalesce(nullif(each.factor, 0), 1) < least THEN
            least := each.room / coalesce(nullif(each.factor, 0), 1);
            tightest := each;
        END IF;
    END LOOP;
    IF least IS NOT NULL THEN
        room.left_over := tightest.room;
        room.factor := tightest.factor;
        room.tightest := jsonb_build_object('scope', tightest.scope, 'id', tightest.public_id, 'limit', tightest."limit"::text,
            'resets_at', metering_window_end(tightest."window", tightest.time_zone, tightest.start));
    END IF;
    RETURN room;
END $$;
"""

ADD_HELD = """
-- Adds a hold to the windows that cover it, and to what is held of a balance. Holding crosses no threshold. The caller holds the account.
CREATE FUNCTION metering_add_held(
    p_workspace int, p_key text, p_model text, p_user text, p_at timestamptz, p_held numeric, p_balance_held numeric
) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO metering_budgetwindow AS standing
        (budget_id, scope_value, start, spent, held, would_have_refused, would_have_refused_usd)
    SELECT id, metering_budget_value(scope, p_key, p_model, p_user), metering_window_start("window", time_zone, p_at), 0, p_held, 0, 0
    FROM metering_budget
    WHERE workspace_id = p_workspace AND metering_budget_covers(scope, scope_id, p_key, p_model, p_user)
    ON CONFLICT (budget_id, scope_value, start) DO UPDATE SET held = standing.held + EXCLUDED.held;
    IF p_balance_held <> 0 THEN
        UPDATE metering_limitaccount SET held = held + p_balance_held WHERE workspace_id = p_workspace AND balance IS NOT NULL;
    END IF;
END $$;
"""

MOVED = """
        PERFORM metering_move_limits(ARRAY[caller.workspace_id], ARRAY[caller.public_id::text], ARRAY[p_model], ARRAY[p_user],
            ARRAY[now], ARRAY[0::numeric], ARRAY[amount],
            ARRAY[CASE WHEN account.balance IS NULL THEN 0 ELSE amount * account.factor END], now);
"""
ADDED = """
        PERFORM metering_add_held(caller.workspace_id, caller.public_id, p_model, p_user, now, amount,
            CASE WHEN account.balance IS NULL THEN 0 ELSE amount * account.factor END);
"""

NOTED = """
        IF NOT p_dry_run THEN
            PERFORM metering_note_shadow"""
NOTED_IF_ANY = NOTED.replace("p_dry_run THEN", "p_dry_run AND room.shadows IS NOT NULL THEN")

AUTHORIZE_BEFORE = import_module("metering.migrations.0013_frozen_keys").AFTER
AUTHORIZE = AUTHORIZE_BEFORE.replace(MOVED, ADDED).replace(NOTED, NOTED_IF_ANY)
ROOM_BEFORE = "CREATE FUNCTION metering_room(" + _limits.ROOM.partition("CREATE FUNCTION metering_room(")[2]
BEFORE = (
    (_limits.MOVE + ROOM_BEFORE).replace("LIMITS_LOCK", _limits.LOCK).replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION")
)

# Made by Django beside the unique index; the model knows of no such index, so its state stays as it is.
BEGINNINGS = "metering_hold_public_id_b59587ff_like"
DROP_INDEX = f"DROP INDEX IF EXISTS {BEGINNINGS}"
MAKE_INDEX = f"CREATE INDEX {BEGINNINGS} ON metering_hold (public_id varchar_pattern_ops)"


class Migration(migrations.Migration):
    dependencies = [("metering", "0033_not_understood")]
    operations = [
        migrations.RunSQL(
            [EXPIRE, SETTLE, ROOM, ADD_HELD, AUTHORIZE], [AUTHORIZE_BEFORE, "DROP FUNCTION metering_add_held", BEFORE]
        ),
        migrations.RunSQL(DROP_INDEX, MAKE_INDEX),
    ]
