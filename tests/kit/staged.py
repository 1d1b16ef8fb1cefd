"""The tables that a worker makes in its session once. In a test's transaction each test would make them, and take them back."""

import threading
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper

from metering.ingest.recording import claim
from metering.rollups import fold


def make_tables(connection: BaseDatabaseWrapper, **_: Any) -> None:
    """In each session of the thread that runs tests; others come and go within one."""
    if threading.current_thread() is threading.main_thread():
        with connection.cursor() as cursor:
            cursor.execute(claim.STAGE)
            cursor.execute(fold.STAGE)
