"""What a decision costs in the front: one statement, and no look at whether the database is there."""

import json
from typing import Any

import pytest
from django.db import connection, connections
from psycopg import Cursor

from omixa_billing.front.decisions import asks_for_a_decision, decision
from omixa_billing.front.head import RequestHead
from tests.kit.factories import make_gateway, make_key, make_price, make_workspace

pytestmark = pytest.mark.django_db(transaction=True)


def head(path: str = "/gateway/v1/authorize", method: str = "POST", query: bytes = b"") -> RequestHead:
    scope: dict[str, Any] = {"method": method, "path": path, "raw_path": path.encode(), "query_string": query, "headers": []}
    about = {"scheme": "http", "client": ("127.0.0.1", 1), "server": ("localhost", 80), "http_version": "1.1"}
    return RequestHead(scope | about)


def test_a_decision_is_one_statement(monkeypatch: pytest.MonkeyPatch) -> None:
    make_price()
    key, gateway = make_key(make_workspace()), make_gateway()

    def ask(request_id: str) -> Any:
        asked = {"request_id": request_id, "key_id": key.public_id, "model": "codex-mini", "input_tokens": 1}
        return decision(head(), json.dumps(asked).encode(), gateway)

    assert ask("first").status == 200  # what a process asks once, such as prices, was asked
    looked: list[bool] = []
    server = type(connections["default"])
    monkeypatch.setattr(server, "is_usable", lambda _: looked.append(True) or True)
    said: list[str] = []
    execute = Cursor.execute
    monkeypatch.setattr(
        Cursor, "execute", lambda self, sql, *more, **named: said.append(sql) or execute(self, sql, *more, **named)
    )
    assert ask("second").status == 200
    assert [sql.split("(")[0].strip() for sql in said] == ["SELECT metering_authorize"]
    assert looked == []


def test_the_embedded_server_keeps_the_statement_whatever_the_numbers_and_the_key() -> None:
    make_price()
    workspace = make_workspace()
    keys, gateway = [make_key(workspace, name=name) for name in ("one", "two")], make_gateway()
    for number in range(30):
        tokens = 10 ** (number % 9)
        asked = {
            "request_id": f"r{number}",
            "key_id": keys[number % 2].public_id,
            "model": "codex-mini",
            "input_tokens": tokens,
        }
        assert decision(head(), json.dumps(asked).encode(), gateway).status == 200
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_prepared_statements WHERE statement LIKE '%metering_authorize%'")
        assert cursor.fetchone() == (1,)


@pytest.mark.parametrize(
    ("other", "asks"),
    [
        (head(), True),
        (head(method="GET"), False),
        (head(query=b"x=1"), False),
        (head("/gateway/v1/authorize/hold_1/extend"), False),
    ],
)
def test_only_the_question_itself_goes_this_way(other: RequestHead, asks: bool) -> None:
    assert asks_for_a_decision(other) == asks
