"""Schemathesis searches the served OpenAPI document for a request whose answer breaks it, or breaks the product.

`DEEP=1 pytest tests/openapi` searches deeper, with every caller, and from another seed each time.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count
from typing import Any

import pytest
import schemathesis
from django.db import transaction
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.kit import depth
from tests.kit.days import fixed_day
from tests.kit.depth import DEEP, examples, some
from tests.kit.world import IN_PATH, World
from tests.openapi.document import strict_document
from tests.openapi.server import application

__all__ = ["fixed_day"]

PLAIN = {"Accept-Encoding": "identity"}  # the library reads answers of a WSGI application as they come
CHECKS = [
    schemathesis.checks.not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]
CONFIG = schemathesis.Config.from_dict(
    {
        "generation": {"max-examples": examples(6, 60), "deterministic": not DEEP, "database": "none"},
        "phases": {"coverage": {"enabled": True}},
    }
)
INSTANTS = ("2026-09-01T00:00:00Z", "2026-09-30T23:59:59.999999Z", "2026-10-01T02:00:00+02:00", "2026-11-01T00:00:00Z")
IN_QUERY = {
    "start": st.sampled_from(INSTANTS[:2]),
    "end": st.sampled_from(INSTANTS[2:]),
    "key_id": st.sampled_from(["<key>", "<key>", "<revoked key>", "<key of another>"]).map(lambda name: [name]),
    "model": st.lists(st.sampled_from(["codex-mini", "unpriced"])),
    "limit": st.integers(1, 3),
}
NEEDED = {"start", "end"}
CALLERS = ["gateway", "admin key", "live key", "nobody"]
WORDS = {"bucket", "group_by", "status", "format"}  # kept as drawn; drawn names would leave every answer empty

TURNS = 3  # of which one is another caller's, or about something that there is not
Parameters = dict[str, Any]

turn = count()
schema = schemathesis.openapi.from_dict(strict_document(), config=CONFIG)
schema.app = application


@schema.hook
def flatmap_query(context: Any, query: Any) -> Any:
    """Half of the questions are about what there is, in a range that holds something."""
    taken = {parameter.name for parameter in context.operation.query}
    if not isinstance(query, dict) or not taken:
        return st.just(query)
    words = {name: value for name, value in query.items() if name in WORDS}
    known = {name: IN_QUERY[name] for name in sorted(taken & IN_QUERY.keys())}
    needed = {name: known.pop(name) for name in NEEDED & known.keys()}
    real = st.fixed_dictionaries(needed, optional=known).map(lambda drawn: words | drawn)
    return st.one_of(st.just(query), real)


@schema.hook
def flatmap_body(context: Any, body: Any) -> Any:
    """Half of the events sent are of a key that there is, and of these days."""
    if not isinstance(body, dict) or not isinstance(body.get("events"), list):
        return st.just(body)
    known = {"key_id": "<key>", "occurred_at": INSTANTS[1]}
    real = body | {"events": [each | known if isinstance(each, dict) else each for each in body["events"]]}
    return st.sampled_from([body, real])


@schema.parametrize()
@settings(deadline=None, suppress_health_check=list(HealthCheck))
def test_no_answer_breaks_the_document(case: Any, world: World) -> None:
    """Each request as it was drawn or, where its path names something, with what there is."""
    drawn = case.path_parameters
    case.query, case.body = world.known(case.query), world.known(case.body)
    paths = [drawn, world.known(drawn | {name: IN_PATH[name] for name in drawn.keys() & IN_PATH.keys()})] if drawn else [drawn]
    for name, parameters in asks(case.operation.path, paths, next(turn)):
        case.path_parameters = parameters
        with transaction.atomic():
            case.call_and_validate(headers=world.callers[name] | PLAIN, checks=CHECKS)
            transaction.set_rollback(True)


def asks(path: str, parameters: Sequence[Parameters], at: int) -> Sequence[tuple[str, Parameters]]:
    """Who asks with which parameters: whom the address is for about what there is, and every third time one of all other
    pairs instead. With DEEP all of them, each time.
    """
    own, *others = CALLERS if path.startswith("/gateway/") else [*CALLERS[1:], CALLERS[0]]
    first, *rest = [(name, each) for name in (own, *others) for each in reversed(parameters)]
    if DEEP or not rest:
        return [first, *rest]
    return some(rest, at // TURNS) if at % TURNS == 0 else [first]


def test_every_caller_asks_at_every_address(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    assert set(CALLERS) == set(world.callers)
    drawn, known = {"key_id": "?"}, {"key_id": "<key>"}
    monkeypatch.setattr(depth, "DEEP", 0)
    monkeypatch.setitem(globals(), "DEEP", 0)
    usual = [asks("/api/v1/keys/{key_id}", [drawn, known], at) for at in range(21)]
    assert usual[:4] == [[("admin key", drawn)], [("admin key", known)], [("admin key", known)], [("live key", known)]]
    assert usual[::3] == [
        *([("admin key", drawn)], [("live key", known)], [("live key", drawn)], [("nobody", known)], [("nobody", drawn)]),
        *([("gateway", known)], [("gateway", drawn)]),
    ]
    assert asks("/gateway/v1/events", [{}], 1) == [("gateway", {})]
    monkeypatch.setitem(globals(), "DEEP", 1)
    assert len(asks("/api/v1/keys/{key_id}", [drawn, known], 1)) == 8
