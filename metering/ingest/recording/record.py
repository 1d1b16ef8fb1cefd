"""Records events, set by set: the part of the worker's transaction that touches every one of them.

Lock order, the same for every worker: the prices lock, the batches, new names, identities in sorted order, rollups in sorted
order, keys in sorted order. Two workers with the same events wait for each other in one direction only.
"""

from collections.abc import Sequence
from datetime import datetime

from django.db import connection
from psycopg.types.string import BytesBinaryDumper

from metering.components import QUANTITIES
from metering.ingest.recording.arrivals import Arrival, Outcome, cost_arrival, rate_arrival
from metering.ingest.recording.claim import claim
from metering.ingest.recording.months import require_months
from metering.money import from_pico
from metering.pricing.rates import RateTable

WRITE = f"""
COPY metering_usageevent (
    occurred_at, recorded_at, batch_id, workspace_id, key_id, model_id, price_id, attempt,
    {", ".join(QUANTITIES)}, latency_ms, time_to_first_token_ms,
    service_tier_id, provider_id, status, usage_source, stream, cost, request_id, detail, gateway_id, others, usage
) FROM STDIN (FORMAT BINARY)
"""
WRITTEN_TYPES = (
    *("timestamptz", "timestamptz", "int8"),
    *("int4",) * (5 + len(QUANTITIES) + 2),
    *("int2",) * 4,
    *("bool", "numeric", "text", "text", "int4", "jsonb", "bytea"),
)

# Where providers have cards, what each event costs us stands beside its price.
WRITE_WITH_COSTS = WRITE.replace(")", ", provider_price_id, provider_cost)", 1)
TYPES_WITH_COSTS = (*WRITTEN_TYPES, "int4", "numeric")


def record_events(arrivals: Sequence[Arrival], rates: RateTable, now: datetime) -> Outcome:
    """Counts each event once, and writes it with its price. Must be called inside a transaction. Raises MonthMissing."""
    require_months(arrival.event.occurred_at for arrival in arrivals)
    claimed, duplicates, conflicts = claim(arrivals)
    for arrival in claimed:
        rate_arrival(arrival, rates)
    if rates.providers is not None:
        for arrival in claimed:
            cost_arrival(arrival, rates.providers)
    write(claimed, now, with_provider_costs=rates.providers is not None)
    return Outcome(claimed, duplicates, conflicts)


def write(arrivals: Sequence[Arrival], now: datetime, *, with_provider_costs: bool = False) -> None:
    """Copies rated arrivals into their partitions. What nothing is known of costs nothing: its columns are left out."""
    if not arrivals:
        return
    copied = (
        (WRITE_WITH_COSTS, TYPES_WITH_COSTS, _columns_with_costs) if with_provider_costs else (WRITE, WRITTEN_TYPES, _columns)
    )
    statement, types, columns = copied
    with connection.cursor() as cursor, connection.wrap_database_errors:
        cursor.adapters.register_dumper(bytes, BytesBinaryDumper)  # else psycopg takes its slow one for the bytea column
        with cursor.copy(statement) as copy:
            copy.set_types(types)
            for arrival in arrivals:
                copy.write_row(columns(arrival, now))


def _columns_with_costs(arrival: Arrival, now: datetime) -> tuple[object, ...]:
    cost = None if arrival.provider_cost is None else from_pico(arrival.provider_cost)
    return (*_columns(arrival, now), arrival.provider_price_id, cost)


def _columns(arrival: Arrival, now: datetime) -> tuple[object, ...]:
    event = arrival.event
    return (
        event.occurred_at,
        now,
        arrival.batch_id,
        arrival.workspace_id,
        arrival.key_id,
        arrival.model_id,
        arrival.price_id,
        event.attempt,
        *event.counts,
        event.latency_ms,
        event.time_to_first_token_ms,
        arrival.tier_id,
        arrival.provider_id,
        event.status,
        event.usage_source,
        event.stream,
        None if arrival.cost is None else from_pico(arrival.cost),
        event.request_id,
        event.detail,
        arrival.gateway_id,
        dict(event.others) if event.others else None,
        event.usage,
    )
