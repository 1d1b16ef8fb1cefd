"""Watches every statement that tests execute on the tables that grow with usage, for what a cluster could not carry out.

The rules are those of docs/decisions/0023-the-shape-of-the-schema.md. Each text is looked at once.
"""

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from django.db.backends.utils import CursorWrapper

from tests.kit.shape import DISTRIBUTED

GROWING = re.compile("|".join(DISTRIBUTED))
LOCKING = re.compile(r"\bFOR (NO KEY )?(UPDATE|SHARE)( OF ([\w\", ]+?))?\s*(SKIP LOCKED|NOWAIT|\)|;|$)", re.IGNORECASE)
ONE_WORKSPACE = re.compile(r'"?workspace_id"?\s*=\s*\(?(%\(\w+\)s|%s|\$\d+|\d+)')
OF_EACH_ROW = re.compile(r"\b(EXISTS|LATERAL)\s*\(", re.IGNORECASE)
# A FROM of one function over several arrays, or of several functions, is taken apart by the cluster.
SEVERAL_FUNCTIONS = re.compile(r"\b(unnest|ROWS FROM)\s*\(", re.IGNORECASE)

_found: list[str] = []


def found() -> list[str]:
    """What was executed against the rules since the last time, and forgets it."""
    faults, _found[:] = list(_found), []
    return faults


@lru_cache(maxsize=4096)
def faults_of(sql: str) -> tuple[str, ...]:
    """What a cluster could not carry out in a statement, as sentences."""
    if not GROWING.search(sql):
        return ()
    return tuple(f"{fault}: {' '.join(sql.split())[:600]}" for fault in _faults(sql))


def _faults(sql: str) -> Iterator[str]:
    if _locks(sql) and not ONE_WORKSPACE.search(sql):
        yield "FOR UPDATE of more than one workspace"
    for start in OF_EACH_ROW.finditer(sql):
        inner = _inside(sql, start.end())
        if GROWING.search(inner) and not ONE_WORKSPACE.search(inner):
            yield f"{start.group(1).upper()} asked for each row of another table"
    if re.search(r"\bOFFSET 0\b", sql):
        yield "OFFSET 0"
    for start in SEVERAL_FUNCTIONS.finditer(sql):
        arguments = _inside(sql, start.end())
        if re.search(r"\bnow\(\)", arguments):
            yield "now() in a FROM of several functions"


def _locks(sql: str) -> bool:
    """Whether rows of these tables are locked: of all tables of the statement, or of those that are named."""
    locking = LOCKING.search(sql)
    if locking is None:
        return False
    named = locking.group(4)
    if named is None:
        return True
    names = {name.strip().strip('"') for name in named.split(",")}
    aliases = re.findall(rf'"?({"|".join(DISTRIBUTED)})"?(?:\s+(?:AS\s+)?"?(\w+)"?)?', sql)
    return bool(names & {name for pair in aliases for name in pair})


def _inside(sql: str, start: int) -> str:
    """From behind an opening parenthesis to the one that closes it."""
    depth, at = 1, start
    while depth and at < len(sql):
        depth += {"(": 1, ")": -1}.get(sql[at], 0)
        at += 1
    return sql[start : at - 1]


def watch(patch: Any) -> None:
    """From here on, in all threads and on all connections of this process."""
    execute = CursorWrapper.execute

    def watched(self: CursorWrapper, sql: Any, params: Any = None) -> Any:
        if isinstance(sql, str):
            _found.extend(faults_of(sql))
        return execute(self, sql, params)

    patch.setattr(CursorWrapper, "execute", watched)
