"""A database that fits this code: migrated and with the seed catalogue, brought there by one process at a time."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout

from django.core.management import call_command
from django.db import OperationalError, connection
from django.db.migrations.executor import MigrationExecutor
from django.utils import timezone

from metering.ingest.recording.months import make_months_ahead
from metering.jobs.timetable import apply_timetable
from omixa_billing.advisory_locks import AdvisoryLock, try_lock_for_session, unlock_for_session

from .history import bring_history_up_to_date


def bring_up_to_date() -> None:
    """Apply pending migrations, the timetable and the seed catalogue. Says so on standard error only.

    Raises HistoryRefused.
    """
    with only_one_at_a_time(), redirect_stdout(sys.stderr):
        bring_history_up_to_date()
        if is_behind():
            print("Preparing the database ...", flush=True)
            call_command("migrate", interactive=False, verbosity=0)
        apply_timetable()
        make_months_ahead(timezone.now())
        call_command("load_catalogue")


def is_behind() -> bool:
    executor = MigrationExecutor(connection)
    return bool(executor.migration_plan(executor.loader.graph.leaf_nodes()))


def is_untouched() -> bool:
    """Whether no migration ever ran here."""
    return "django_migrations" not in connection.introspection.table_names()


def wait_until_it_answers(seconds: float) -> None:
    """Raises OperationalError when it does not in that time."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            connection.ensure_connection()
        except OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)
        else:
            return


@contextmanager
def only_one_at_a_time() -> Iterator[None]:
    """Waits by asking again: one waiting inside PostgreSQL would hold up a concurrent index of the one it waits for."""
    while not try_lock_for_session(AdvisoryLock.PREPARATION):
        time.sleep(0.1)
    try:
        yield
    finally:
        unlock_for_session(AdvisoryLock.PREPARATION)
