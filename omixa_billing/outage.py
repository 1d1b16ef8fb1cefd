"""Tells a database that is away, or refuses everybody, from one that refuses what it was asked."""

from django.db import InterfaceError, InternalError, OperationalError

from omixa_billing.sqlstates import sqlstate_of

# What a request meets when nothing can be stored now: it is answered 503.
STORAGE_ERRORS = (OperationalError, InterfaceError, InternalError)

# SQLSTATEs, by class or whole: connection lost, shutting down, no connection or disk left, read only after a failover, idle
# for too long; and the deadlock that one of two transactions lost, which goes well the next time.
OUTAGES = ("08", "57P", "53100", "53300", "25006", "25P03", "25P04", "40P01", "40001", "58")


def is_outage(error: BaseException) -> bool:
    """Whether the same work may succeed later without anything in it having to change."""
    if not isinstance(error, STORAGE_ERRORS):
        return False
    sqlstate = sqlstate_of(error)
    return isinstance(error, OperationalError | InterfaceError) if sqlstate is None else sqlstate.startswith(OUTAGES)
