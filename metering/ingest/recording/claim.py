"""Claims identities, which is what makes an event count once: (workspace, request id, attempt) is given away one time.

Hardly any event is a retry, so a set is claimed whole, by copying its identities straight into their table. Where one of
them was taken before, that fails, and the set is claimed again with care: what is free, and what stands in the way of the
rest. Retries come in waves, so the sets after that one are claimed with care at once.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from django.db import DatabaseError, connection, transaction
from psycopg.types.string import BytesBinaryDumper

from metering.ingest.formats.events import request_hash
from metering.ingest.recording.arrivals import Arrival
from omixa_billing.sqlstates import is_unique_violation

COLUMNS = "workspace_id, request_hash, attempt, occurred_at, fingerprint"
TYPES = ("int4", "bytea", "int4", "timestamptz", "bytea")
COPY = f"COPY metering_eventidentity ({COLUMNS}) FROM STDIN (FORMAT BINARY)"

STAGE = """
CREATE TEMPORARY TABLE IF NOT EXISTS staged_identity (
    position integer, workspace_id integer, request_hash bytea, attempt integer, occurred_at timestamptz, fingerprint bytea
) ON COMMIT DELETE ROWS
"""
COPY_STAGED = f"COPY staged_identity (position, {COLUMNS}) FROM STDIN (FORMAT BINARY)"

CLAIM_FREE = f"""
WITH claimed AS (
    INSERT INTO metering_eventidentity ({COLUMNS})
    SELECT {COLUMNS} FROM staged_identity ORDER BY workspace_id, request_hash, attempt
    ON CONFLICT DO NOTHING
    RETURNING workspace_id, request_hash, attempt
)
SELECT position FROM staged_identity LEFT JOIN claimed USING (workspace_id, request_hash, attempt)
WHERE claimed.workspace_id IS NULL
"""  # noqa: S608 - constants

# A statement of its own, because only a new snapshot sees what another worker committed during the claim.
COMPARE = """
SELECT position, standing.fingerprint
FROM staged_identity staged JOIN metering_eventidentity standing USING (workspace_id, request_hash, attempt)
WHERE position = ANY(%s)
"""

WORTH_HOPING = 100  # identities; below, a savepoint costs more than care
CAREFUL_FOR = 20  # sets after one that met a retry

_careful = 0

# An identity with its event's time and fingerprint, in the order of COLUMNS.
Identity = tuple[int, bytes, int, datetime, bytes]


class Claims(NamedTuple):
    """Arrivals by what became of their claims; together they are all of them."""

    claimed: list[Arrival]
    duplicates: list[Arrival]
    conflicts: list[Arrival]


def claim(arrivals: Sequence[Arrival]) -> Claims:
    """Claims each arrival's identity for the first that has it. Must be called inside a transaction."""
    firsts: dict[tuple[int, str, int], Arrival] = {}
    others = []
    for arrival in arrivals:
        event = arrival.event
        if firsts.setdefault((arrival.workspace_id, event.request_id, event.attempt), arrival) is not arrival:
            others.append(arrival)
    identities = [_identity(arrival) for arrival in firsts.values()]
    standing = _claim(identities)
    if not standing and not others:
        return Claims(list(firsts.values()), [], [])
    return _sort_out(firsts, others, identities, standing)


def _identity(arrival: Arrival) -> Identity:
    event = arrival.event
    return arrival.workspace_id, request_hash(event.request_id), event.attempt, event.occurred_at, event.fingerprint()


def _sort_out(
    firsts: dict[tuple[int, str, int], Arrival],
    others: list[Arrival],
    identities: list[Identity],
    standing: dict[int, bytes],
) -> Claims:
    """An event whose identity another one has is a duplicate if both say the same, and in conflict otherwise."""
    claims = Claims([], [], [])
    holders: dict[tuple[int, str, int], bytes] = {}
    for position, (name, arrival) in enumerate(firsts.items()):
        fingerprint = identities[position][-1]
        holder = holders[name] = standing.get(position, fingerprint)
        if position not in standing:
            claims.claimed.append(arrival)
        elif fingerprint == holder:
            claims.duplicates.append(arrival)
        else:
            claims.conflicts.append(arrival)
    for arrival in others:
        name = (arrival.workspace_id, arrival.event.request_id, arrival.event.attempt)
        same = arrival.event.fingerprint() == holders[name]
        (claims.duplicates if same else claims.conflicts).append(arrival)
    return claims


def _claim(identities: list[Identity]) -> dict[int, bytes]:
    """The positions whose identity was taken before, each with the fingerprint of the event that stands there."""
    global _careful
    if _careful == 0 and len(identities) >= WORTH_HOPING:
        try:
            with transaction.atomic():
                _copy(COPY, TYPES, sorted(identities))
            return {}
        except DatabaseError as error:
            if not is_unique_violation(error):
                raise
            _careful = CAREFUL_FOR
    _careful = max(_careful - 1, 0)
    return _claim_with_care(identities) if identities else {}


def _claim_with_care(identities: list[Identity]) -> dict[int, bytes]:
    with connection.cursor() as cursor:
        cursor.execute(STAGE)
        cursor.execute("DELETE FROM staged_identity")
        _copy(COPY_STAGED, ("int4", *TYPES), [(position, *identity) for position, identity in enumerate(identities)])
        cursor.execute(CLAIM_FREE)
        lost = [position for (position,) in cursor.fetchall()]
        if not lost:
            return {}
        cursor.execute(COMPARE, [lost])
        return {position: bytes(fingerprint) for position, fingerprint in cursor.fetchall()}


def _copy(statement: str, types: Sequence[str], rows: Sequence[tuple[object, ...]]) -> None:
    with connection.cursor() as cursor, connection.wrap_database_errors:
        cursor.adapters.register_dumper(bytes, BytesBinaryDumper)  # else psycopg takes its slow one for the bytea columns
        with cursor.copy(statement) as copy:
            copy.set_types(types)
            for row in rows:
                copy.write_row(row)
