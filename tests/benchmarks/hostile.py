"""One gateway at 2,000 events a second, alone and beside callers that stop whatever lets itself be stopped.

Those are 200 requests whose bodies do not come, 50 downloads that nobody reads, and 8 clients on the dearest answers, all at
once; a connection that the product ends is opened again. An open loop: each batch is measured from when it was due.
"""

import random
import threading
import time
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.benchmarks.gateway import Connection, post, post_all, post_of, request
from tests.benchmarks.hostile_callers import Greedy, Held
from tests.benchmarks.options import Options, medians, percentiles, say
from tests.benchmarks.processes import Machine, since
from tests.benchmarks.product import Product, running_product, season
from tests.benchmarks.tenants import Tenants, tenants_of
from tests.benchmarks.traffic import DAY, MINUTE, batches

EVENTS_PER_S = 2_000
BATCH = 100
SECONDS = 20
WARM_UP_SECONDS = 3
CONNECTIONS = 16
PROBE_EVERY = 0.1
STORED = 40_000  # so that a download does not fit into the buffers on its way
HALF_SENT, UNREAD, GREEDY = 200, 50, 8
SECONDS_TO_RECORD = 120
RECORDED = "SELECT count(*) FROM metering_usageevent"
AIMS = {"aim_acknowledged_p99_ms": 100, "aim_healthz_p99_ms": 100}  # beside callers that mean no good


class Gateway:
    """One stretch of its traffic."""

    def __init__(self, product: Product, tenants: Tenants, seconds: float, dice: random.Random) -> None:
        now = datetime.now(UTC)
        count = round(EVENTS_PER_S * seconds)
        self.product, self.events = product, count
        self.requests = [post_of(tenants.token, body) for body in batches(tenants.keys, count, BATCH, now - MINUTE, now, dice)]
        self.acknowledged: list[float] = []

    def run(self) -> None:
        start = time.monotonic() + 0.1
        work = iter([(start + at * BATCH / EVENTS_PER_S, request) for at, request in enumerate(self.requests)])
        lock = threading.Lock()

        def send(_: int) -> None:
            with Connection(self.product) as connection:
                while True:
                    with lock:
                        due, prepared = next(work, (0.0, b""))
                    if not prepared:
                        return
                    time.sleep(max(0.0, due - time.monotonic()))
                    post(connection, prepared)
                    self.acknowledged.append(time.monotonic() - due)

        with ThreadPoolExecutor(CONNECTIONS) as pool:
            list(pool.map(send, range(CONNECTIONS)))


@contextmanager
def probed(product: Product) -> Iterator[list[float]]:
    """How long /healthz took, again and again while the block lasts, each on a connection of its own."""
    seconds: list[float] = []
    ended = threading.Event()

    def probe() -> None:
        while not ended.wait(PROBE_EVERY):
            started = time.monotonic()
            with urllib.request.urlopen(f"http://127.0.0.1:{product.port}/healthz", timeout=60):
                seconds.append(time.monotonic() - started)

    with ThreadPoolExecutor(1) as pool:
        probing = pool.submit(probe)
        try:
            yield seconds
        finally:
            ended.set()
            probing.result()


def half_sent(tenants: Tenants) -> list[bytes]:
    """Heads that announce a body of which one byte comes: with a good token, a wrong one, and where none is asked for."""
    paths = [
        ("/gateway/v1/events", tenants.token),
        ("/gateway/v1/events", "omx_gateway_nonsense"),
        ("/gateway/v1/corrections", tenants.token),
        ("/api/v1/keys", tenants.workspaces[0].admin_key),
        ("/accounts/login/", ""),
        ("/webhooks/stripe", ""),
    ]
    return [request("POST", path, secret, b"{" * 100_000)[: 1 - 100_000] for path, secret in paths]


def dear_requests(tenants: Tenants) -> tuple[list[bytes], list[bytes]]:
    """What 8 clients ask as fast as it is answered, and what 50 ask and never read."""
    now, key = datetime.now(UTC), tenants.workspaces[0].admin_key
    days = f"start={now - timedelta(days=30):%Y-%m-%dT00:00:00Z}&end={now + DAY:%Y-%m-%dT00:00:00Z}"
    asked = [
        "/api/v1/schema/",
        f"/api/v1/usage?{days}&bucket=hour&group_by=model,key_id,service_tier,provider,status",
        f"/api/v1/usage/events?{days}&limit=100",
        "/api/v1/invoices/upcoming",
    ]
    downloads = [f"/api/v1/usage/events?{days}&format={kind}" for kind in ("csv", "ndjson")]
    return [request("GET", path, key) for path in asked], [request("GET", path, key) for path in downloads]


def measure(options: Options) -> Iterator[dict[str, Any]]:
    """A line without them, and one with."""
    dice = random.Random(2026)  # noqa: S311
    seconds = SECONDS * options.scale
    with running_product() as product, product.database() as database:
        # One workspace, so that a download holds everything.
        tenants = tenants_of(product, workspaces=1)
        now = datetime.now(UTC)
        stored = [post_of(tenants.token, body) for body in batches(tenants.keys, STORED, 500, now - DAY, now, dice)]
        post_all(product, stored, 4)
        Gateway(product, tenants, WARM_UP_SECONDS, dice).run()
        season(database)
        machine = Machine(product, database)
        expected = STORED + EVENTS_PER_S * WARM_UP_SECONDS
        for hostile in (False, True):
            runs = []
            for _ in range(options.runs):
                gateway = Gateway(product, tenants, seconds, dice)
                expected += gateway.events
                runs.append(measure_run(gateway, machine, tenants, hostile) | {"lost": lost(machine, expected)})
            load = {"hostile": hostile, "events_per_s": EVENTS_PER_S, "batch": BATCH, "seconds": seconds}
            yield load | medians(runs) | (AIMS if hostile else {})


def measure_run(gateway: Gateway, machine: Machine, tenants: Tenants, hostile: bool) -> dict[str, Any]:
    asked, downloads = dear_requests(tenants)
    port = gateway.product.port
    callers = {
        "half-sent": Held(port, HALF_SENT, half_sent(tenants)),
        "unread": Held(port, UNREAD, downloads),
        "greedy": Greedy(port, GREEDY, asked),
    }
    with ExitStack() as stack:
        if hostile:
            for each in callers.values():
                stack.enter_context(each)
            time.sleep(1)
        before = machine.cpu()
        with probed(gateway.product) as healthz:
            gateway.run()
        used = since(before, machine.cpu())
    if hostile:
        say("; ".join(f"{name}: {dict(each.seen)}" for name, each in callers.items()))
    return percentiles("acknowledged", gateway.acknowledged, 50, 99) | percentiles("healthz", healthz, 50, 99) | {"cpu_s": used}


def lost(machine: Machine, expected: int) -> int:
    """Events that were acknowledged and are not recorded, once the workers are done."""
    deadline = time.monotonic() + SECONDS_TO_RECORD
    while time.monotonic() < deadline:
        ((recorded,),) = machine.database.execute(RECORDED).fetchall()
        if recorded >= expected:
            break
        time.sleep(0.1)
    return expected - recorded
