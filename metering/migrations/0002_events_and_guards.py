"""What Django's schema editor cannot say: partitioned events, the storage of rollups, the guard of prices."""

from django.db import migrations

EVENTS = """
CREATE SEQUENCE metering_usageevent_id_seq AS bigint CACHE 500;

CREATE TABLE metering_usageevent (
    id bigint NOT NULL DEFAULT nextval('metering_usageevent_id_seq'),
    occurred_at timestamptz NOT NULL,
    recorded_at timestamptz NOT NULL,
    batch_id bigint NOT NULL,
    workspace_id integer NOT NULL,
    key_id integer NOT NULL,
    model_id integer NOT NULL,
    price_id integer,
    attempt integer NOT NULL,
    input_tokens integer NOT NULL,
    cached_input_tokens integer NOT NULL,
    cache_write_tokens integer NOT NULL,
    output_tokens integer NOT NULL,
    reasoning_tokens integer NOT NULL,
    latency_ms integer,
    time_to_first_token_ms integer,
    service_tier_id smallint NOT NULL,
    provider_id smallint NOT NULL,
    status smallint NOT NULL,
    usage_source smallint NOT NULL,
    stream boolean,
    cost numeric(30, 12),
    request_id text NOT NULL,
    detail text,
    PRIMARY KEY (workspace_id, occurred_at, id),
    CONSTRAINT tokens_are_not_negative CHECK (
        cached_input_tokens >= 0 AND cache_write_tokens >= 0 AND output_tokens >= 0 AND reasoning_tokens >= 0),
    CONSTRAINT parts_fit_their_whole CHECK (
        cached_input_tokens::bigint + cache_write_tokens <= input_tokens AND reasoning_tokens <= output_tokens),
    CONSTRAINT only_a_priced_event_is_billed CHECK (
        CASE WHEN status = 2 THEN cost = 0 AND price_id IS NULL ELSE (cost IS NULL) = (price_id IS NULL) END)
) PARTITION BY RANGE (occurred_at);

ALTER SEQUENCE metering_usageevent_id_seq OWNED BY metering_usageevent.id;

CREATE INDEX events_waiting_for_a_price ON metering_usageevent (workspace_id, model_id, occurred_at) WHERE cost IS NULL;

CREATE FUNCTION metering_ensure_month(instant timestamptz) RETURNS void LANGUAGE plpgsql AS $$
-- The partition of the UTC month an instant falls in. Built aside and attached, so that writers of other months go on.
DECLARE
    first_day timestamp := date_trunc('month', instant AT TIME ZONE 'UTC');
    partition text := 'metering_usageevent_' || to_char(first_day, 'YYYY_MM');
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('metering_ensure_month'));
    IF to_regclass(partition) IS NOT NULL THEN
        RETURN;
    END IF;
    EXECUTE format('CREATE TABLE %I (LIKE metering_usageevent INCLUDING ALL)', partition);
    EXECUTE format(
        'ALTER TABLE metering_usageevent ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)',
        partition, first_day AT TIME ZONE 'UTC', (first_day + interval '1 month') AT TIME ZONE 'UTC');
END $$;
"""

NO_EVENTS = """
DROP FUNCTION metering_ensure_month(timestamptz);
DROP TABLE metering_usageevent;
"""

# Every worker rewrites the newest rows of the rollups: room on the page keeps those updates off the indexes.
ROLLUP_STORAGE = """
ALTER TABLE metering_hourlyrollup SET (fillfactor = 70);
ALTER TABLE metering_dailyrollup SET (fillfactor = 70);
CREATE INDEX hours_waiting_for_a_price ON metering_hourlyrollup (workspace_id, model_id, hour)
    WHERE price_id = 0 AND status < 2;
CREATE INDEX days_for_every_workspace ON metering_dailyrollup (day);
"""

NO_ROLLUP_STORAGE = """
DROP INDEX days_for_every_workspace;
DROP INDEX hours_waiting_for_a_price;
ALTER TABLE metering_hourlyrollup RESET (fillfactor);
ALTER TABLE metering_dailyrollup RESET (fillfactor);
"""

PRICE_GUARD = """
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

CREATE TRIGGER prices_are_succeeded_not_changed BEFORE UPDATE OR DELETE ON metering_priceversion
    FOR EACH ROW EXECUTE FUNCTION metering_refuse_price_change();
"""

NO_PRICE_GUARD = """
DROP TRIGGER prices_are_succeeded_not_changed ON metering_priceversion;
DROP FUNCTION metering_refuse_price_change();
"""


class Migration(migrations.Migration):
    dependencies = [("metering", "0001_initial")]

    operations = [
        migrations.RunSQL(EVENTS, NO_EVENTS),
        migrations.RunSQL(ROLLUP_STORAGE, NO_ROLLUP_STORAGE),
        migrations.RunSQL(PRICE_GUARD, NO_PRICE_GUARD),
    ]
