"""What this PostgreSQL takes at most from one plain writer: binary COPY of the same rows into the same shape of table.

The rows are fetched beforehand as PostgreSQL itself writes them in that format and sent back as they are, so that no adapting
of values in the client limits it.
"""

import time

import psycopg

# The file's header, which comes along with the first row, and its trailer, which comes alone.
HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
TRAILER = b"\xff\xff"

EVENTS_AFTER = """
COPY (SELECT * FROM metering_usageevent WHERE batch_id > {} ORDER BY batch_id, id) TO STDOUT (FORMAT BINARY)
"""
# The events' own columns, primary key, indexes and checks in one piece; and the same with what counts an event once as well.
TABLES = """
CREATE TABLE copy_limit (LIKE metering_usageevent INCLUDING ALL);
CREATE TABLE copy_with_identity (LIKE metering_usageevent INCLUDING ALL);
CREATE UNIQUE INDEX ON copy_with_identity (workspace_id, request_id COLLATE "C", attempt);
"""


class CopyLimits:
    """The tables, which grow with every call as the events' own does."""

    def __init__(self, database: psycopg.Connection, size: int) -> None:
        self.database = database
        self.size = size
        self.last_batch = 0
        database.execute(TABLES)

    def rates(self) -> tuple[float, float]:
        """Rows per second for the events since the last call, committed `size` at a time; and the same with identity."""
        rows = self._new_rows()
        return self._rate("copy_limit", rows), self._rate("copy_with_identity", rows)

    def _rate(self, table: str, rows: list[bytes]) -> float:
        bodies = [HEADER + b"".join(rows[at : at + self.size]) + TRAILER for at in range(0, len(rows), self.size)]
        started = time.monotonic()
        for body in bodies:
            with self.database.cursor() as cursor, cursor.copy(f"COPY {table} FROM STDIN (FORMAT BINARY)") as copy:
                copy.write(body)
        return len(rows) / (time.monotonic() - started)

    def _new_rows(self) -> list[bytes]:
        """In the order of their arrival."""
        with self.database.cursor() as cursor, cursor.copy(EVENTS_AFTER.format(self.last_batch)) as copy:
            first, *others = [bytes(row) for row in copy]
        ((self.last_batch,),) = self.database.execute("SELECT max(id) FROM metering_batch").fetchall()
        if not first.startswith(HEADER) or others.pop() != TRAILER:
            raise ValueError("PostgreSQL sends a binary COPY in other pieces than it did.")
        return [first.removeprefix(HEADER), *others]
