"""What is held counts in whatever window a budget is in, until it is settled, expires or is released.

A request that was allowed just before a window ends is billed in the next one, as others are that are allowed there. Held in the
first window alone, both together could cost more than a limit. So what is held is kept by budget, and windows keep what is spent.

The same request asked for again after its hold ran out is decided and held again: until now it was allowed with nothing held.
And a longer stream never holds less than before: its provider was told how much it may write.
"""

from importlib import import_module

import django.db.models.deletion
from django.db import migrations, models

from metering.migrations._columns import exact_usd
from workspaces.migrations._columns import big_id

MOVE = """
-- Adds to what is spent and held, of budgets and of balances, and notes the thresholds that were crossed. Arrays of equal length;
-- the last is what the balance held. Returns the workspaces whose balance is used up by it. The caller holds their accounts.
CREATE OR REPLACE FUNCTION metering_move_limits(
    p_workspace int[], p_key text[], p_model text[], p_user text[], p_at timestamptz[],
    p_spent numeric[], p_held numeric[], p_balance_held numeric[], p_now timestamptz
) RETURNS int[] LANGUAGE plpgsql AS $$
DECLARE
    used_up int[];
BEGIN
    WITH moved AS (
        SELECT budget.id AS budget_id, metering_budget_value(budget.scope, key, model, usr) AS scope_value,
               metering_window_start(budget."window", budget.time_zone, at) AS start, sum(spent) AS spent
        FROM unnest(p_workspace, p_key, p_model, p_user, p_at, p_spent) AS part (workspace_id, key, model, usr, at, spent)
        JOIN metering_budget budget ON budget.workspace_id = part.workspace_id
            AND metering_budget_covers(budget.scope, budget.scope_id, key, model, usr)
        WHERE spent <> 0 GROUP BY 1, 2, 3
    ), standing AS (
        INSERT INTO metering_budgetwindow AS standing
            (budget_id, scope_value, start, spent, would_have_refused, would_have_refused_usd)
        SELECT budget_id, scope_value, start, spent, 0, 0 FROM moved ORDER BY 1, 2, 3
        ON CONFLICT (budget_id, scope_value, start) DO UPDATE SET spent = standing.spent + EXCLUDED.spent
        RETURNING budget_id, scope_value, start, spent
    )
    INSERT INTO metering_thresholdcrossing (budget_id, scope_value, start, threshold, spent, "limit", crossed_at)
    SELECT budget.id, scope_value, start, threshold, standing.spent, budget."limit", p_now
    FROM standing JOIN moved USING (budget_id, scope_value, start) JOIN metering_budget budget ON budget.id = budget_id,
         unnest(budget.thresholds) AS threshold
    WHERE moved.spent > 0 AND standing.spent * 100 >= budget."limit" * threshold
      AND (standing.spent - moved.spent) * 100 < budget."limit" * threshold
    ON CONFLICT DO NOTHING;

    INSERT INTO metering_budgetheld AS standing (budget_id, scope_value, held)
    SELECT budget.id, metering_budget_value(budget.scope, key, model, usr), sum(held)
    FROM unnest(p_workspace, p_key, p_model, p_user, p_held) AS part (workspace_id, key, model, usr, held)
    JOIN metering_budget budget ON budget.workspace_id = part.workspace_id
        AND metering_budget_covers(budget.scope, budget.scope_id, key, model, usr)
    WHERE held <> 0 GROUP BY 1, 2 ORDER BY 1, 2
    ON CONFLICT (budget_id, scope_value) DO UPDATE SET held = standing.held + EXCLUDED.held;

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
"""

ADD_HELD = """
-- Adds a hold to the budgets that cover it, and to what is held of a balance. The caller holds the account.
CREATE FUNCTION metering_add_held(p_workspace int, p_key text, p_model text, p_user text, p_held numeric, p_balance_held numeric)
RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO metering_budgetheld AS standing (budget_id, scope_value, held)
    SELECT id, metering_budget_value(scope, p_key, p_model, p_user), p_held
    FROM metering_budget
    WHERE workspace_id = p_workspace AND metering_budget_covers(scope, scope_id, p_key, p_model, p_user)
    ON CONFLICT (budget_id, scope_value) DO UPDATE SET held = standing.held + EXCLUDED.held;
    IF p_balance_held <> 0 THEN
        UPDATE metering_limitaccount SET held = held + p_balance_held WHERE workspace_id = p_workspace AND balance IS NOT NULL;
    END IF;
END $$;
"""
DROP_ADD_HELD = "DROP FUNCTION metering_add_held(int, text, text, text, timestamptz, numeric, numeric)"
DROP_ADD_HELD_AGAIN = "DROP FUNCTION metering_add_held(int, text, text, text, numeric, numeric)"

# Each text of before with what stands in its place.
IN_ROOM = (
    ("coalesce(standing.held, 0)", "coalesce(live.held, 0)"),
    (
        "            AND standing.scope_value = covered.value AND standing.start = covered.start\n",
        "            AND standing.scope_value = covered.value AND standing.start = covered.start\n"
        "        LEFT JOIN metering_budgetheld live ON live.budget_id = budget.id AND live.scope_value = covered.value\n",
    ),
)
IN_DECISIONS = (
    (
        "    IF FOUND AND NOT p_dry_run THEN\n        RETURN metering_standing_answer(standing, p_gateway, p_asked);\n",
        "    IF FOUND AND NOT p_dry_run AND (standing.status <> 3 OR standing.gateway_id <> p_gateway OR standing.asked <> p_asked) THEN\n"
        "        RETURN metering_standing_answer(standing, p_gateway, p_asked);\n",
    ),
    ("'hold_id', p_public_id);", "'hold_id', coalesce(standing.public_id, p_public_id));"),
    (
        "    ON CONFLICT (workspace_id, request_hash) DO NOTHING;\n",
        "    ON CONFLICT (workspace_id, request_hash) DO UPDATE SET status = 0, ended_at = NULL, created_at = EXCLUDED.created_at,\n"
        "        expires_at = EXCLUDED.expires_at, amount = EXCLUDED.amount, fixed = EXCLUDED.fixed, per_token = EXCLUDED.per_token,\n"
        "        balance_held = EXCLUDED.balance_held, input_tokens = EXCLUDED.input_tokens,\n"
        "        max_output_tokens = EXCLUDED.max_output_tokens, answer = EXCLUDED.answer\n"
        "    WHERE metering_hold.status = 3;\n",
    ),
    (
        "metering_add_held(caller.workspace_id, caller.public_id, p_model, p_user, now, amount,",
        "metering_add_held(caller.workspace_id, caller.public_id, p_model, p_user, amount,",
    ),
    (
        'hold."user", hold.created_at, hold.fixed, hold.per_token,\n        target, already);\n',
        'hold."user", now, hold.fixed, hold.per_token,\n        target, already);\n'
        "    -- Its provider may write what was held before: that stays held, whatever became of the limits.\n"
        "    output := CASE WHEN hold.status = 0 THEN greatest(room.output, hold.max_output_tokens) ELSE room.output END;\n",
    ),
    (
        "    IF room.output < target AND room.output < least(p_so_far::bigint + p_floor, 2147483647)\n"
        "       AND NOT (hold.status = 0 AND room.output >= hold.max_output_tokens AND hold.max_output_tokens > p_so_far) THEN\n",
        "    IF output < target AND output < least(p_so_far::bigint + p_floor, 2147483647)\n"
        "       AND NOT (hold.status = 0 AND hold.max_output_tokens > p_so_far) THEN\n",
    ),
    ("    output := room.output;\n    wanted :=", "    wanted :="),
    ("(room.left_over - wanted * room.factor)::text", "greatest(room.left_over - wanted * room.factor, 0)::text"),
    (
        "(budget_id, scope_value, start, spent, held, would_have_refused, would_have_refused_usd)",
        "(budget_id, scope_value, start, spent, would_have_refused, would_have_refused_usd)",
    ),
    (
        'metering_window_start("window", time_zone, p_now), 0, 0, 1, p_wanted\n',
        'metering_window_start("window", time_zone, p_now), 0, 1, p_wanted\n',
    ),
)


def changed(text: str, *changes: tuple[str, str]) -> str:
    for before, after in changes:
        if text.count(before) != 1:
            raise ValueError(f"{before!r} stands there {text.count(before)} times")
        text = text.replace(before, after)
    return text


faster = import_module("metering.migrations.0034_faster_decisions")
ROOM = changed(faster.ROOM, *IN_ROOM)
AUTHORIZE = changed(faster.AUTHORIZE, *IN_DECISIONS)
MOVE_BEFORE = (
    "CREATE OR REPLACE FUNCTION" + faster.BEFORE.partition("CREATE OR REPLACE FUNCTION")[2].partition("-- Ends holds")[0]
)

# The functions of before name a column that is there again a moment later.
AS_THEY_COME = "SET LOCAL check_function_bodies = off"
STORAGE = "ALTER TABLE metering_budgetheld SET (fillfactor = 20, autovacuum_vacuum_scale_factor = 0.05)"
# Nobody decides meanwhile: the lock of limits, alone.
COUNT = """
SELECT pg_advisory_xact_lock(7239003);
INSERT INTO metering_budgetheld (budget_id, scope_value, held)
SELECT budget.id, metering_budget_value(budget.scope, key.public_id, hold.model, hold."user"), sum(hold.amount)
FROM metering_hold hold JOIN workspaces_apikey key ON key.id = hold.key_id
JOIN metering_budget budget ON budget.workspace_id = hold.workspace_id
    AND metering_budget_covers(budget.scope, budget.scope_id, key.public_id, hold.model, hold."user")
WHERE hold.status = 0 GROUP BY 1, 2;
"""
COUNT_BY_WINDOW = """
SELECT pg_advisory_xact_lock(7239003);
INSERT INTO metering_budgetwindow AS standing
    (budget_id, scope_value, start, spent, held, would_have_refused, would_have_refused_usd)
SELECT budget.id, metering_budget_value(budget.scope, key.public_id, hold.model, hold."user"),
    metering_window_start(budget."window", budget.time_zone, hold.created_at), 0, sum(hold.amount), 0, 0
FROM metering_hold hold JOIN workspaces_apikey key ON key.id = hold.key_id
JOIN metering_budget budget ON budget.workspace_id = hold.workspace_id
    AND metering_budget_covers(budget.scope, budget.scope_id, key.public_id, hold.model, hold."user")
WHERE hold.status = 0 GROUP BY 1, 2, 3
ON CONFLICT (budget_id, scope_value, start) DO UPDATE SET held = EXCLUDED.held;
"""


class Migration(migrations.Migration):
    dependencies = [("metering", "0041_surpluses_that_are_left")]
    operations = [
        migrations.CreateModel(
            "BudgetHeld",
            [
                ("id", big_id()),
                (
                    "budget",
                    models.ForeignKey(
                        "metering.budget",
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="held_amounts",
                        db_index=False,
                    ),
                ),
                ("scope_value", models.CharField(blank=True, default="", max_length=512)),
                ("held", exact_usd(default=0)),
            ],
            options={
                "ordering": ["id"],
                "constraints": [
                    models.UniqueConstraint(fields=["budget", "scope_value"], name="one_row_of_what_a_budget_holds"),
                ],
            },
        ),
        migrations.RunSQL(STORAGE, migrations.RunSQL.noop),
        migrations.RunSQL(COUNT, COUNT_BY_WINDOW),
        migrations.RemoveField("budgetwindow", "held"),
        migrations.RunSQL(
            [DROP_ADD_HELD, MOVE, ADD_HELD, ROOM, AUTHORIZE],
            [AS_THEY_COME, DROP_ADD_HELD_AGAIN, faster.ADD_HELD, MOVE_BEFORE, faster.ROOM, faster.AUTHORIZE],
        ),
    ]
