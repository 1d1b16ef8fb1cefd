"""Drops the inbox's old days whole. What was in them is recorded or in the quarantine; a day in which anything waits stays."""

from datetime import datetime, timedelta

import structlog
from django.conf import settings
from django.db import OperationalError, connection, transaction

from metering.ingest.directory import directory
from metering.ingest.recording.months import make_months_ahead

log = structlog.get_logger(__name__)

AHEAD = (timedelta(0), timedelta(days=1), timedelta(days=2))

# A partition ends where its bound says: FOR VALUES FROM ('...') TO ('...').
OVER = """
SELECT child.relname FROM pg_inherits JOIN pg_class child ON child.oid = inhrelid
WHERE inhparent = 'metering_batch'::regclass
  AND substring(pg_get_expr(child.relpartbound, child.oid) FROM 'TO \\(''(.*)''\\)')::timestamptz <= %s
ORDER BY child.relname
"""


def tend_inbox(now: datetime) -> list[str]:
    """Makes the days and months that are coming, and returns the names of the old days it dropped."""
    make_months_ahead(now)
    for ahead in AHEAD:
        directory.ensure_day(now + ahead)
    with connection.cursor() as cursor:
        cursor.execute(OVER, [now - timedelta(days=settings.INBOX_RETENTION_DAYS)])
        over = [name for (name,) in cursor.fetchall()]
    return [name for name in over if _drop(name)]


def _drop(name: str) -> bool:
    """Unless something in it waits, or the table is too busy just now: then the next time."""
    table = connection.ops.quote_name(name)
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            # What waits for this lock holds up everything behind it.
            cursor.execute("SET LOCAL lock_timeout = '1s'")
            cursor.execute("LOCK TABLE ONLY metering_batch IN ACCESS EXCLUSIVE MODE")
            cursor.execute(f"SELECT EXISTS (SELECT FROM {table} WHERE status = 'pending')")  # noqa: S608 - from the catalogue
            if cursor.fetchone()[0]:
                log.warning("inbox_day_kept", day=name, reason="batches in it are still waiting")
                return False
            cursor.execute(f"DROP TABLE {table}")
    except OperationalError as error:
        log.warning("inbox_day_kept", day=name, reason=str(error).splitlines()[0])
        return False
    log.info("inbox_day_dropped", day=name)
    return True
