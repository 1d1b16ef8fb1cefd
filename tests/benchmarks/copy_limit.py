"""What this PostgreSQL takes at most from one plain writer: binary COPY of the same rows into the same shape."""

import time
from typing import Any

import psycopg
from psycopg import sql

TABLE = "benchmark_copy"
SHAPE = f"CREATE TABLE IF NOT EXISTS {TABLE} (LIKE metering_usageevent INCLUDING ALL)"
COLUMNS = """
SELECT attname, format_type(atttypid, NULL) FROM pg_attribute
WHERE attrelid = 'metering_usageevent'::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum
"""


def copy_rate(connection: psycopg.Connection, after_batch: int, size: int) -> float:
    """Rows per second for the events of later batches, committed `size` at a time. The table grows with every call."""
    connection.execute(SHAPE)
    named = connection.execute(COLUMNS).fetchall()
    columns = sql.SQL(", ").join(sql.Identifier(name) for name, _ in named)
    query = sql.SQL("SELECT {} FROM metering_usageevent WHERE batch_id > {} ORDER BY batch_id, id").format(columns, after_batch)
    with psycopg.ClientCursor(connection) as cursor:
        rows = cursor.execute(query).fetchall()
    copy = sql.SQL(f"COPY {TABLE} ({{}}) FROM STDIN (FORMAT BINARY)").format(columns)
    started = time.monotonic()
    for first in range(0, len(rows), size):
        copy_batch(connection, copy, [kind for _, kind in named], rows[first : first + size])
    return len(rows) / (time.monotonic() - started)


def copy_batch(connection: psycopg.Connection, statement: sql.Composed, types: list[str], rows: list[Any]) -> None:
    """One transaction."""
    with connection.transaction(), connection.cursor() as cursor, cursor.copy(statement) as copy:
        copy.set_types(types)
        for row in rows:
            copy.write_row(row)
