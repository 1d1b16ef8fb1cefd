"""5,000 events per second in batches of 100: how soon the gateway is answered, and how soon its events are visible.

An open loop: every batch has its time, fixed beforehand, and is measured from that time on, also when the one before it is
late. An event is visible when the database shows its identity, which is committed in one transaction with its rollups; a
look-up by primary key every few milliseconds costs next to nothing, where asking the usage API would be a load of its own.
"""

import json
import random
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

import psycopg

from tests.benchmarks.gateway import Connection, post, post_of
from tests.benchmarks.options import Options, medians, percentiles
from tests.benchmarks.processes import Machine, since
from tests.benchmarks.product import Product, running_product, season
from tests.benchmarks.tenants import Tenants, tenants_of
from tests.benchmarks.traffic import MINUTE, batches

EVENTS_PER_S = 5_000
BATCH = 100
SECONDS = 20
WARM_UP_SECONDS = 3
CONNECTIONS = 16
PAUSE = 0.005
SECONDS_TO_WAIT = 60
VISIBLE = "SELECT request_hash FROM metering_eventidentity WHERE workspace_id = %s AND request_hash = ANY(%s) AND attempt = 0"


class SteadyLoad:
    """One stretch of it: its batches, when each is due, and how long after that it was acknowledged and visible."""

    def __init__(self, product: Product, tenants: Tenants, seconds: float, dice: random.Random) -> None:
        self.product = product
        self.workspace = tenants.workspaces[0]
        now = datetime.now(UTC)
        bodies = list(batches(tenants.keys, round(EVENTS_PER_S * seconds), BATCH, now - MINUTE, now, dice))
        self.requests = [post_of(tenants.token, body) for body in bodies]
        self.markers = [self.marker(body) for body in bodies]
        self.acknowledged: dict[bytes, float] = {}
        self.visible: dict[bytes, float] = {}

    def marker(self, body: bytes) -> bytes:
        """The identity of one of its events: a batch is recorded in one transaction."""
        events = json.loads(body)["events"]
        request_id = next(event["request_id"] for event in events if event["key_id"] in self.workspace.keys)
        return sha256(request_id.encode()).digest()[:16]

    def run(self, database: psycopg.Connection) -> None:
        start = time.monotonic() + 0.1
        due = {marker: start + at * BATCH / EVENTS_PER_S for at, marker in enumerate(self.markers)}
        work = iter(zip(self.requests, due.items(), strict=True))
        lock = threading.Lock()

        def send() -> None:
            with Connection(self.product) as connection:
                while True:
                    with lock:
                        request, (marker, at) = next(work, (b"", (b"", 0.0)))
                    if not request:
                        return
                    time.sleep(max(0.0, at - time.monotonic()))
                    post(connection, request)
                    self.acknowledged[marker] = time.monotonic() - at

        with ThreadPoolExecutor(CONNECTIONS) as pool:
            senders = [pool.submit(send) for _ in range(CONNECTIONS)]
            self.watch(database, due)
            for sender in senders:
                sender.result()

    def watch(self, database: psycopg.Connection, due: dict[bytes, float]) -> None:
        """Looks every few milliseconds for those that are due and were not there before."""
        deadline = max(due.values()) + SECONDS_TO_WAIT
        while len(self.visible) < len(due):
            now = time.monotonic()
            if now > deadline:
                sys.exit(f"{len(due) - len(self.visible)} batches are not visible {SECONDS_TO_WAIT} s after the last was due.")
            waiting = [marker for marker, at in due.items() if at <= now and marker not in self.visible]
            found = database.execute(VISIBLE, [self.workspace.number, waiting]).fetchall() if waiting else []
            self.visible.update({marker: time.monotonic() - due[marker] for (marker,) in found})
            time.sleep(PAUSE)


def measure(options: Options) -> Iterator[dict[str, Any]]:
    """One line: medians of several stretches."""
    dice = random.Random(2026)  # noqa: S311
    seconds = SECONDS * options.scale
    with running_product() as product, product.database() as database:
        tenants = tenants_of(product)
        SteadyLoad(product, tenants, WARM_UP_SECONDS, dice).run(database)
        season(database)
        machine = Machine(product, database)
        runs = [measure_run(SteadyLoad(product, tenants, seconds, dice), machine) for _ in range(options.runs)]
        yield {"events_per_s": EVENTS_PER_S, "batch": BATCH, "seconds": seconds} | medians(runs)


def measure_run(load: SteadyLoad, machine: Machine) -> dict[str, Any]:
    before = machine.cpu()
    load.run(machine.database)
    used = since(before, machine.cpu())
    return (
        percentiles("acknowledged", list(load.acknowledged.values()), 50, 99)
        | percentiles("visible", list(load.visible.values()), 50, 99)
        | {"cpu_s": used}
    )
