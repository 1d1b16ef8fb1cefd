"""Makes the rollups again from the events, and counts what was not as it should be."""

from django.db import connection, transaction

from metering.periods import Period
from metering.rollups.compare import (
    FROM_EVENTS,
    GRAINS,
    KEY,
    QUANTITIES_FROM_EVENTS,
    QUANTITY_TABLES,
    quantity_differences,
    rollup_differences,
)
from metering.rollups.fold import SUMS
from metering.rollups.margins import rebuild_margins
from metering.rollups.models import SettledUsage

DELETE = "DELETE FROM {table} WHERE {grain} >= %s AND {grain} < %s"
INSERT = "INSERT INTO {table} ({key}, {sums}) SELECT {columns} FROM ({from_events}) events"
INSERT_QUANTITIES = "INSERT INTO {table} ({key}, component, quantity) SELECT {columns} FROM ({from_events}) events"


def rebuild(period: Period) -> dict[str, int]:
    """Replaces a month's rollups by what its events say: {"hours": hourly rows written, "changed": rows that were wrong}.

    Writers of events wait until it is done, so that nothing arrives between the reading and the writing.
    """
    bounds = [period.start, period.end]
    written = {}
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("LOCK TABLE metering_usageevent IN SHARE ROW EXCLUSIVE MODE")
        changed = sum(rollup_differences(grain, period).count + quantity_differences(grain, period).count for grain in GRAINS)
        for grain, table in GRAINS.items():
            cursor.execute(DELETE.format(table=table, grain=grain), bounds)
            cursor.execute(_insert(grain, table), bounds)
            written[grain] = cursor.rowcount
            cursor.execute(DELETE.format(table=QUANTITY_TABLES[grain], grain=grain), bounds)
            cursor.execute(_insert_quantities(grain), bounds)
        changed += rebuild_margins(period)
        SettledUsage.objects.filter(through__gt=period.start).delete()
    return {"hours": written["hour"], "changed": changed}


def _insert_quantities(grain: str) -> str:
    return INSERT_QUANTITIES.format(
        table=QUANTITY_TABLES[grain],
        key=KEY.replace("start", grain),
        columns=f"{KEY}, component, quantity",
        from_events=QUANTITIES_FROM_EVENTS.format(grain=grain),
    )


def _insert(grain: str, table: str) -> str:
    sums = ", ".join(SUMS)
    return INSERT.format(
        table=table,
        key=KEY.replace("start", grain),
        sums=sums,
        columns=f"{KEY}, {sums}",
        from_events=FROM_EVENTS.format(grain=grain),
    )
