"""The one statement behind every usage answer: tiles together, summed by bucket and group, then named."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from metering.components import QUANTITIES
from metering.ingest.models import IS_BILLED, IS_COUNTED
from metering.usage.filters import UsageConditions
from metering.usage.tiles import Grain, Tile

# What is counted, in the order of the statement's columns; the cost follows.
COUNTS = ("requests", *QUANTITIES, "unpriced_requests")

ROLLUP_COLUMNS = f"""workspace_id, model_id, key_id, service_tier_id, provider_id, status, price_id, requests,
       {", ".join(QUANTITIES)},
       CASE WHEN price_id = 0 AND {IS_BILLED} THEN requests ELSE 0 END AS unpriced_requests, cost"""
EVENT_COLUMNS = f"""workspace_id, model_id, key_id, service_tier_id, provider_id, status, COALESCE(price_id, 0) AS price_id,
       1::bigint AS requests,
       {", ".join(f"{name}::bigint" for name in QUANTITIES)},
       CASE WHEN cost IS NULL THEN 1 ELSE 0 END AS unpriced_requests,
       COALESCE(cost, 0) AS cost"""

# Whom the gateway served: only events know. Most say nothing of anybody, which is seen before their JSON is read.
END_USER = """CASE WHEN detail LIKE '%%"user"%%' THEN COALESCE(detail::json ->> 'user', '') ELSE '' END"""

# Per grain: its table, the column that says when, and the columns that all grains share.
SOURCES = {
    Grain.DAYS: ("metering_dailyrollup", "day", ROLLUP_COLUMNS),
    Grain.HOURS: ("metering_hourlyrollup", "hour", ROLLUP_COLUMNS),
    Grain.EVENTS: ("metering_usageevent", "occurred_at", EVENT_COLUMNS),
}
# The same of other components. Of events their quantities stand in one column.
QUANTITY_COLUMNS = "workspace_id, model_id, key_id, service_tier_id, provider_id, status, price_id, component, quantity"
QUANTITY_SOURCES = {
    Grain.DAYS: ("metering_dailyquantity", "day", QUANTITY_COLUMNS),
    Grain.HOURS: ("metering_hourlyquantity", "hour", QUANTITY_COLUMNS),
    Grain.EVENTS: (
        "metering_usageevent CROSS JOIN jsonb_each_text(others) AS used",
        "occurred_at",
        QUANTITY_COLUMNS.replace("price_id, component, quantity", "COALESCE(price_id, 0) AS price_id,")
        + " used.key AS component, used.value::bigint AS quantity",
    ),
}
BUCKET_STARTS = {
    "minute": "date_trunc('minute', at, 'UTC')",
    "hour": "date_trunc('hour', at, 'UTC')",
    "day": "date_trunc('day', at, 'UTC')",
    "month": "date_trunc('month', at, 'UTC')",
    "none": "%(start)s::timestamptz",
}
# Per group: the columns to sum by, the table that knows its name, the name. A key is looked up within its workspace.
GROUP_COLUMNS = {
    "workspace": (("workspace_id",), "LEFT JOIN workspaces_workspace w ON w.id = s.workspace_id", "w.public_id"),
    "model": (("model_id",), "LEFT JOIN metering_languagemodel m ON m.id = s.model_id", "COALESCE(m.slug, '')"),
    "key_id": (
        ("workspace_id", "key_id"),
        "LEFT JOIN workspaces_apikey k ON k.workspace_id = s.workspace_id AND k.id = s.key_id",
        "COALESCE(k.public_id, '')",
    ),
    "service_tier": (
        ("service_tier_id",),
        "LEFT JOIN metering_servicetier t ON t.id = s.service_tier_id",
        "COALESCE(t.name, '')",
    ),
    "provider": (("provider_id",), "LEFT JOIN metering_provider p ON p.id = s.provider_id", "COALESCE(p.name, '')"),
    "status": (("status",), "", "s.status"),
    "price": (("price_id",), "LEFT JOIN metering_priceversion v ON v.id = s.price_id", "COALESCE(v.public_id, '')"),
    "user": (("end_user",), "", "s.end_user"),
}
SUMS = f"{', '.join(f'SUM({name})::bigint AS {name}' for name in COUNTS)}, SUM(cost) AS cost"
# A row of sums, or one of a component; its name is empty in the first.
SUMMED = ", ".join([*(f"s.{name}" for name in (*COUNTS, "cost")), "s.component", "s.quantity"])
SUMS += ", '' AS component, 0::bigint AS quantity"
COMPONENT_SUMS = f"{', '.join('0::bigint' for _ in COUNTS)}, 0::numeric, component, SUM(quantity)::bigint"


def statement(
    scope: UsageConditions, cut: list[Tile], start: datetime, bucket: str, group_by: tuple[str, ...], *, limit: int
) -> tuple[str, dict[str, Any]]:
    """SQL and its parameters, for tiles from `start` on. Columns: bucket start, the groups' names, the sums, and the name and
    the quantity of a component, in rows that have no sums; at most `limit` rows, unordered.

    Only constants of this module go into the text; every value is a parameter.
    """
    parameters = scope.parameters | {"start": start, "limit": limit}
    for at, tile in enumerate(cut):
        parameters |= {f"start_{at}": tile.start, f"end_{at}": tile.end}
    columns = list(dict.fromkeys(column for group in group_by for column in GROUP_COLUMNS[group][0]))
    more = f", {END_USER} AS end_user" if "user" in group_by else ""
    parts, quantities = (
        "\nUNION ALL\n".join(_tile_sql(sources, scope, tile, at, more) for at, tile in enumerate(cut))
        for sources in (SOURCES, QUANTITY_SOURCES)
    )
    of_group = ", ".join([f"{BUCKET_STARTS[bucket]} AS bucket", *columns])
    names = [GROUP_COLUMNS[group][2] for group in group_by]
    joins = [GROUP_COLUMNS[group][1] for group in group_by]
    sql = f"""
SELECT {", ".join(["s.bucket", *names])}, {SUMMED}
FROM (
SELECT {of_group}, {SUMS}
FROM (
{parts}
) AS usage
GROUP BY {", ".join(["1", *columns])}
UNION ALL
SELECT {of_group}, {COMPONENT_SUMS}
FROM (
{quantities}
) AS used
GROUP BY {", ".join(["1", *columns, "component"])}
) AS s
{" ".join(joins)}
LIMIT %(limit)s"""  # noqa: S608  # constants of this module only
    return sql, parameters


def _tile_sql(sources: Mapping[Grain, tuple[str, str, str]], scope: UsageConditions, tile: Tile, at: int, more: str) -> str:
    table, when, columns = sources[tile.grain]
    conditions = [*scope.conditions, f"{when} >= %(start_{at})s", f"{when} < %(end_{at})s"]
    if tile.grain == Grain.EVENTS:
        conditions.append(IS_COUNTED)  # as in the rollups
        conditions += ["others IS NOT NULL"] if sources is QUANTITY_SOURCES else []
    return f"SELECT {when} AS at, {columns}{more}\nFROM {table}\nWHERE {' AND '.join(conditions)}"
