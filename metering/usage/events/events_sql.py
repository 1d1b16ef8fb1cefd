"""The statements behind events.py. Only constants of this module go into their text; every value is a parameter."""

from __future__ import annotations

from metering.components import COMPONENTS, QUANTITIES
from metering.ingest.models import IS_VOIDED
from metering.usage.filters import UsageConditions

# In the order of EventRow; its rates come last.
COLUMNS = f"""e.id, e.request_id, e.attempt, e.occurred_at, e.recorded_at, COALESCE(k.public_id, ''),
       COALESCE(m.slug, ''), COALESCE(t.name, ''), COALESCE(p.name, ''), e.status, e.usage_source,
       {", ".join(f"e.{name}" for name in QUANTITIES)}, e.cost,
       v.public_id, e.stream, e.latency_ms, e.time_to_first_token_ms, e.detail, e.others,
       v.open_rates, {", ".join(f"v.{each.rate}" for each in COMPONENTS)}"""
NAMES = """LEFT JOIN workspaces_apikey k ON k.workspace_id = e.workspace_id AND k.id = e.key_id
LEFT JOIN metering_languagemodel m ON m.id = e.model_id
LEFT JOIN metering_servicetier t ON t.id = e.service_tier_id
LEFT JOIN metering_provider p ON p.id = e.provider_id
LEFT JOIN metering_priceversion v ON v.id = e.price_id"""
HOUR_OF = "date_trunc('hour', occurred_at, 'UTC') AS hour"
VOIDED = f"""{IS_VOIDED} AND (workspace_id, occurred_at, id) IN (
    SELECT workspace_id, occurred_at, event_id FROM metering_eventcorrection
    WHERE workspace_id = %(workspace)s AND action = 'void')"""  # noqa: S608
NEWEST_FIRST = "ORDER BY occurred_at DESC, id DESC LIMIT %(limit)s"


def bounds(*, start: object, end: object, after: object) -> list[str]:
    """Conditions for the ends that are given, and for a cursor.

    The cursor's instant stands alone as well, for a row comparison alone would not leave out later partitions.
    """
    conditions = []
    if start is not None:
        conditions.append("occurred_at >= %(start)s")
    if end is not None:
        conditions.append("occurred_at < %(end)s")
    if after is not None:
        conditions.append("occurred_at <= %(after)s AND (occurred_at, id) < (%(after)s, %(after_id)s)")
    return conditions


def newest(scope: UsageConditions, bounds: list[str]) -> str:
    """The newest events, in the order of the primary key."""
    return _named(f"SELECT * FROM metering_usageevent WHERE {_all(scope, bounds)} {NEWEST_FIRST}")  # noqa: S608


def newest_in_hours(scope: UsageConditions, bounds: list[str]) -> str:
    """The newest events within %(hours)s: each hour is walked newest first, and no further than the page needs."""
    within = ["occurred_at >= h.hour", "occurred_at < h.hour + interval '1 hour'"]
    hour = f"SELECT * FROM metering_usageevent WHERE {_all(scope, [*bounds, *within])} {NEWEST_FIRST}"  # noqa: S608
    hours = f"unnest(%(hours)s::timestamptz[]) AS h(hour) CROSS JOIN LATERAL ({hour}) AS found"
    return _named(f"SELECT found.* FROM {hours} {NEWEST_FIRST}")  # noqa: S608


def hours_with_events(scope: UsageConditions, *, since: bool, until: bool, voided: bool) -> str:
    """(hour, requests) of the newest %(hours)s hours in which anything matches, newest first.

    Rollups know nothing of voided events: where they are asked for, the trail tells where they lie.
    """
    conditions = [
        *(["hour >= %(first_hour)s"] if since else []),
        *(["hour <= %(last_hour)s"] if until else []),
    ]
    hours = f"SELECT hour, requests FROM metering_hourlyrollup WHERE {_all(scope, [])}"  # noqa: S608
    if voided:
        hours += f" UNION ALL SELECT {HOUR_OF}, 1 FROM metering_usageevent WHERE {_all(scope, [VOIDED])}"  # noqa: S608
    where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
    return (
        f"SELECT hour, SUM(requests)::bigint FROM ({hours}) AS found{where} "  # noqa: S608
        "GROUP BY hour ORDER BY hour DESC LIMIT %(hours)s"
    )


def attempts_sql(scope: UsageConditions) -> str:
    """The events of these requests at the instants that their claims name, by attempt."""
    found = _all(scope, ["occurred_at = ANY(%(instants)s::timestamptz[])", "request_id = ANY(%(request_ids)s)"])
    return _named(f"SELECT * FROM metering_usageevent WHERE {found}", "e.attempt, e.id")  # noqa: S608


def _all(scope: UsageConditions, conditions: list[str]) -> str:
    return " AND ".join([*scope.conditions, *conditions])


def _named(events: str, order: str = "e.occurred_at DESC, e.id DESC") -> str:
    """Events with their names, looked up only for the rows that are shown."""
    return f"SELECT {COLUMNS}\nFROM ({events}) AS e\n{NAMES}\nORDER BY {order}"
