"""How fast decisions are: beside ingest at 5,000 events/s, as many as there can be, and what settling holds costs ingest."""

import json
import os
import random
import sys
import threading
import time
import uuid
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from decimal import Decimal
from hashlib import sha256
from typing import Any

from tests.benchmarks.gateway import Connection, post, post_of, request
from tests.benchmarks.ingest_end_to_end import LARGE, Ingest
from tests.benchmarks.options import Options, medians, percentiles, say
from tests.benchmarks.product import Product, running_product, season
from tests.benchmarks.tenants import Tenants, tenants_of
from tests.benchmarks.traffic import MINUTE, batches

PER_SECOND = 300
SECONDS = 15
EVENTS_PER_S, BATCH = 5_000, 100
ASKING, SENDING = 8, 8  # connections
MOST = 4_000  # decisions of a run that goes as fast as it can
HOLD = """
SELECT metering_authorize(
    (SELECT max(id) FROM workspaces_gateway), key.id, NULL, %s, %s, ''::bytea, %s, 'codex-mini', '',
    0.01, 0.000006, 100, 1000, 256, false,
    '{"price_id": null, "warnings": [], "request_id": "", "asked_output_tokens": 1000}', 900, false, NULL)
FROM workspaces_apikey key WHERE public_id = %s
"""


def question(token: str, key: str) -> bytes:
    asked = {
        "request_id": uuid.uuid4().hex,
        "key_id": key,
        "model": "codex-mini",
        "input_tokens": 1000,
        "max_output_tokens": 500,
    }
    return request("POST", "/gateway/v1/authorize", token, json.dumps(asked).encode())


def set_budgets(product: Product, tenants: Tenants) -> None:
    product.python(__name__, *(f"{each.number}:{each.keys[0]}" for each in tenants.workspaces))


def make_budgets(named: Sequence[str]) -> dict[str, int]:
    """A month of each workspace's and a day of one of its keys; run inside the instance's environment."""
    from django.utils import timezone

    from metering.limits.budgets.change import set_budget
    from workspaces.models import Workspace

    for number, key in (each.split(":") for each in named):
        workspace = Workspace.objects.get(pk=number)
        for scope, scope_id, window in (("workspace", None, "month"), ("key", key, "day")):
            set_budget(workspace, scope, scope_id, window, Decimal(1_000_000), actor="benchmark", now=timezone.now())
    return {"workspaces": len(named)}


def measure(options: Options) -> Iterator[dict[str, Any]]:
    dice = random.Random(2026)  # noqa: S311
    with running_product() as product, product.database() as database:
        tenants = tenants_of(product)
        set_budgets(product, tenants)
        Steady(product, tenants, 3, dice).run()
        season(database)
        seconds = SECONDS * options.scale
        runs = [percentiles("answered", Steady(product, tenants, seconds, dice).run(), 50, 99) for _ in range(options.runs)]
        yield {"case": "beside_ingest", "per_s": PER_SECOND, "events_per_s": EVENTS_PER_S} | medians(runs)
        for case, keys in (("one_workspace", tenants.workspaces[0].keys), ("all_workspaces", tenants.keys)):
            count = options.scaled(MOST)
            yield {"case": case} | medians([as_fast_as_it_goes(product, tenants, keys, count) for _ in range(options.runs)])
    yield {"case": "ingest_with_holds"} | with_and_without_holds(options)


class Steady:
    """An open loop of decisions, each at its time, beside events at their rate."""

    def __init__(self, product: Product, tenants: Tenants, seconds: float, dice: random.Random) -> None:
        self.product, self.seconds = product, seconds
        self.asked = [question(tenants.token, dice.choice(tenants.keys)) for _ in range(round(PER_SECOND * seconds))]
        now = datetime.now(UTC)
        bodies = batches(tenants.keys, round(EVENTS_PER_S * seconds), BATCH, now - MINUTE, now, dice)
        self.sent = [post_of(tenants.token, body) for body in bodies]
        self.answered: list[float] = []

    def run(self) -> list[float]:
        """Seconds from when each decision was due to its answer."""
        start = time.monotonic() + 0.1
        with ThreadPoolExecutor(ASKING + SENDING) as pool:
            loops = [pool.submit(self._loop, self.asked, start, ASKING, at, True) for at in range(ASKING)]
            loops += [pool.submit(self._loop, self.sent, start, SENDING, at, False) for at in range(SENDING)]
            for loop in loops:
                loop.result()
        return self.answered

    def _loop(self, requests: Sequence[bytes], start: float, of: int, at: int, asks: bool) -> None:
        with Connection(self.product) as connection:
            for number in range(at, len(requests), of):
                due = start + number * self.seconds / len(requests)
                time.sleep(max(0.0, due - time.monotonic()))
                if asks:
                    connection.ask(requests[number], 200)
                    self.answered.append(time.monotonic() - due)
                else:
                    post(connection, requests[number])


def as_fast_as_it_goes(product: Product, tenants: Tenants, keys: Sequence[str], count: int) -> dict[str, float]:
    requests = [question(tenants.token, keys[at % len(keys)]) for at in range(count)]
    lock, waits = threading.Lock(), []
    work = iter(requests)

    def one() -> None:
        with Connection(product) as connection:
            while True:
                with lock:
                    asked = next(work, None)
                if asked is None:
                    return
                begun = time.monotonic()
                connection.ask(asked, 200)
                waits.append(time.monotonic() - begun)

    started = time.monotonic()
    with ThreadPoolExecutor(ASKING) as pool:
        for each in [pool.submit(one) for _ in range(ASKING)]:
            each.result()
    return {"per_s": count / (time.monotonic() - started)} | percentiles("answered", waits, 50, 99)


def with_and_without_holds(options: Options) -> dict[str, Any]:
    """The same ingest, once with neither budgets nor holds and once with both, in turn; `ratio` of their rates."""
    with running_product() as product, product.database() as database:
        plain, held = Ingest(product), Ingest(product)
        set_budgets(product, held.tenants)
        plain.warm_up()
        season(database)
        events = options.scaled(LARGE.events, LARGE.size)
        runs = []
        for _ in range(options.runs):
            without = plain.run(plain.prepare(events, LARGE.size), LARGE.connections)
            prepared = held.prepare(events, LARGE.size)
            hold_all(product, prepared)
            runs.append({"without_per_s": events / without, "with_per_s": events / held.run(prepared, LARGE.connections)})
        found = medians(runs)
    return found | {"ratio": round(found["with_per_s"] / found["without_per_s"], 3)}


def hold_all(product: Product, prepared: list[bytes]) -> None:
    """A hold for each event that is about to be sent."""
    events = [event for each in prepared for event in json.loads(each.partition(b"\r\n\r\n")[2])["events"]]

    def some(at: int) -> None:
        with product.database() as database:
            for event in events[at::ASKING]:
                name = event["request_id"]
                hashed = sha256(name.encode()).digest()[:16]
                database.execute(HOLD, [name, hashed, f"hold_{uuid.uuid4().hex[:20]}", event["key_id"]])

    with ThreadPoolExecutor(ASKING) as pool:
        list(pool.map(some, range(ASKING)))
    say(f"{len(events)} requests are held")


if __name__ == "__main__":
    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "omixa_billing.settings")
    django.setup()
    print(json.dumps(make_budgets(sys.argv[1:])))
