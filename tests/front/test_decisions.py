"""Decisions of a running product: over HTTP, settled by its workers, and a revocation that gateways hear of at once."""

import json
import threading
import time
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from omixa_billing.front.long_poll import LONGEST
from tests.front.conftest import Live

SECONDS_TO_SETTLE = 60


def asked(live: Live, method: str, path: str, body: Any = None, token: str | None = None) -> tuple[int, Any]:
    connection = live.instance.connect()
    headers = {"Authorization": f"Bearer {token or live.token}", "Content-Type": "application/json"}
    connection.timeout = 40
    connection.request(method, path, None if body is None else json.dumps(body), headers)
    response = connection.getresponse()
    return response.status, json.loads(response.read())


def ask(live: Live, request_id: str, **said: Any) -> tuple[int, Any]:
    body = {"request_id": request_id, "model": "codex-mini", "input_tokens": 1000, "max_output_tokens": 1000} | said
    if not {"key", "key_id"} & body.keys():
        body["key"] = live.live_key
    return asked(live, "POST", "/gateway/v1/authorize", body)


def test_a_request_is_held_and_its_event_settles_it(live: Live) -> None:
    acme = live.instance.manage("create_workspace", "Asked")  # of its own: others in this house have used much
    said = ("--scope", "workspace", "--window", "total", "--limit", "5")
    made = live.instance.manage("set_budget", acme["workspace_id"], *said)
    assert (made["limit"], made["spent"], made["held"], made["remaining"]) == (
        "5.00",
        "0.000000000000",
        "0.000000000000",
        "5.00",
    )
    status, answer = ask(live, "req_settled", key=acme["live_key"])
    # 1,000 tokens at 1.50 and 1,000 at 6.00 for a million
    assert (status, answer["allowed"], answer["held"]) == (200, True, "0.007500000000")
    usage = {"prompt_tokens": 1000, "completion_tokens": 10, "total_tokens": 1010}
    event = {
        "request_id": "req_settled",
        "key_id": acme["live_key_id"],
        "model": "codex-mini",
        "occurred_at": datetime.now(UTC).isoformat(),
        "usage": usage,
    }
    assert asked(live, "POST", "/gateway/v1/events", {"events": [event]})[0] == 202
    deadline = time.monotonic() + SECONDS_TO_SETTLE
    while (found := window(live)) != [Decimal("0.00156"), Decimal(0)]:
        assert time.monotonic() < deadline, found
        time.sleep(0.1)
    assert live.instance.manage("reconcile")["differences"] == []


def window(live: Live) -> list[Decimal]:
    both = "metering_budgetwindow kept FULL JOIN metering_budgetheld live USING (budget_id)"
    found = live.instance.query(f"SELECT kept.spent, live.held FROM {both}")[0]
    return [value or Decimal(0) for value in found]


def test_a_revoked_key_is_heard_of_within_a_second(live: Live) -> None:
    _, begun = asked(live, "GET", "/gateway/v1/revocations")
    _, made = asked(live, "POST", "/api/v1/keys", {"name": "short-lived", "kind": "live"}, live.admin_key)
    assert ask(live, "req_before", key=made["secret"])[1]["allowed"]
    heard: list[tuple[float, Any]] = []

    def listen() -> None:
        _, answer = asked(live, "GET", f"/gateway/v1/revocations?since={begun['cursor']}")
        heard.append((time.monotonic(), answer))

    listener = threading.Thread(target=listen)
    began = time.monotonic()
    listener.start()
    wait_until_looked_for_changes(live)
    assert heard == [], "nothing has changed"
    status, revoked = asked(live, "POST", f"/api/v1/keys/{made['id']}/revoke", None, live.admin_key)
    assert status == 200, revoked
    refused = ask(live, "req_after", key=made["secret"])
    assert (refused[0], refused[1].get("reason")) == (200, "key_revoked"), refused
    listener.join(timeout=40)
    at, answer = heard[0]
    assert [change["key_id"] for change in answer["changes"]] == [made["id"]]
    assert at - began < LONGEST, "it was waited for, and not only looked at when the poll ended"


def wait_until_looked_for_changes(live: Live) -> None:
    """Changes are looked for again and again only while a gateway waits to hear of one."""
    looked = """
        SELECT count(*) FROM pg_stat_activity
        WHERE query_start > %s AND query LIKE '%%workspaces_accesschange%%DESC%%' AND pid <> pg_backend_pid()
    """
    ((now,),) = live.instance.query("SELECT clock_timestamp()")
    deadline = time.monotonic() + SECONDS_TO_SETTLE
    while live.instance.query(looked, now) == [(0,)]:
        assert time.monotonic() < deadline, "no gateway waits for a change"
        time.sleep(0.05)


def test_a_key_is_checked_without_holding_anything(live: Live) -> None:
    status, answer = asked(live, "POST", "/gateway/v1/keys/check", {"key": live.live_key})
    assert (status, answer["allowed"], answer["key_id"], answer["billing"], answer["models"]) == (
        200,
        True,
        live.live_key_id,
        "postpaid",
        None,
    )
    _, refused = asked(live, "POST", "/gateway/v1/keys/check", {"key": live.admin_key})
    assert (refused["reason"], refused["error"]["status"]) == ("wrong_kind_of_key", 401)
    _, refused = asked(live, "POST", "/gateway/v1/keys/check", {"key": "sk-nonsense"})
    assert refused["reason"] == "unknown_key"


def test_what_is_no_question_is_refused(live: Live) -> None:
    assert asked(live, "POST", "/gateway/v1/authorize", {"request_id": "r"})[0] == 400
    assert ask(live, "", input_tokens=1)[0] == 400
    assert ask(live, "req_negative", input_tokens=-1)[1]["error"]["param"] == "input_tokens"
    assert ask(live, "req_both", key_id="key_x", key=live.live_key)[0] == 400
    assert ask(live, "nul\x00", input_tokens=1)[0] == 400
    assert asked(live, "POST", "/gateway/v1/authorize/hold_none/extend", {})[0] == 404
    assert asked(live, "GET", "/gateway/v1/unaccounted?start=x&end=y")[0] == 400
    assert asked(live, "GET", "/gateway/v1/revocations?since=-1")[0] == 400
    assert asked(live, "POST", "/gateway/v1/authorize", {}, live.live_key)[0] == 403
