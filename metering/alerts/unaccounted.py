"""Operators are notified of each day with requests that were allowed and never ended. A day is reported once, as soon as it
has any: what was held for long may turn out to be unaccounted days later.
"""

from collections import defaultdict
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db import transaction

from metering.limits.gateway.unaccounted import unaccounted
from metering.money import exact_text
from metering.notifications.announce import announce
from metering.payments.mails.outbox import add_operator_notices
from metering.periods import floor_day

DAYS = timedelta(days=7)


def report_unaccounted(now: datetime) -> dict[str, int]:
    """Looks at the days that ended lately. How many have unaccounted requests, and how many of those are new."""
    today = floor_day(now)
    days: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in unaccounted(today - DAYS, today, None)["data"]:
        if row["unaccounted"]["requests"]:
            days[row["day"]].append(row)
    return {"days": len(days), "new": sum(_report(day, days[day], now) for day in sorted(days))}


@transaction.atomic
def _report(day: str, rows: list[dict[str, Any]], now: datetime) -> bool:
    requests = sum(row["unaccounted"]["requests"] for row in rows)
    usd = exact_text(sum((Decimal(row["unaccounted"]["usd"]) for row in rows), Decimal(0)))
    gateways = [{"gateway_id": row["gateway_id"], **row["unaccounted"]} for row in rows]
    data = {"day": day, "requests": requests, "usd": usd, "currency": "USD", "gateways": gateways}
    if not announce(None, "usage.unaccounted", f"usage.unaccounted:{day}", data, now):
        return False
    listed = ", ".join(f"{each['gateway_id']} ({each['requests']})" for each in gateways)
    context = {"day": day, "requests": str(requests), "usd": usd, "gateways": listed}
    add_operator_notices(None, "usage_unaccounted", f"usage_unaccounted:{day}", context, now)
    return True
