"""What keeps the large tables from being distributed by workspace, read from the catalog. No Citus is needed for it."""

from django.db import connection

DISTRIBUTED = (
    "metering_usageevent",
    "metering_eventidentity",
    "metering_hourlyrollup",
    "metering_dailyrollup",
    "metering_hourlyquantity",
    "metering_dailyquantity",
    "metering_dailymargin",
    "metering_eventcorrection",
)
# Copied whole to every node; everything else stays on one.
EVERYWHERE = ("metering_servicetier", "metering_provider")

UNIQUE = """
SELECT indexrelid::regclass::text FROM pg_index
WHERE indisunique AND (indrelid = ANY(%(distributed)s::regclass[])
    OR indrelid IN (SELECT inhrelid FROM pg_inherits WHERE inhparent = ANY(%(distributed)s::regclass[])))
  AND NOT EXISTS (
    SELECT FROM pg_attribute
    WHERE attrelid = indrelid AND attname = 'workspace_id' AND attnotnull AND attnum = ANY(indkey))
ORDER BY 1
"""
FOREIGN_KEYS = """
SELECT conrelid::regclass::text, confrelid::regclass::text FROM pg_constraint
WHERE contype = 'f' AND conparentid = 0 AND (
    confrelid = ANY(%(distributed)s::regclass[])
    OR conrelid = ANY(%(distributed)s::regclass[]) AND confrelid <> ALL(%(everywhere)s::regclass[])
    OR confrelid = ANY(%(everywhere)s::regclass[]) AND conrelid <> ALL(%(distributed)s::regclass[]))
ORDER BY 1, 2
"""
TRIGGERS = """
SELECT tgrelid::regclass::text, tgname FROM pg_trigger JOIN pg_proc ON pg_proc.oid = tgfoid
WHERE tgrelid = ANY(%(distributed)s::regclass[]) AND NOT tgisinternal
  AND prosrc ~* '\\m(from|join|select|perform|insert|into)\\M'
ORDER BY 1, 2
"""


def shape_faults() -> list[str]:
    """Each in one sentence; none, when the tables have the shape."""
    with connection.cursor() as cursor:
        # A database of before has not all of them.
        cursor.execute("SELECT name FROM unnest(%s::text[]) AS name WHERE to_regclass(name) IS NOT NULL", [list(DISTRIBUTED)])
        tables = {"distributed": [name for (name,) in cursor.fetchall()], "everywhere": list(EVERYWHERE)}
        cursor.execute(UNIQUE, tables)
        found = [f"{index} is unique without a workspace_id that is not null" for (index,) in cursor.fetchall()]
        cursor.execute(FOREIGN_KEYS, tables)
        found += [f"{table} has a foreign key to {other}" for table, other in cursor.fetchall()]
        cursor.execute(TRIGGERS, tables)
        found += [f"{name} on {table} reads a table" for table, name in cursor.fetchall()]
    return found
