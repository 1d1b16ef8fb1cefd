"""Everything is killed while requests run, and every answer that a client got is billed once, or visibly unaccounted.

The short form of it: some hundred requests. `OMIXA_CHAOS_REQUESTS` makes it longer; it is the least, as clients keep asking
while something is away. So do `OMIXA_CHAOS_ROUNDS`, of all that is done to it, and `OMIXA_CHAOS_SECONDS_AWAY`, for how long the
product is away in each. `make chaos-gateway` is the long form.
"""

import http.client
import json
import os
import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from faults import LITELLM, end_thread, fill_disk, let_threads_be_ended
from test_clients import MODEL, said
from world import Workspace, World, cost, until

REQUESTS = int(os.environ.get("OMIXA_CHAOS_REQUESTS") or 300)
ROUNDS = int(os.environ.get("OMIXA_CHAOS_ROUNDS") or 1)
SECONDS_AWAY = float(os.environ.get("OMIXA_CHAOS_SECONDS_AWAY") or 8)
CLIENTS = 6
KINDS = ("whole", "whole", "stream", "stream", "left", "failing over", "broken")
# LiteLLM's own words, with status 500, for a provider's stream that breaks before any of it was passed on.
BROKEN = "Response payload is not completed"
SECONDS_UNASKED = 8.0  # the plug-in's longest pause, and the requests that began in it
DEATHS = 4 * ROUNDS  # of the proxy
LOST_AT_MOST = 2 * CLIENTS * DEATHS  # answered when it died, and not on its disk yet
# Of the requests in `ids`, how the hold of each ended.
HOLDS = """
import json
from metering.limits.models import Hold
holds = Hold.objects.filter(request_id__in={ids})
print(json.dumps({{hold.request_id: hold.get_status_display() for hold in holds}}))
"""


@dataclass
class Seen:
    """One request as its client saw it."""

    kind: str
    request_id: str
    answered: bool  # to the end
    usage: dict[str, Any] | None = None


class Clients:
    """Ask without pause until they are left; what finds no proxy is asked again."""

    def __init__(self, world: World, workspace: Workspace) -> None:
        self.world, self.workspace = world, workspace
        self.seen: list[Seen] = []
        self.errors: Counter[str] = Counter()
        self._leave = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(number,)) for number in range(CLIENTS)]

    def __enter__(self) -> "Clients":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._leave.set()
        for thread in self._threads:
            thread.join(900 + SECONDS_AWAY)

    def wait_for(self, more: int) -> None:
        """Until so many more were answered, or begun and left."""
        number = len(self.seen) + more
        until(lambda: len(self.seen) >= number, 600 + more, lambda: f"{len(self.seen)} of {number}: {self.errors}")

    def _run(self, number: int) -> None:
        choose = random.Random(number)  # noqa: S311
        while not self._leave.is_set():
            try:
                self._ask(choose.choice(KINDS), choose)
            except (OSError, http.client.HTTPException) as error:
                self.errors[type(error).__name__] += 1
                time.sleep(0.3)

    def _ask(self, kind: str, choose: random.Random) -> None:
        nonce = choose.randrange(10**9)
        orders = {
            "left": "[tokens 40] [slow 0.02]",
            "failing over": "[fail 500] [times 1]",
            "broken": "[tokens 20] [break 7]",
        }.get(kind, "[cached 2] [reasoning 3] [slow 0.01]")
        streams = kind in ("stream", "left", "broken")
        body = {"model": MODEL, "messages": said(f"one two three four {nonce} {orders}"), "stream": streams}
        if streams:
            body["stream_options"] = {"include_usage": True}
        connection = http.client.HTTPConnection("127.0.0.1", self.world.gateway_port, timeout=120)
        try:
            headers = {"Authorization": f"Bearer {self.workspace.live_key}", "Content-Type": "application/json"}
            connection.request("POST", "/v1/chat/completions", json.dumps(body), headers)
            response = connection.getresponse()
            if response.status != 200:
                content = response.read().decode(errors="replace")
                self.errors[f"status {response.status}: {BROKEN if BROKEN in content else content}"] += 1
                time.sleep(0.3)
                return
            self._read(kind, response, Seen(kind, response.headers["x-omixa-request-id"], False))
        finally:
            connection.close()

    def _read(self, kind: str, response: http.client.HTTPResponse, seen: Seen) -> None:
        try:
            if kind == "left":
                for _ in range(4):
                    response.readline()
            elif kind in ("stream", "broken"):
                lines = response.read().splitlines()
                events = [json.loads(line[6:]) for line in lines if line.startswith(b"data: {")]
                seen.usage = next((event["usage"] for event in events if event.get("usage")), None)
                seen.answered = lines[-2:] == [b"data: [DONE]", b""] or b"data: [DONE]" in lines
            else:
                seen.usage = json.loads(response.read())["usage"]
                seen.answered = True
        finally:
            self.seen.append(seen)


@pytest.fixture(scope="module")
def fragile(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A world of its own: the threads of its LiteLLM can be ended."""
    folder = tmp_path_factory.mktemp("fragile")
    world = World(folder)
    world.environment |= let_threads_be_ended(folder / "faults")
    try:
        world.start()
        yield world
    finally:
        world.stop()


def test_every_answer_is_billed_once_though_everything_is_killed(fragile: World) -> None:
    began, workspace = datetime.now(UTC), fragile.make_workspace("Killed")
    with Clients(fragile, workspace) as clients:
        for _ in range(ROUNDS):
            kill_everything(fragile, clients)
    settled_and_lost(fragile, workspace, clients, began)
    assert [error for error in clients.errors if error.startswith("status 500") and BROKEN not in error] == []


def kill_everything(world: World, clients: Clients) -> None:
    acts: list[Callable[[], Any]] = [
        lambda: world.kill(LITELLM),  # with the plug-in's threads
        lambda: world.kill("supervision.web:application"),
        lambda: world.kill("celery"),
        lambda: world.kill("postgres"),
        lambda: fill_disk(world),
        lambda: away(world),
        lambda: thread_and_process(world, signal.SIGUSR1),
        lambda: thread_and_process(world, signal.SIGUSR2),
        lambda: world.kill(LITELLM),
    ]
    step = REQUESTS // (ROUNDS * (len(acts) + 1))
    for act in acts:
        clients.wait_for(step)
        assert act() != 0
    clients.wait_for(step)
    world.wait_for_product()


def thread_and_process(world: World, number: signal.Signals) -> int:
    """A thread of the plug-in ends; an operator sees that no request is answered any more, and ends the process."""
    end_thread(world, number)
    return world.kill(LITELLM)


def away(world: World) -> None:
    """The product is gone, and comes back. Until it is asked again, requests run without a hold: what dies leaves no trace."""
    world.stop("product")
    time.sleep(SECONDS_AWAY)
    world.start_product()
    time.sleep(SECONDS_UNASKED)


def settled_and_lost(world: World, workspace: Workspace, clients: Clients, began: datetime) -> None:
    spool = world.folder / "home" / "gateway" / "spool"
    until(lambda: not [*spool.glob("*/*.part"), *spool.glob("*/*.ndjson")], 180 + SECONDS_AWAY, world.tail("gateway"))
    assert list((spool / "rejected").iterdir()) == []
    events = all_events(world, workspace, began)
    billed = Counter(event["request_id"] for event in events if event["status"] != "failed")
    assert [name for name, count in billed.items() if count > 1] == []
    by_id = {event["request_id"]: event for event in events if event["status"] != "failed"}
    lost = [seen for seen in clients.seen if seen.answered and seen.request_id not in by_id]
    for seen in clients.seen:
        if seen.answered and seen.usage and seen.request_id in by_id:
            event = by_id[seen.request_id]
            assert (event["status"], Decimal(event["cost"])) == ("succeeded", cost(seen.usage)), seen
    ids = [seen.request_id for seen in lost]
    holds = world.run(HOLDS.format(ids=ids))
    answered = sum(seen.answered for seen in clients.seen)
    print(f"answered {answered}, settled {answered - len(lost)}, holds of the rest {holds}, {clients.errors}")
    assert [name for name in ids if holds.get(name) not in ("live", "expired")] == []
    assert len(lost) <= LOST_AT_MOST
    kinds = Counter(seen.kind for seen in clients.seen if seen.request_id in by_id)
    assert set(kinds) == set(KINDS)
    broken = [by_id[seen.request_id]["status"] for seen in clients.seen if seen.kind == "broken" and seen.request_id in by_id]
    assert set(broken) == {"aborted"}


def all_events(world: World, workspace: Workspace, began: datetime) -> list[dict[str, Any]]:
    """Once no more come: two looks that find the same."""

    def look() -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        cursor = ""
        while True:
            page = world.ask(f"/api/v1/usage/events?{stretch(began)}&limit=200{cursor}", workspace.admin_key)
            found += page["data"]
            if page["next_cursor"] is None:
                return found
            cursor = f"&cursor={page['next_cursor']}"

    before = -1
    deadline = time.monotonic() + 120
    while len(found := look()) != before and time.monotonic() < deadline:
        before = len(found)
        time.sleep(5)
    return found


def stretch(began: datetime) -> str:
    end = datetime.now(UTC) + timedelta(minutes=1)
    return f"start={began:%Y-%m-%dT%H:%M:%SZ}&end={end:%Y-%m-%dT%H:%M:%SZ}"
