"""The functions that decide about a request, and that lengthen and release what is held for it: see `_limits.py`."""

AUTHORIZE = """
-- May this request run? If so, what it may cost at most is held. One call, in a transaction of its own: see limits/authorize.py.
-- `verdict` is allowed, refused, conflict, or stale where the prepaid balance has to be worked out first.
CREATE FUNCTION metering_authorize(
    p_gateway int, p_key int, p_secret bytea, p_request_id text, p_hash bytea, p_asked bytea, p_public_id text,
    p_model text, p_user text, p_fixed numeric, p_per_token numeric, p_input int, p_output int, p_floor int,
    p_unpriced boolean, p_answer jsonb, p_ttl int, p_dry_run boolean, p_now timestamptz
) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
    now CONSTANT timestamptz := coalesce(p_now, clock_timestamp());
    caller record;
    account metering_limitaccount;
    standing metering_hold;
    room metering_room_found;
    is_limited boolean;
    output int := p_output;
    amount numeric;
    reason text;
    binding jsonb;
    answer jsonb;
BEGIN
    -- A hold has to be atomic, not durable: the last milliseconds of holds, lost at a power cut, are a bounded overspend.
    PERFORM set_config('synchronous_commit', 'off', true);
    PERFORM pg_advisory_xact_lock_shared(LIMITS_LOCK);
    SELECT key.id, key.public_id, key.kind, key.revoked_at, key.expires_at, key.allowed_models, key.workspace_id,
           workspace.public_id AS workspace, workspace.suspensions, workspace.allowed_models AS workspace_models, workspace.refuses_unpriced,
           credential.id AS credential_id, credential.expires_at AS secret_until
    INTO caller FROM workspaces_apikey key JOIN workspaces_workspace workspace ON workspace.id = key.workspace_id
    LEFT JOIN workspaces_credential credential ON credential.api_key_id = key.id AND credential.sha256 = p_secret
    WHERE key.id = p_key;
    IF NOT FOUND OR p_secret IS NOT NULL AND caller.credential_id IS NULL THEN
        RETURN jsonb_build_object('verdict', 'refused', 'reason', 'unknown_key');
    END IF;

    SELECT * INTO account FROM metering_limitaccount WHERE workspace_id = caller.workspace_id FOR UPDATE;
    is_limited := FOUND;
    SELECT * INTO standing FROM metering_hold WHERE workspace_id = caller.workspace_id AND request_hash = p_hash;
    IF FOUND AND NOT p_dry_run THEN
        RETURN metering_standing_answer(standing, p_gateway, p_asked);
    END IF;

    reason := CASE
        WHEN caller.kind = 'admin' THEN 'wrong_kind_of_key'
        WHEN caller.revoked_at IS NOT NULL THEN 'key_revoked'
        WHEN caller.expires_at <= now OR caller.secret_until <= now THEN 'key_expired'
        WHEN 'past_due' = ANY(caller.suspensions) THEN 'workspace_suspended'
        WHEN 'no_credit' = ANY(caller.suspensions) AND account.balance IS NULL THEN 'balance_used_up'
        WHEN NOT p_model = ANY(caller.allowed_models) OR NOT p_model = ANY(caller.workspace_models) THEN 'model_not_allowed'
        WHEN p_unpriced AND caller.refuses_unpriced THEN 'unpriced'
    END;
    IF reason IS NULL AND is_limited THEN
        IF metering_expire_holds(caller.workspace_id, now, 100) > 0 THEN
            SELECT * INTO account FROM metering_limitaccount WHERE workspace_id = caller.workspace_id;
        END IF;
        IF account.valid_until <= now THEN
            RETURN jsonb_build_object('verdict', 'stale', 'workspace', caller.workspace_id);
        END IF;
        room := metering_room(caller.workspace_id, caller.public_id, p_model, p_user, now, p_fixed, p_per_token, p_output, 0);
        IF NOT p_dry_run THEN
            PERFORM metering_note_shadow(id, caller.public_id, p_model, p_user, now, p_fixed + p_per_token * p_output)
            FROM unnest(room.shadows) AS id;
        END IF;
        output := room.output;
        binding := room.binding;
        IF output < p_output AND output < least(p_floor, p_output) THEN
            -- What a cost takes of the balance is counted high: before a refusal it is worked out.
            IF binding ->> 'scope' = 'balance' AND account.balanced_at < now - interval '5 seconds' THEN
                RETURN jsonb_build_object('verdict', 'stale', 'workspace', caller.workspace_id);
            END IF;
            reason := CASE binding ->> 'scope' WHEN 'balance' THEN 'balance_used_up' ELSE 'budget_reached' END;
        END IF;
    END IF;
    IF reason IS NOT NULL THEN
        IF NOT p_dry_run THEN
            PERFORM metering_note_refusal(caller.workspace_id, caller.id, p_model, reason, binding ->> 'id', p_request_id, now);
        END IF;
        RETURN jsonb_build_object('verdict', 'refused', 'reason', reason, 'binding', binding, 'now', now,
            'key_id', caller.public_id, 'workspace_id', caller.workspace);
    END IF;

    amount := p_fixed + p_per_token * output;
    answer := p_answer || jsonb_build_object(
        'expires_at', now + make_interval(secs => p_ttl), 'key_id', caller.public_id, 'workspace_id', caller.workspace,
        'held', amount::text, 'max_output_tokens', output, 'binding', room.tightest,
        'remaining', (room.left_over - amount * room.factor)::text);
    IF p_dry_run THEN
        RETURN jsonb_build_object('verdict', 'allowed', 'answer', answer);
    END IF;
    answer := answer || jsonb_build_object('hold_id', p_public_id);
    INSERT INTO metering_hold (public_id, workspace_id, gateway_id, key_id, request_id, request_hash, asked, model, "user", amount,
        fixed, per_token, balance_held, input_tokens, max_output_tokens, created_at, expires_at, status, answer)
    VALUES (p_public_id, caller.workspace_id, p_gateway, caller.id, p_request_id, p_hash, p_asked, p_model, p_user, amount,
        p_fixed, p_per_token, CASE WHEN account.balance IS NULL THEN 0 ELSE amount * account.factor END, p_input, output, now,
        now + make_interval(secs => p_ttl), 0, answer)
    ON CONFLICT (workspace_id, request_hash) DO NOTHING;
    IF NOT FOUND THEN
        SELECT * INTO standing FROM metering_hold WHERE workspace_id = caller.workspace_id AND request_hash = p_hash;
        RETURN metering_standing_answer(standing, p_gateway, p_asked);
    END IF;
    IF is_limited THEN
        PERFORM metering_move_limits(ARRAY[caller.workspace_id], ARRAY[caller.public_id::text], ARRAY[p_model], ARRAY[p_user],
            ARRAY[now], ARRAY[0::numeric], ARRAY[amount],
            ARRAY[CASE WHEN account.balance IS NULL THEN 0 ELSE amount * account.factor END], now);
    END IF;
    RETURN jsonb_build_object('verdict', 'allowed', 'answer', answer);
END $$;

-- The same request again: the same answer. What was released is over, and another content is another request.
CREATE FUNCTION metering_standing_answer(standing metering_hold, p_gateway int, p_asked bytea) RETURNS jsonb
LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE
        WHEN standing.gateway_id <> p_gateway OR standing.asked <> p_asked THEN '{"verdict": "conflict"}'::jsonb
        WHEN standing.status = 2 THEN '{"verdict": "ended"}'::jsonb
        ELSE jsonb_build_object('verdict', 'allowed', 'answer', standing.answer)
    END
$$;

-- A longer stream: until when it is held, and more output where it nears what was held for it. A hold that ran out meanwhile is
-- taken up again if there is room. `verdict` as of metering_authorize, or unknown, or ended.
CREATE FUNCTION metering_extend(
    p_gateway int, p_hold text, p_so_far int, p_step int, p_floor int, p_ttl int, p_now timestamptz
) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
    now CONSTANT timestamptz := coalesce(p_now, clock_timestamp());
    hold metering_hold;
    caller record;
    account metering_limitaccount;
    room metering_room_found;
    output int;
    target int;
    already numeric;
    wanted numeric;
    said jsonb;
BEGIN
    PERFORM set_config('synchronous_commit', 'off', true);
    PERFORM pg_advisory_xact_lock_shared(LIMITS_LOCK);
    SELECT * INTO hold FROM metering_hold WHERE public_id = p_hold AND gateway_id = p_gateway;
    IF NOT FOUND THEN
        RETURN '{"verdict": "unknown"}'::jsonb;
    END IF;
    SELECT * INTO account FROM metering_limitaccount WHERE workspace_id = hold.workspace_id FOR UPDATE;
    SELECT * INTO hold FROM metering_hold WHERE id = hold.id FOR UPDATE;
    IF hold.status IN (1, 2) THEN
        RETURN '{"verdict": "ended"}'::jsonb;
    END IF;
    SELECT public_id::text INTO caller FROM workspaces_apikey WHERE id = hold.key_id;
    IF account.valid_until <= now THEN
        RETURN jsonb_build_object('verdict', 'stale', 'workspace', hold.workspace_id);
    END IF;
    target := CASE
        WHEN p_so_far::bigint + p_floor <= hold.max_output_tokens THEN hold.max_output_tokens
        ELSE least(p_so_far::bigint + p_step, 2147483647)
    END;
    already := CASE WHEN hold.status = 0 THEN hold.amount ELSE 0 END;
    room := metering_room(hold.workspace_id, caller.public_id, hold.model, hold."user", hold.created_at, hold.fixed, hold.per_token,
        target, already);
    IF room.output < target AND room.output < least(p_so_far::bigint + p_floor, 2147483647)
       AND NOT (hold.status = 0 AND room.output >= hold.max_output_tokens AND hold.max_output_tokens > p_so_far) THEN
        RETURN jsonb_build_object('verdict', 'refused', 'reason',
            CASE room.binding ->> 'scope' WHEN 'balance' THEN 'balance_used_up' ELSE 'budget_reached' END,
            'binding', room.binding, 'now', now, 'key_id', caller.public_id, 'workspace_id', hold.answer ->> 'workspace_id',
            'request_id', hold.request_id);
    END IF;
    output := room.output;
    wanted := hold.fixed + hold.per_token * output;
    said := hold.answer || jsonb_build_object('expires_at', now + make_interval(secs => p_ttl), 'held', wanted::text,
        'max_output_tokens', output, 'asked_output_tokens', target, 'binding', room.tightest, 'remaining', (room.left_over - wanted * room.factor)::text);
    UPDATE metering_hold SET status = 0, ended_at = NULL, amount = wanted, max_output_tokens = output,
        expires_at = now + make_interval(secs => p_ttl), answer = said,
        balance_held = CASE WHEN account.balance IS NULL THEN 0 ELSE wanted * account.factor END
    WHERE id = hold.id;
    PERFORM metering_move_limits(ARRAY[hold.workspace_id], ARRAY[caller.public_id], ARRAY[hold.model], ARRAY[hold."user"],
        ARRAY[hold.created_at], ARRAY[0::numeric], ARRAY[wanted - already],
        ARRAY[CASE WHEN account.balance IS NULL THEN 0 ELSE wanted * account.factor END
              - CASE WHEN hold.status = 0 THEN hold.balance_held ELSE 0 END], now);
    RETURN jsonb_build_object('verdict', 'allowed', 'answer', said);
END $$;

-- Nothing was sent to a provider: the hold is as if it had not been. Null for a hold that this gateway has not.
CREATE FUNCTION metering_release(p_gateway int, p_hold text, p_now timestamptz) RETURNS int LANGUAGE plpgsql AS $$
#variable_conflict use_variable
DECLARE
    hold metering_hold;
    key text;
BEGIN
    PERFORM set_config('synchronous_commit', 'off', true);
    PERFORM pg_advisory_xact_lock_shared(LIMITS_LOCK);
    SELECT * INTO hold FROM metering_hold WHERE public_id = p_hold AND gateway_id = p_gateway;
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    PERFORM FROM metering_limitaccount WHERE workspace_id = hold.workspace_id FOR UPDATE;
    SELECT * INTO hold FROM metering_hold WHERE id = hold.id FOR UPDATE;
    IF hold.status IN (0, 3) THEN
        UPDATE metering_hold SET status = 2, ended_at = coalesce(p_now, clock_timestamp()) WHERE id = hold.id;
    END IF;
    IF hold.status = 0 THEN
        SELECT public_id INTO key FROM workspaces_apikey WHERE id = hold.key_id;
        PERFORM metering_move_limits(ARRAY[hold.workspace_id], ARRAY[key], ARRAY[hold.model], ARRAY[hold."user"],
            ARRAY[hold.created_at], ARRAY[0::numeric], ARRAY[-hold.amount], ARRAY[-hold.balance_held],
            coalesce(p_now, clock_timestamp()));
    END IF;
    RETURN CASE WHEN hold.status = 1 THEN 1 ELSE 2 END;
END $$;

CREATE FUNCTION metering_note_refusal(
    p_workspace int, p_key int, p_model text, p_reason text, p_budget text, p_request_id text, p_now timestamptz
) RETURNS void LANGUAGE sql AS $$
    INSERT INTO metering_refusedrequests AS standing
        (workspace_id, key_id, hour, model, reason, budget, requests, last_at, last_request_id)
    VALUES (p_workspace, p_key, date_trunc('hour', p_now, 'UTC'), left(p_model, 300), p_reason, coalesce(p_budget, ''), 1, p_now,
        p_request_id)
    ON CONFLICT (workspace_id, hour, key_id, model, reason, budget) DO UPDATE
        SET requests = standing.requests + 1, last_at = EXCLUDED.last_at, last_request_id = EXCLUDED.last_request_id
$$;

CREATE FUNCTION metering_note_shadow(p_budget bigint, p_key text, p_model text, p_user text, p_now timestamptz, p_wanted numeric)
RETURNS void LANGUAGE sql AS $$
    INSERT INTO metering_budgetwindow AS standing
        (budget_id, scope_value, start, spent, held, would_have_refused, would_have_refused_usd)
    SELECT id, metering_budget_value(scope, p_key, p_model, p_user), metering_window_start("window", time_zone, p_now), 0, 0, 1, p_wanted
    FROM metering_budget WHERE id = p_budget
    ON CONFLICT (budget_id, scope_value, start) DO UPDATE SET would_have_refused = standing.would_have_refused + 1,
        would_have_refused_usd = standing.would_have_refused_usd + EXCLUDED.would_have_refused_usd
$$;
"""
