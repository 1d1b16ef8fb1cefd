"""Batches that a running product receives at the same time: each is answered as if it came alone, and all are counted."""

import json
import threading
import time
from datetime import UTC, datetime
from typing import Any

from tests.front.conftest import Live

CLIENTS, BATCHES = 16, 25
SECONDS = 60
OF_ITS_OWN = {"date", "server"}


def event(live: Live, request_id: str) -> dict[str, Any]:
    return {
        "request_id": request_id,
        "key_id": live.live_key_id,
        "model": "codex-mini",
        "occurred_at": datetime.now(UTC).isoformat(),
        "usage": {"prompt_tokens": 10, "completion_tokens": 1, "total_tokens": 11},
    }


def post(
    live: Live, connection: Any, body: Any, token: str | None = None, path: str = "/gateway/v1/events"
) -> tuple[int, dict[str, str], Any]:
    headers = {"Authorization": f"Bearer {token or live.token}", "Content-Type": "application/json"}
    connection.request("POST", path, json.dumps(body), headers)
    response = connection.getresponse()
    return response.status, {name.lower(): value for name, value in response.getheaders()}, json.loads(response.read())


def counted(live: Live, view: str, status: int) -> float:
    connection = live.instance.connect()
    connection.request("GET", "/metrics", headers={"Authorization": "Bearer a-token-for-metrics"})
    text = connection.getresponse().read().decode()
    lines = [line for line in text.splitlines() if "responses_total_by_status_view_method_total{" in line]
    assert lines
    of_it = [line for line in lines if f'view="{view}"' in line and f'status="{status}"' in line]
    return sum(float(line.rpartition(" ")[2]) for line in of_it)


def test_each_of_many_at_once_has_its_own_receipt(live: Live) -> None:
    before, receipts = counted(live, "gateway_events", 202), []

    def send(client: int) -> None:
        connection = live.instance.connect()
        for at in range(BATCHES):
            name = f"together-{client}-{at}"
            status, _, answer = post(live, connection, {"events": [event(live, name)]})
            receipts.append((name, status, answer))

    threads = [threading.Thread(target=send, args=(client,)) for client in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(receipts) == CLIENTS * BATCHES
    assert {(status, answer["accepted"], tuple(answer["rejected"])) for _, status, answer in receipts} == {(202, 1, ())}
    assert len({answer["batch_id"] for _, _, answer in receipts}) == CLIENTS * BATCHES
    assert counted(live, "gateway_events", 202) - before == CLIENTS * BATCHES
    once = {"recorded": 1, "duplicate": 0, "conflict": 0, "unpriced": 0, "rejected": 0}
    for name, _, answer in receipts[:: CLIENTS * BATCHES // 20]:
        assert processed(live, answer["batch_id"]) == once, name


def processed(live: Live, batch_id: str) -> dict[str, int]:
    """What became of a batch, once a worker has processed it."""
    connection = live.instance.connect()
    deadline = time.monotonic() + SECONDS
    while True:
        connection.request("GET", f"/gateway/v1/batches/{batch_id}", headers={"Authorization": f"Bearer {live.token}"})
        found = json.loads(connection.getresponse().read())
        if found["status"] == "processed":
            return dict(found["counts"])
        assert time.monotonic() < deadline, found
        time.sleep(0.1)


def test_a_receipt_has_the_headers_of_every_other_answer(live: Live) -> None:
    """One that the view answers, as an event of it is refused, beside one that needs no view."""
    connection = live.instance.connect()
    _, whole, answer = post(live, connection, {"events": [event(live, "headers")]})
    assert answer["rejected"] == []
    _, by_view, answer = post(live, connection, {"events": [event(live, "headers-2"), {"request_id": "none"}]})
    assert [each["code"] for each in answer["rejected"]] != []
    assert whole.keys() - OF_ITS_OWN == by_view.keys() - OF_ITS_OWN
    same = whole.keys() - OF_ITS_OWN - {"content-length"}
    assert {name: whole[name] for name in same} == {name: by_view[name] for name in same}


def test_a_revoked_gateway_is_refused_a_second_later_and_nothing_it_sends_meanwhile_counts(live: Live) -> None:
    made = live.instance.manage("create_gateway", "short-lived")
    connection = live.instance.connect()
    status, _, first = post(live, connection, {"events": [event(live, "before")]}, made["token"])
    assert (status, first["accepted"]) == (202, 1)
    with live.instance.cluster.connect() as database:
        database.execute("UPDATE workspaces_gateway SET revoked_at = now() WHERE public_id = %s", [made["gateway_id"]])
    accepted, deadline = [], time.monotonic() + SECONDS
    while True:
        name = f"after-{len(accepted)}"
        status, _, answer = post(live, connection, {"events": [event(live, name)]}, made["token"])
        if status != 202:
            break
        accepted.append(name)
        assert time.monotonic() < deadline
    assert (status, answer["error"]["code"]) == (401, "invalid_credential")
    assert recorded(live, "before") == 1
    assert [recorded(live, name) for name in accepted] == [0] * len(accepted)


def recorded(live: Live, request_id: str) -> int:
    """How often, once no batch waits."""
    deadline = time.monotonic() + SECONDS
    with live.instance.cluster.connect() as database:
        while database.execute("SELECT count(*) FROM metering_batch WHERE status = 'pending'").fetchone()[0]:
            assert time.monotonic() < deadline
            time.sleep(0.1)
        found = database.execute("SELECT count(*) FROM metering_usageevent WHERE request_id = %s", [request_id]).fetchone()
    return int(found[0])


def test_a_decision_has_the_headers_of_every_other_answer_and_is_counted(live: Live) -> None:
    connection, path = live.instance.connect(), "/gateway/v1/authorize"
    before = counted(live, "gateway_authorize", 200)
    asked = {"request_id": "brief", "key": live.live_key, "model": "codex-mini", "input_tokens": 1, "dry_run": True}
    status, brief, answer = post(live, connection, asked, path=path)
    assert (status, answer["request_id"]) == (200, "brief")
    assert counted(live, "gateway_authorize", 200) - before == 1
    status, by_view, _ = post(live, connection, {"key": live.live_key}, path="/gateway/v1/keys/check")
    assert status == 200
    same = brief.keys() - OF_ITS_OWN - {"content-length"}
    assert same == by_view.keys() - OF_ITS_OWN - {"content-length"}
    assert {name: brief[name] for name in same} == {name: by_view[name] for name in same}


def test_a_question_that_cannot_be_read_is_answered_by_the_view(live: Live) -> None:
    connection = live.instance.connect()
    before = counted(live, "gateway_authorize", 400)
    status, _, answer = post(live, connection, {"request_id": "odd", "model": "codex-mini"}, path="/gateway/v1/authorize")
    assert (status, answer["error"]["type"]) == (400, "invalid_request_error")
    assert counted(live, "gateway_authorize", 400) - before == 1
