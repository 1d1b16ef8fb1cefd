"""From the first POST to the last event visible in the usage API, beside plain COPY of the same rows in the same run."""

import http.client
import json
import random
import statistics
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.benchmarks.copy_limit import copy_rate
from tests.benchmarks.product import Product, running_product
from tests.benchmarks.tenants import KEYS, WORKSPACES
from tests.benchmarks.traffic import batches

NAME = "ingest_end_to_end"
LEAST_RATIO = 0.25
EVENTS = 200_000
BATCH = 500
RUNS = 3
WARM_UP_EVENTS = 20_000
CONNECTIONS = 4
SECONDS_PER_RUN = 300


class Ingest:
    """The gateway's side and the customers' side of one running product."""

    def __init__(self, product: Product, tenants: dict[str, Any], in_order: bool = True) -> None:
        self.product = product
        self.in_order = in_order
        self.token = tenants["token"]
        self.workspaces = tenants["workspaces"]
        # Of one workspace after the other, so that every batch has usage of all of them.
        self.keys = [workspace["keys"][at] for at in range(KEYS) for workspace in self.workspaces]
        self.expected = [0] * WORKSPACES
        self.dice = random.Random(2026)  # noqa: S311
        self.now = datetime.now(UTC)

    def run(self, events: int) -> float:
        """Events per second, end to end."""
        bodies = list(batches(self.keys, events, BATCH, self.now, self.dice, self.in_order))
        for at in range(events):
            self.expected[at % WORKSPACES] += 1
        started = time.monotonic()
        with ThreadPoolExecutor(CONNECTIONS) as pool:
            list(pool.map(self.post_all, [bodies[at::CONNECTIONS] for at in range(CONNECTIONS)]))
        posted = time.monotonic() - started
        self.wait_until_visible(started + SECONDS_PER_RUN)
        seconds = time.monotonic() - started
        say(f"{events} events: accepted after {posted:.2f} s, visible after {seconds:.2f} s")
        return events / seconds

    def post_all(self, bodies: list[bytes]) -> None:
        """Over one connection that is kept open."""
        connection = self.product.connect()
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        for body in bodies:
            connection.request("POST", "/gateway/v1/events", body, headers)
            answer = answered(connection, 202)
            if answer["rejected"]:
                sys.exit(f"The door refused what it should take: {answer['rejected'][0]}")
        connection.close()

    def wait_until_visible(self, deadline: float) -> None:
        """Until every workspace's usage API tells of every event that was sent for it."""
        connection = self.product.connect()
        for workspace, expected in zip(self.workspaces, self.expected, strict=True):
            while (seen := self.requests_of(workspace, connection)) != expected:
                if seen > expected or time.monotonic() > deadline:
                    sys.exit(f"The usage API tells of {seen} requests where {expected} were sent.")
                time.sleep(0.05)
        connection.close()

    def requests_of(self, workspace: dict[str, Any], connection: http.client.HTTPConnection) -> int:
        start, end = (f"{self.now + timedelta(days=days):%Y-%m-%dT00:00:00Z}" for days in (-1, 1))
        headers = {"Authorization": f"Bearer {workspace['admin_key']}"}
        connection.request("GET", f"/api/v1/usage?start={start}&end={end}&bucket=none", headers=headers)
        return int(answered(connection, 200)["total"]["requests"])


def measure(runs: int, events: int, in_order: bool) -> dict[str, Any]:
    """The medians of several runs, each followed by its COPY while the product is up and idle."""
    rates, limits = [], []
    with running_product() as product:
        ingest = Ingest(product, product.python("tests.benchmarks.tenants"), in_order)
        ingest.run(WARM_UP_EVENTS)
        with product.database() as database:
            for _ in range(runs):
                ((last_batch,),) = database.execute("SELECT max(id) FROM metering_batch").fetchall()
                rates.append(ingest.run(events))
                limits.append(copy_rate(database, last_batch, BATCH))
                say(f"{rates[-1]:.0f} events/s; COPY alone {limits[-1]:.0f}/s; ratio {rates[-1] / limits[-1]:.3f}")
    return {
        "name": NAME,
        "batch": BATCH,
        "events": events,
        "events_per_s": round(statistics.median(rates)),
        "copy_limit_per_s": round(statistics.median(limits)),
        "ratio": round(statistics.median(rate / limit for rate, limit in zip(rates, limits, strict=True)), 3),
    }


def answered(connection: http.client.HTTPConnection, status: int) -> dict[str, Any]:
    response = connection.getresponse()
    body = response.read()
    if response.status != status:
        sys.exit(f"Answered {response.status} instead of {status}: {body.decode(errors='replace')[:500]}")
    return dict(json.loads(body))


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
