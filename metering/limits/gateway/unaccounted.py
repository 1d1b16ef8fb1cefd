"""Requests that were allowed and never ended: authorised less settled, released and live. Nobody else can name them."""

from collections import defaultdict
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db import connection

from metering.limits.models import HoldStatus
from metering.money import exact_text
from workspaces.models import Gateway

NAMES = {status.value: status.label for status in HoldStatus} | {HoldStatus.EXPIRED.value: "unaccounted"}
NOTHING = Decimal(0)
Sum = tuple[int, Decimal]  # requests and USD

# Rows that there are, and the sums of those that were dropped: whole days, by the day they were authorised.
COUNTED = """
SELECT gateway_id, day, status, sum(requests), sum(amount) FROM (
    SELECT gateway_id, (created_at AT TIME ZONE 'UTC')::date AS day, status, count(*) AS requests, sum(amount) AS amount
    FROM metering_hold WHERE created_at >= %(start)s AND created_at < %(end)s GROUP BY 1, 2, 3
    UNION ALL
    SELECT gateway_id, day, status, requests, amount FROM metering_holdday
    WHERE day >= (%(start)s::timestamptz AT TIME ZONE 'UTC')::date AND day < (%(end)s::timestamptz AT TIME ZONE 'UTC')
) AS held WHERE %(gateway)s::int IS NULL OR gateway_id = %(gateway)s GROUP BY 1, 2, 3 ORDER BY 2, 1
"""


def unaccounted(start: datetime, end: datetime, gateway: Gateway | None) -> dict[str, Any]:
    """`{"total", "data"}`: by gateway and day of authorising, requests and USD of each state. None: all gateways."""
    only = None if gateway is None else gateway.pk
    with connection.cursor() as cursor:
        cursor.execute(COUNTED, {"start": start, "end": end, "gateway": only})
        rows = cursor.fetchall()
    names = dict(Gateway.objects.filter(pk__in={row[0] for row in rows}).values_list("pk", "public_id"))
    total = _nothing()
    days: dict[tuple[str, str], dict[str, Sum]] = defaultdict(_nothing)
    for gateway_pk, day, status, requests, amount in rows:
        sums = days[day.isoformat(), names[gateway_pk]]
        for name in ("authorised", NAMES[status]):
            sums[name] = sums[name][0] + int(requests), sums[name][1] + amount
            total[name] = total[name][0] + int(requests), total[name][1] + amount
    data = [{"day": day, "gateway_id": name} | _as_json(sums) for (day, name), sums in sorted(days.items())]
    return {"total": _as_json(total), "data": data}


def _nothing() -> dict[str, Sum]:
    return dict.fromkeys(("authorised", *NAMES.values()), (0, NOTHING))


def _as_json(sums: dict[str, Sum]) -> dict[str, Any]:
    return {name: {"requests": requests, "usd": exact_text(usd)} for name, (requests, usd) in sums.items()}


EXPIRED_LATELY = f"""
SELECT count(*), coalesce(sum(amount), 0) FROM metering_hold
WHERE status = {HoldStatus.EXPIRED.value} AND created_at >= %s
"""  # noqa: S608 - constants


def unaccounted_since(start: datetime) -> Sum:
    """Requests, and USD at most, that were allowed since then, ran out, and have met no event yet: from their index alone."""
    with connection.cursor() as cursor:
        cursor.execute(EXPIRED_LATELY, [start])
        requests, usd = cursor.fetchone()
    return requests, usd
