"""What this PostgreSQL takes at most from one plain writer: binary COPY of the same rows into the same shape of table.

The writer is what any program in Python would have: psycopg, to which it hands the values of each row. Beside it stands what
the server alone takes, of rows that PostgreSQL itself wrote in that format and that are sent back as they are.
"""

import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import psycopg
from psycopg import sql

# The file's header, which comes along with the first row, and its trailer, which comes alone.
HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
TRAILER = b"\xff\xff"

COLUMNS = """
SELECT attname, format_type(atttypid, NULL) FROM pg_attribute
WHERE attrelid = 'metering_usageevent'::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum
"""
EVENTS_AFTER = "SELECT {} FROM metering_usageevent WHERE batch_id > {} ORDER BY batch_id, id"
# The events' own columns, primary key (by workspace and time), indexes and checks, and the index by which each counts once: the
# product has that one in a table of its own, over all partitions.
TABLES = """
CREATE TABLE copy_limit (LIKE metering_usageevent INCLUDING ALL);
CREATE UNIQUE INDEX ON copy_limit (workspace_id, request_id COLLATE "C", attempt);
CREATE TABLE copy_ready_made (LIKE copy_limit INCLUDING ALL);
CREATE TABLE copy_uncounted (LIKE metering_usageevent INCLUDING ALL);
"""


class Rates(NamedTuple):
    """Rows per second: a plain writer's, those of ready-made rows, and a plain writer's where nothing counts events once."""

    plain: float
    ready_made: float
    uncounted: float


class CopyLimits:
    """The tables, which grow with every call as the events' own does."""

    def __init__(self, database: psycopg.Connection, size: int) -> None:
        self.database = database
        self.size = size
        self.last_batch = 0
        database.execute(TABLES)
        named = database.execute(COLUMNS).fetchall()
        self.columns = sql.SQL(", ").join(sql.Identifier(name) for name, _ in named)
        self.types = [kind for _, kind in named]

    def rates(self) -> Rates:
        """For the events since the last call, committed `size` at a time."""
        events = sql.SQL(EVENTS_AFTER).format(self.columns, self.last_batch)
        rows, ready_made = self.database.execute(events).fetchall(), self._ready_made(events)
        ((self.last_batch,),) = self.database.execute("SELECT max(id) FROM metering_batch").fetchall()
        return Rates(
            self._rate("copy_limit", rows, self._write),
            self._rate("copy_ready_made", ready_made, write_ready_made),
            self._rate("copy_uncounted", rows, self._write),
        )

    def _rate(self, table: str, rows: list[Any], write: Callable[[psycopg.Copy, list[Any]], None]) -> float:
        statement = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT BINARY)").format(sql.Identifier(table), self.columns)
        started = time.monotonic()
        for at in range(0, len(rows), self.size):
            with self.database.cursor() as cursor, cursor.copy(statement) as copy:
                write(copy, rows[at : at + self.size])
        return len(rows) / (time.monotonic() - started)

    def _write(self, copy: psycopg.Copy, rows: list[tuple[Any, ...]]) -> None:
        copy.set_types(self.types)
        for row in rows:
            copy.write_row(row)

    def _ready_made(self, events: sql.Composed) -> list[bytes]:
        statement = sql.SQL("COPY ({}) TO STDOUT (FORMAT BINARY)").format(events)
        with self.database.cursor() as cursor, cursor.copy(statement) as copy:
            first, *others = pieces(copy)
        if not first.startswith(HEADER) or others.pop() != TRAILER:
            raise ValueError("PostgreSQL sends a binary COPY in other pieces than it did.")
        return [first.removeprefix(HEADER), *others]


def write_ready_made(copy: psycopg.Copy, rows: list[bytes]) -> None:
    copy.write(HEADER + b"".join(rows) + TRAILER)


def pieces(copy: psycopg.Copy) -> Iterator[bytes]:
    return (bytes(piece) for piece in copy)
