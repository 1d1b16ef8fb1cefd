"""Which SQLSTATE an error of the database comes down to: the one place that is asked by whatever decides by it.

Usually the server says it. Where a table is distributed, the node that a program speaks to passes on what another one refused
in a COPY as an internal error of its own, with the other's words but not its SQLSTATE: then the words decide.
"""

import re

import psycopg

UNIQUE_VIOLATION = "23505"
INTERNAL = "XX000"

# How PostgreSQL's messages begin or continue, in English, which servers of a cluster speak among themselves.
WORDS = {
    "duplicate key value violates unique constraint": UNIQUE_VIOLATION,
    "violates exclusion constraint": "23P01",
    "violates not-null constraint": "23502",
    "violates foreign key constraint": "23503",
    "violates check constraint": "23514",
    "no partition of relation": "23514",
    "value too long for type": "22001",
    "out of range": "22003",
    "numeric field overflow": "22003",
    "invalid byte sequence for encoding": "22021",
    "exceeds btree version": "54000",
    "index row requires": "54000",
    "deadlock detected": "40P01",
}
NAMED = re.compile(r"\bSQLSTATE\b\W{0,4}([0-9A-Z]{5})\b")


def sqlstate_of(error: BaseException | None) -> str | None:
    """Of the error or of the nearest cause that has one; None when the server said nothing, as when it is away."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        state = getattr(error, "sqlstate", None)
        if state is not None:
            return _in_words(error) or state if state == INTERNAL else state
        error = error.__cause__
    return None


def is_unique_violation(error: BaseException) -> bool:
    """Whether a unique key was there before."""
    return sqlstate_of(error) == UNIQUE_VIOLATION


def _in_words(error: BaseException) -> str | None:
    """By the message alone, unless the SQLSTATE is named: details quote what callers sent."""
    if named := NAMED.search(str(error)):
        return named.group(1)
    message = error.diag.message_primary or "" if isinstance(error, psycopg.Error) else str(error)
    return next((state for words, state in WORDS.items() if words in message), None)
