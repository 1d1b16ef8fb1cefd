"""From the first POST to the last event visible in the usage API, beside plain COPY of the same rows in the same run."""

import random
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, NamedTuple

from tests.benchmarks.copy_limit import CopyLimits
from tests.benchmarks.customers import wait_until_visible
from tests.benchmarks.gateway import post_all, post_of
from tests.benchmarks.options import Options, medians, say
from tests.benchmarks.processes import Machine, since
from tests.benchmarks.product import Product, running_product, season
from tests.benchmarks.tenants import tenants_of
from tests.benchmarks.traffic import DAY, MINUTE, batches

# Of plain COPY into the same shape of table, for batches of 500.
LEAST_RATIO = 0.45


class Load(NamedTuple):
    """The size of batches, how many events make a run of some seconds, and over how many connections they are sent."""

    size: int
    events: int
    connections: int


LARGE = Load(500, 200_000, 4)
# The server, which has 32 threads, took no more over more connections. The last is a gateway that sends each event by itself.
LOADS = (LARGE, Load(100, 150_000, 16), Load(50, 100_000, 16), Load(10, 150_000, 32), Load(1, 12_000, 32), Load(1, 4_000, 4))
WARM_UP_EVENTS = 20_000


class Ingest:
    """One running product, its gateway, and what that has sent so far."""

    def __init__(self, product: Product, disorder: bool = False) -> None:
        self.product = product
        self.tenants = tenants_of(product)
        self.disorder = DAY if disorder else MINUTE
        self.sent: Counter[int] = Counter()
        self.dice = random.Random(2026)  # noqa: S311
        self.now = datetime.now(UTC)

    def prepare(self, events: int, size: int) -> list[bytes]:
        """The requests of a run: events of the last 24 hours, equally many of every workspace."""
        bodies = batches(self.tenants.keys, events, size, self.now - DAY, self.now, self.dice, self.disorder)
        workspaces = len(self.tenants.workspaces)
        self.sent.update({at: len(range(at, events, workspaces)) for at in range(workspaces)})
        return [post_of(self.tenants.token, body) for body in bodies]

    def run(self, prepared: list[bytes], connections: int) -> float:
        """Seconds from the first POST to the last event visible."""
        started = time.monotonic()
        post_all(self.product, prepared, connections)
        accepted = time.monotonic() - started
        expected = [(self.tenants.workspaces[at], sent) for at, sent in self.sent.items()]
        wait_until_visible(self.product, expected, self.now - DAY, self.now)
        seconds = time.monotonic() - started
        say(f"{len(prepared)} batches: accepted after {accepted:.2f} s, visible after {seconds:.2f} s")
        return seconds

    def warm_up(self) -> None:
        self.run(self.prepare(WARM_UP_EVENTS, LARGE.size), LARGE.connections)


def measure(options: Options) -> Iterator[dict[str, Any]]:
    """A line for each size of batches: the medians of several runs."""
    with running_product() as product, product.database() as database:
        ingest, machine = Ingest(product, options.disorder), Machine(product, database)
        ingest.warm_up()
        season(database)
        limits = CopyLimits(database, LARGE.size)
        limits.rates()  # so that these tables, too, have grown a little
        for each in LOADS:
            load, runs = each._replace(events=options.scaled(each.events, each.size)), []
            for _ in range(options.runs):
                run = measure_run(ingest, machine, load)
                runs.append(compare(run, limits) if each == LARGE else run)
            least = {"least_ratio": LEAST_RATIO} if each == LARGE else {}
            said = {"batch": load.size, "events": load.events, "connections": load.connections}
            yield said | medians(runs) | least


def measure_run(ingest: Ingest, machine: Machine, load: Load) -> dict[str, Any]:
    """Events per second, and microseconds per event: of the clock, and of CPU by group of processes."""
    prepared = ingest.prepare(load.events, load.size)
    before = machine.cpu()
    wall = ingest.run(prepared, load.connections)
    used = {"wall": wall} | since(before, machine.cpu())
    return {
        "events_per_s": load.events / wall,
        "us_per_event": {name: seconds / load.events * 1e6 for name, seconds in used.items()},
    }


def compare(run: dict[str, Any], limits: CopyLimits) -> dict[str, Any]:
    """The run beside what COPY takes of the same rows, while the product is up and idle."""
    rate, copied = run["events_per_s"], limits.rates()
    say(f"{rate:.0f} events/s; COPY alone {copied.plain:.0f}/s; ratio {rate / copied.plain:.3f}")
    return run | {
        "copy_limit_per_s": copied.plain,
        "ratio": rate / copied.plain,
        "copy_ready_made_per_s": copied.ready_made,
        "ratio_ready_made": rate / copied.ready_made,
        "copy_uncounted_per_s": copied.uncounted,
        "ratio_uncounted": rate / copied.uncounted,
    }
