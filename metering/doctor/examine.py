"""The whole examination, in an order in which one server that is away does not hide what else is to be said."""

from collections.abc import Iterator
from datetime import UTC, datetime

from django.db import DatabaseError, InterfaceError

from metering.doctor import machine, servers, work
from metering.doctor.findings import ERROR, INFO, Finding
from omixa_billing.embedded import home, locks

AWAY = (DatabaseError, InterfaceError)


def examine(now: datetime) -> Iterator[Finding]:
    """Everything found. Changes nothing."""
    yield from machine.settings_found()
    yield from machine.disk_found()
    yield from machine.permissions_found()
    runs, started_at = _running_here()
    if not runs:
        yield Finding("running", INFO, f"Nothing runs on {home.home_path()} here.", "Start it with make run.")
    # On servers of the operator's own the product may run elsewhere, and is then expected to.
    expected = runs or not home.uses_embedded_redis()
    yield from _database(now, expected, started_at)
    if expected:
        yield from _broker()
    yield from servers.mail_found()
    yield from servers.stripe_found()


def _running_here() -> tuple[bool, datetime | None]:
    lock = home.run_directory() / "lock"
    if not locks.is_held(lock):
        return False, None
    return True, datetime.fromtimestamp(lock.stat().st_mtime, UTC)


def _database(now: datetime, expected: bool, started_at: datetime | None) -> Iterator[Finding]:
    try:
        yield from servers.database_found()
        pending = list(servers.migrations_found(expected))
        yield from pending
        if not pending:
            yield from work.waiting_found(now, expected)
            yield from work.unaccounted_found(now)
            yield from work.not_understood_found()
            yield from work.provider_costs_found(now)
            yield from work.webhooks_found(now, expected)
            if expected:
                yield from work.schedule_found(now, started_at)
    except AWAY as error:
        fix = "See log/postgres.log." if home.uses_embedded_postgres() else "Start it, or correct DATABASE_URL."
        yield Finding("database", ERROR, f"The database does not answer: {' '.join(str(error).split())}", fix)


def _broker() -> Iterator[Finding]:
    try:
        yield from servers.broker_found()
        yield from work.workers_found()
    except servers.BROKER_ERRORS as error:
        yield servers.broker_away(error)
