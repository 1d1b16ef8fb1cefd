"""The chain as it stands: each sealed entry in its place, and the proof that nothing was changed, removed or inserted.

The proof computes every hash itself, from the columns, and asks the database's own functions nothing. docs/running.md gives
the form of an entry's text, for those who check an export with a program of their own.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, NamedTuple

from django.db import connection

from workspaces.audit.models import AuditHead
from workspaces.errors import NotAHead
from workspaces.ids import AUDIT_PREFIX
from workspaces.models import Workspace

FORM = "v1"
BEFORE_THE_FIRST = "00" * 32
ROWS_AT_ONCE = 2_000
NEWEST = 200
SEALING = "audit_wants_a_seal, audit_is_sealed_last"  # the triggers, in the order in which they fire

# A seal without an entry, and an entry without a seal, are reported, not left out.
LINKS = f"""
SELECT s.position, encode(s.previous_hash, 'hex'), encode(s.hash, 'hex'), '{AUDIT_PREFIX}' || e.id,
       to_char(e.at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), e.actor_kind, e.actor, e.action, w.public_id,
       e.target, host(e.ip_address), e.user_agent, e.detail::text
FROM workspaces_auditseal s
LEFT JOIN workspaces_auditentry e ON e.id = s.entry_id
LEFT JOIN workspaces_workspace w ON w.id = e.workspace_id
WHERE s.position > %s AND (%s::bigint IS NULL OR e.workspace_id = %s)
ORDER BY s.position LIMIT %s
"""  # noqa: S608 - a constant
UNSEALED = f"""
SELECT '{AUDIT_PREFIX}' || e.id FROM workspaces_auditentry e
WHERE NOT EXISTS (SELECT FROM workspaces_auditseal s WHERE s.entry_id = e.id) ORDER BY e.id LIMIT 1
"""  # noqa: S608 - a constant


class Link(NamedTuple):
    """A seal and its entry, as text. `id` and what follows it are None where the entry is gone."""

    position: int
    previous_hash: str
    hash: str
    id: str | None
    at: str | None
    actor_kind: str | None
    actor: str | None
    action: str | None
    workspace_id: str | None
    target: str | None
    ip_address: str | None
    user_agent: str | None
    detail: str | None

    def text(self) -> str:
        """What is hashed. `detail` is in the database's own writing already."""
        columns = (FORM, self.position, self.previous_hash, *self[3:12])
        return f"[{', '.join(json.dumps(column, ensure_ascii=False) for column in columns)}, {self.detail}]"

    def line(self) -> str:
        """One line of the export: an object of the same members."""
        columns = zip(self._fields, self, strict=True)
        members = [
            f"{json.dumps(name)}: {json.dumps(value, ensure_ascii=False)}" for name, value in columns if name != "detail"
        ]
        return f"{{{', '.join(members)}, {json.dumps('detail')}: {self.detail}}}\n"


@dataclass(frozen=True, slots=True)
class ChainHead:
    """Where the chain ended at some time. It is worth most where this database cannot reach it."""

    position: int
    hash: str

    def __str__(self) -> str:
        return f"{self.position}:{self.hash}"


def head() -> ChainHead:
    found = AuditHead.objects.first()
    return ChainHead(0, BEFORE_THE_FIRST) if found is None else ChainHead(found.position, bytes(found.hash).hex())


def parse_head(text: str) -> ChainHead:
    """Of `POSITION:HASH`, as the nightly proof logs it. Raises NotAHead."""
    position, _, digest = text.partition(":")
    if not (position.isascii() and position.isdecimal() and len(digest) == 64):
        raise NotAHead(
            "A head of the trail is POSITION:HASH, such as 1204:9f86d0… with 64 digits, as the nightly proof notes it."
        )
    return ChainHead(int(position), digest.lower())


def links(workspace: Workspace | None = None) -> Iterator[Link]:
    """The chain from its first entry, however long, a page at a time; or what of it is one workspace's."""
    position, only = 0, None if workspace is None else workspace.pk
    while page := _page(position, only):
        yield from page
        position = page[-1].position


def _page(position: int, only: int | None) -> list[Link]:
    with connection.cursor() as cursor:
        cursor.execute(LINKS, [position, only, only, ROWS_AT_ONCE])
        return [Link._make(row) for row in cursor.fetchall()]


def verify(*known: ChainHead) -> dict[str, Any]:
    """`{"ok", "entries", "first_difference", "head"}`; `known` are heads that were noted earlier, and still have to be there.

    Acts may run meanwhile: they only add behind the head that is read first.
    """
    _seal_own_entries()
    expected: dict[int, set[str]] = {}
    for each in (*known, head()):
        expected.setdefault(each.position, set()).add(each.hash)
    expected.pop(0, None)
    before, entries, difference = ChainHead(0, BEFORE_THE_FIRST), 0, None
    for link in links():
        if problem := _problem(link, before) or _not_as_known(link, expected.pop(link.position, None)):
            difference = {"position": link.position, "entry": link.id, "problem": problem}
            break
        before, entries = ChainHead(link.position, link.hash), entries + 1
    if difference is None:
        difference = _missing_end(expected, before) or _unsealed()
    return {"ok": difference is None, "entries": entries, "first_difference": difference, "head": str(before)}


def newest_state(most: int = NEWEST) -> dict[str, Any]:
    """`{"head", "problem"}` of the newest links alone, for a page; `verify` proves the whole."""
    end = head()
    before, problem = None, ""
    for link in _page(max(end.position - most, 0), None):
        before = before or ChainHead(link.position - 1, link.previous_hash)
        if problem := _problem(link, before):
            return {"head": end, "problem": f"{link.position}: {problem}"}
        before = ChainHead(link.position, link.hash)
    if end.position and (before is None or before.position < end.position):
        problem = f"{end.position}: the last entries were removed"
    return {"head": end, "problem": problem}


def _seal_own_entries() -> None:
    """What this transaction itself recorded has its seal before the commit too."""
    if connection.in_atomic_block:
        with connection.cursor() as cursor:
            cursor.execute(f"SET CONSTRAINTS {SEALING} IMMEDIATE")
            cursor.execute(f"SET CONSTRAINTS {SEALING} DEFERRED")


def _problem(link: Link, before: ChainHead) -> str:
    if link.position != before.position + 1:
        return f"the entry before it is {before.position}: those between were removed"
    if link.id is None:
        return "the entry was removed"
    if link.previous_hash != before.hash:
        return "it does not follow from the entry before it"
    if sha256(link.text().encode()).hexdigest() != link.hash:
        return "the entry was changed after it was written, or put into another's place"
    return ""


def _not_as_known(link: Link, expected: set[str] | None) -> str:
    if not expected or expected == {link.hash}:
        return ""
    return "a head noted earlier has another hash: the chain was made again from here or before"


def _missing_end(expected: dict[int, set[str]], last: ChainHead) -> dict[str, Any] | None:
    """Heads that the chain does not reach."""
    if not expected:
        return None
    position = min(expected)
    problem = f"the chain ends at {last.position}, and its head is, or was, {max(expected)}: the last entries were removed"
    return {"position": position, "entry": None, "problem": problem}


def _unsealed() -> dict[str, Any] | None:
    """Every committed entry has its seal: one without was put in around the triggers."""
    with connection.cursor() as cursor:
        cursor.execute(UNSEALED)
        found = cursor.fetchone()
    problem = "the entry has no place in the chain: it was inserted around it"
    return None if found is None else {"position": None, "entry": found[0], "problem": problem}
