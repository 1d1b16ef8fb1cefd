"""Nothing of one test reaches the next: what the process remembers is forgotten, and what a test leaves behind fails it."""

import logging
import os
import signal
import threading
import time
from collections.abc import Callable
from typing import Any

import structlog
from django.conf import settings
from django.contrib.contenttypes.models import ContentType
from django.core.cache import caches
from django.core.cache.backends.locmem import LocMemCache
from django.db import connections, transaction

from metering.ingest.quarantine import estimate
from metering.ingest.recording import claim
from metering.limits import known
from metering.payments.stripe import client
from metering.pricing import current, outlook, recent
from omixa_billing import reminders
from tests.kit import factories
from workspaces.audit import entries
from workspaces.redaction import redact_statement

SECONDS_TO_END = 10  # of a thread that a test started
# Lives as long as its process; what it was asked for is forgotten.
LASTING_THREADS = {"reminder"}


def forget() -> None:
    """A process remembers ids, rates and reminders between transactions; tests roll the database back under it."""
    reminders.forget_asked()
    factories.forget_names()
    current.forget_rates()
    recent.forget_recent_rates()
    known.forget_known()
    entries.forget_seen()
    outlook._kept = None
    claim._careful = 0
    estimate._after = 0
    client._edge.cache_clear()
    structlog.contextvars.clear_contextvars()
    for cache in caches.all(initialized_only=True):
        if isinstance(cache, LocMemCache):  # what lies elsewhere goes with the database
            cache.clear()


class Migrated:
    """What migrations left: rows and partitions. A test that commits adds to both, and the next finds these again."""

    def __init__(self) -> None:
        self.partitions = partitions()
        with connections["default"].cursor() as cursor:
            self.rows = {table: _copy_out(cursor, table) for table in _tables_with_rows(cursor)}

    def put_back(self) -> None:
        """Only what is different is written, past triggers and keys. Emptying every table would take a second."""
        with transaction.atomic(), connections["default"].cursor() as cursor:
            cursor.execute("SET LOCAL session_replication_role = replica")
            for name in partitions() - self.partitions:
                cursor.execute(f"DROP TABLE {name}")
            for table in set(_tables_with_rows(cursor)) - self.rows.keys():
                cursor.execute(f"DELETE FROM {table}")
            for table, rows in self.rows.items():
                if _copy_out(cursor, table) != rows:
                    cursor.execute(f"DELETE FROM {table}")
                    _copy_in(cursor, table, rows)
        ContentType.objects.clear_cache()


def partitions() -> set[str]:
    with connections["default"].cursor() as cursor:
        cursor.execute("SELECT inhrelid::regclass::text FROM pg_inherits JOIN pg_class ON oid = inhrelid WHERE relkind = 'r'")
        return {name for (name,) in cursor.fetchall()}


def _tables_with_rows(cursor: Any) -> list[str]:
    """Partitions by themselves, without the history of migrations. Asked past those who watch statements of the product."""
    cursor.execute("SELECT oid::regclass::text FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace")
    tables = [name for (name,) in cursor.fetchall() if name != "django_migrations"]
    cursor.cursor.execute(" UNION ALL ".join(f"SELECT '{name}' WHERE EXISTS (SELECT FROM {name})" for name in tables))
    return [name for (name,) in cursor.fetchall()]


def _copy_out(cursor: Any, table: str) -> bytes:
    with cursor.copy(f"COPY {table} TO STDOUT") as copy:
        return b"".join(copy)


def _copy_in(cursor: Any, table: str, rows: bytes) -> None:
    with cursor.copy(f"COPY {table} FROM STDIN") as copy:
        copy.write(rows)


class Surroundings:
    """What a test finds, and has to leave as it was."""

    def __init__(self) -> None:
        self.found = {name: look() for name, look in LOOKS.items()}
        self.threads = set(threading.enumerate())

    def changes(self) -> list[str]:
        """What is different now, as sentences; waits for threads that are about to end."""
        changed = [_difference(name, self.found[name], look()) for name, look in LOOKS.items()]
        return [each for each in [*changed, self._threads_left()] if each]

    def _threads_left(self) -> str:
        deadline = time.monotonic() + SECONDS_TO_END
        while left := self._new_threads():
            if time.monotonic() > deadline:
                return f"threads: {', '.join(left)} did not end"
            time.sleep(0.005)
        return ""

    def _new_threads(self) -> list[str]:
        return [each.name for each in set(threading.enumerate()) - self.threads if each.name not in LASTING_THREADS]


def _environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name != "PYTEST_CURRENT_TEST"}


def _settings() -> dict[str, Any]:
    return {name: value for name, value in vars(settings._wrapped).items() if name.isupper()}


def _log_handlers() -> dict[str, Any]:
    """By their kind: Celery sets Django up again when it loads tasks, which makes the same handlers once more.

    Without pytest's own, which come with each phase of a test, and those that drop everything, as libraries have.
    """
    loggers = {"root": logging.root, **logging.root.manager.loggerDict}
    found = {name: getattr(logger, "handlers", ()) for name, logger in loggers.items()}
    kinds = {name: [type(each).__name__ for each in handlers if not _is_harmless(each)] for name, handlers in found.items()}
    return {name: kind for name, kind in kinds.items() if kind}


def _is_harmless(handler: logging.Handler) -> bool:
    return type(handler).__module__.startswith("_pytest") or isinstance(handler, logging.NullHandler)


def _query_wrappers() -> dict[str, Any]:
    found = {
        each.alias: [wrapper for wrapper in each.execute_wrappers if wrapper is not redact_statement]  # the product's own
        for each in connections.all(initialized_only=True)
    }
    return {alias: wrappers for alias, wrappers in found.items() if wrappers}


def _signals() -> dict[str, Any]:
    return {each.name: signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGALRM)}


LOOKS: dict[str, Callable[[], dict[str, Any]]] = {
    "environment": _environment,
    "settings": _settings,
    "log handlers": _log_handlers,
    "query wrappers": _query_wrappers,
    "signal handlers": _signals,
    "folder": lambda: {"current": os.getcwd()},
}


def _difference(what: str, before: dict[str, Any], after: dict[str, Any]) -> str:
    names = sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))
    return f"{what}: {', '.join(names)} changed" if names else ""
