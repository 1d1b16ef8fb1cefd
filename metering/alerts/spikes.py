"""Keys that spend far more within an hour than they usually do.

A key's usual hour is the median of its hours that cost anything, of the 14 days before. Its running hour, or the one that just
ended, is a spike above so many times that and above a least amount, as its workspace has set. A key with fewer such hours than
LEAST_HOURS has no usual hour yet: a budget for each key is what bounds a new one.
"""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple

from django.db import connection, transaction

from metering.alerts.models import USUAL_SPIKE_FACTOR, USUAL_SPIKE_LEAST
from metering.money import exact_text
from metering.notifications.announce import announce
from metering.payments.mails.outbox import add_notice, send_soon
from omixa_billing.instants import instant_text
from workspaces.access.authentication import LAST_USED_GRAIN
from workspaces.errors import KeyRevoked
from workspaces.keys.freezing import freeze_key
from workspaces.models import APIKey

ACTOR = "metering.detect_spikes"
HOUR = timedelta(hours=1)
USUAL_DAYS = timedelta(days=14)
LEAST_HOURS = 24

# By the primary key of the rollups, which begins with workspace and hour: first the hours in question of workspaces whose keys
# were used lately, then the past of those keys alone that spent enough to matter.
SPIKES = """
WITH hourly AS MATERIALIZED (
    SELECT workspace_id, key_id, hour, sum(cost) AS cost FROM metering_hourlyrollup
    WHERE workspace_id IN (SELECT workspace_id FROM workspaces_apikey WHERE last_used_at >= %(used)s)
      AND hour >= %(first)s AND hour <= %(last)s
    GROUP BY workspace_id, key_id, hour HAVING sum(cost) > 0
), spent AS MATERIALIZED (
    SELECT hourly.*, coalesce(chosen.spike_factor, %(factor)s) AS factor, coalesce(chosen.spike_freezes, false) AS freezes
    FROM hourly LEFT JOIN metering_alertsettings chosen USING (workspace_id)
    WHERE hourly.cost >= coalesce(chosen.spike_least, %(least)s)
), past AS (
    SELECT workspace_id, key_id, hour, sum(cost) AS cost FROM metering_hourlyrollup
    WHERE workspace_id IN (SELECT workspace_id FROM spent) AND hour >= %(since)s AND hour < %(first)s
      AND key_id IN (SELECT key_id FROM spent)
    GROUP BY workspace_id, key_id, hour HAVING sum(cost) > 0
), usual AS (
    SELECT key_id, percentile_disc(0.5) WITHIN GROUP (ORDER BY cost) AS cost FROM past
    GROUP BY key_id HAVING count(*) >= %(hours)s
)
SELECT spent.key_id, spent.hour, spent.cost, usual.cost, spent.freezes
FROM spent JOIN usual USING (key_id) WHERE spent.cost > usual.cost * spent.factor ORDER BY spent.key_id, spent.hour
"""


class Spike(NamedTuple):
    """Exact USD. `key_id` is the primary key."""

    key_id: int
    hour: datetime
    spent: Decimal
    usual: Decimal
    freezes: bool


def find_spikes(now: datetime) -> list[Spike]:
    """Of the running hour and the one before, in one statement. The days before both are what is usual."""
    last = now.replace(minute=0, second=0, microsecond=0)
    first = last - HOUR
    asked: dict[str, Any] = {
        "first": first,
        "used": first - LAST_USED_GRAIN,
        "last": last,
        "since": first - USUAL_DAYS,
        "hours": LEAST_HOURS,
        "factor": USUAL_SPIKE_FACTOR,
        "least": USUAL_SPIKE_LEAST,
    }
    with connection.cursor() as cursor:
        cursor.execute(SPIKES, asked)
        return [Spike(*row) for row in cursor.fetchall()]


def alert_to_spikes(now: datetime) -> dict[str, int]:
    """Of each key that works, once in a day of UTC: a person who unfreezes it is not overruled on that day.

    How many spikes there are, how many are new, and how many keys were frozen for one.
    """
    found = find_spikes(now)
    keys = APIKey.objects.select_related("workspace").in_bulk({each.key_id for each in found})
    counts = {"spikes": len(found), "new": 0, "frozen": 0}
    for spike in found:
        key = keys[spike.key_id]
        if key.status(now) == "active":
            new, frozen = _alert(key, spike, now)
            counts["new"] += new
            counts["frozen"] += frozen
    return counts


@transaction.atomic
def _alert(key: APIKey, spike: Spike, now: datetime) -> tuple[bool, bool]:
    """Whether it is new, and whether the key was frozen for it."""
    day = f"{key.public_id}:{spike.hour:%Y-%m-%d}"
    data = {
        "key_id": key.public_id,
        "name": key.name,
        "kind": key.kind,
        "hour": instant_text(spike.hour),
        "spent": exact_text(spike.spent),
        "usual": exact_text(spike.usual),
        "currency": "USD",
        "frozen": spike.freezes,
    }
    if not announce(key.workspace, "key.spend_spike", f"key.spend_spike:{day}", data, now):
        return False, False
    frozen = spike.freezes and _freeze(key, now)
    context = {name: str(value) for name, value in data.items()} | {
        "kind": key.get_kind_display(),
        "frozen": "yes" if frozen else "",
    }
    add_notice(key.workspace, "key_spend_spike", f"key_spend_spike:{day}", context, now)
    send_soon()
    return True, frozen


def _freeze(key: APIKey, now: datetime) -> bool:
    try:
        return freeze_key(key, ACTOR, now, reason=APIKey.Freeze.SPEND_SPIKE)
    except KeyRevoked:  # meanwhile
        return False
