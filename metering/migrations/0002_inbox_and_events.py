"""The two tables that grow by time: the inbox, partitioned by day, and the events, by month.

Django's schema editor cannot say partitions, nor a sequence that hands out 500 numbers at a time: here is what it would have
made, and what each worker writes most is as narrow as it can be.
"""

from django.db import migrations, models

import metering.ingest.models
from metering.migrations._columns import event_status, exact_usd, usage_source
from workspaces.migrations._columns import belongs_to, big_id, number_of, one_of, public_id

INBOX = """
CREATE SEQUENCE metering_batch_number AS bigint CACHE 1;
CREATE TABLE metering_batch (
    id bigint NOT NULL DEFAULT nextval('metering_batch_number'),
    public_id varchar(32) NOT NULL,
    gateway_id integer NOT NULL REFERENCES workspaces_gateway,
    received_at timestamptz NOT NULL,
    kind varchar(16) NOT NULL DEFAULT 'events',
    source varchar(16) NOT NULL DEFAULT 'http',
    body bytea NOT NULL,
    event_count integer NOT NULL,
    status varchar(16) NOT NULL,
    processed_at timestamptz,
    failures integer NOT NULL,
    last_error text NOT NULL,
    recorded integer NOT NULL,
    duplicate integer NOT NULL,
    conflict integer NOT NULL,
    unpriced integer NOT NULL,
    rejected integer NOT NULL,
    items jsonb NOT NULL,
    PRIMARY KEY (id, received_at)
) PARTITION BY RANGE (received_at);
ALTER SEQUENCE metering_batch_number OWNED BY metering_batch.id;
ALTER TABLE metering_batch ALTER COLUMN body SET STORAGE EXTERNAL;
CREATE INDEX batches_by_public_id ON metering_batch (public_id);
CREATE INDEX batches_waiting ON metering_batch (id) WHERE status = 'pending';
CREATE INDEX batches_of_a_gateway ON metering_batch (gateway_id, id DESC);
"""

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
    gateway_id integer,
    PRIMARY KEY (workspace_id, occurred_at, id),
    CONSTRAINT tokens_are_not_negative CHECK (
        cached_input_tokens >= 0 AND cache_write_tokens >= 0 AND output_tokens >= 0 AND reasoning_tokens >= 0),
    CONSTRAINT parts_fit_their_whole CHECK (
        cached_input_tokens::bigint + cache_write_tokens <= input_tokens AND reasoning_tokens <= output_tokens),
    CONSTRAINT only_a_priced_event_is_billed CHECK (
        CASE WHEN status IN (2, 3) THEN cost = 0 AND price_id IS NULL ELSE (cost IS NULL) = (price_id IS NULL) END)
) PARTITION BY RANGE (occurred_at);

ALTER SEQUENCE metering_usageevent_id_seq OWNED BY metering_usageevent.id;

CREATE INDEX events_waiting_for_a_price ON metering_usageevent (workspace_id, model_id, occurred_at) WHERE cost IS NULL;
"""

PARTITIONS = """
CREATE FUNCTION metering_ensure_day(instant timestamptz) RETURNS void LANGUAGE plpgsql AS $$
-- The inbox's partition of the UTC day of an instant. Built aside and attached, so that writers of other days go on.
DECLARE
    day timestamp := date_trunc('day', instant AT TIME ZONE 'UTC');
    partition text := 'metering_batch_' || to_char(day, 'YYYY_MM_DD');
BEGIN
    IF to_regclass(partition) IS NOT NULL THEN
        RETURN;
    END IF;
    PERFORM pg_advisory_xact_lock(hashtext('metering_ensure_day'));
    -- Asked of the table itself: to_regclass remembers the answer from before the wait.
    IF EXISTS (SELECT FROM pg_class WHERE relname = partition AND pg_table_is_visible(oid)) THEN
        RETURN;
    END IF;
    EXECUTE format('CREATE TABLE %I (LIKE metering_batch INCLUDING ALL)', partition);
    EXECUTE format(
        'ALTER TABLE metering_batch ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)',
        partition, day AT TIME ZONE 'UTC', (day + interval '1 day') AT TIME ZONE 'UTC');
END $$;

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


class Migration(migrations.Migration):
    dependencies = [("metering", "0001_catalogue")]

    operations = [
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.CreateModel(
                    "Batch",
                    [
                        ("id", big_id()),
                        ("public_id", public_id(metering.ingest.models.batch_id, db_index=True, unique=False)),
                        ("gateway", belongs_to("workspaces.gateway", db_index=False)),
                        ("received_at", models.DateTimeField()),
                        ("kind", one_of("events", "corrections", default="events")),
                        (
                            "source",
                            models.CharField(
                                max_length=16,
                                default="http",
                                choices=[
                                    ("http", "HTTP"),
                                    ("litellm", "LiteLLM"),
                                    ("cloudevents", "CloudEvents"),
                                    ("celery", "Celery"),
                                    ("replay", "Replay"),
                                ],
                            ),
                        ),
                        ("body", models.BinaryField()),
                        ("event_count", models.IntegerField()),
                        ("status", one_of("pending", "processed", default="pending")),
                        ("processed_at", models.DateTimeField(null=True)),
                        ("failures", models.IntegerField(default=0)),
                        ("last_error", models.TextField(blank=True, default="")),
                        ("recorded", models.IntegerField(default=0)),
                        ("duplicate", models.IntegerField(default=0)),
                        ("conflict", models.IntegerField(default=0)),
                        ("unpriced", models.IntegerField(default=0)),
                        ("rejected", models.IntegerField(default=0)),
                        ("items", models.JSONField(default=list)),
                    ],
                    options={
                        "verbose_name_plural": "batches",
                        "ordering": ["-id"],
                        "indexes": [
                            models.Index(fields=["id"], condition=models.Q(status="pending"), name="batches_waiting"),
                            models.Index(fields=["gateway", "-id"], name="batches_of_a_gateway"),
                        ],
                    },
                ),
                migrations.CreateModel(
                    "UsageEvent",
                    [
                        ("id", big_id()),
                        ("workspace", number_of("workspaces.workspace")),
                        ("occurred_at", models.DateTimeField()),
                        ("recorded_at", models.DateTimeField()),
                        ("request_id", models.TextField()),
                        ("attempt", models.IntegerField()),
                        ("key", number_of("workspaces.apikey")),
                        ("model", number_of("metering.languagemodel")),
                        ("service_tier", number_of("metering.servicetier")),
                        ("provider", number_of("metering.provider")),
                        ("status", event_status()),
                        ("usage_source", usage_source()),
                        ("input_tokens", models.IntegerField()),
                        ("cached_input_tokens", models.IntegerField()),
                        ("cache_write_tokens", models.IntegerField()),
                        ("output_tokens", models.IntegerField()),
                        ("reasoning_tokens", models.IntegerField()),
                        ("price", number_of("metering.priceversion", null=True)),
                        ("cost", exact_usd(30, null=True)),
                        ("batch", number_of("metering.batch")),
                        ("gateway", number_of("workspaces.gateway", null=True)),
                        ("stream", models.BooleanField(null=True)),
                        ("latency_ms", models.IntegerField(null=True)),
                        ("time_to_first_token_ms", models.IntegerField(null=True)),
                        ("detail", models.TextField(null=True)),
                    ],
                    options={"ordering": ["-occurred_at", "-id"]},
                ),
            ]
        ),
        migrations.RunSQL(INBOX, "DROP TABLE metering_batch"),
        migrations.RunSQL(EVENTS, "DROP TABLE metering_usageevent"),
        migrations.RunSQL(
            PARTITIONS, "DROP FUNCTION metering_ensure_day(timestamptz); DROP FUNCTION metering_ensure_month(timestamptz)"
        ),
    ]
