"""Where the time of an end-to-end run goes: CPU of every program and of its database connections, and Python's functions."""

from collections.abc import Iterator
from typing import Any

from tests.benchmarks.ingest_end_to_end import LIMITED, SIZES, WARM_UP_EVENTS, Ingest
from tests.benchmarks.options import Options, medians
from tests.benchmarks.processes import Machine, since
from tests.benchmarks.product import running_product
from tests.benchmarks.profile import Profile


def measure(options: Options) -> Iterator[dict[str, Any]]:
    """One line, for batches of 500. Its profile is of a run more, and missing without a profiler."""
    usual, connections = SIZES[LIMITED]
    events = options.scaled(usual, LIMITED)
    with running_product() as product, product.database() as database:
        ingest, machine = Ingest(product, options.disorder), Machine(product, database)
        ingest.run(ingest.prepare(WARM_UP_EVENTS, LIMITED), connections)
        runs = []
        for _ in range(options.runs):
            prepared = ingest.prepare(events, LIMITED)
            before = machine.cpu_by_purpose()
            wall = ingest.run(prepared, connections)
            runs.append({"wall_s": wall, "cpu_s": since(before, machine.cpu_by_purpose())})
        line = {"batch": LIMITED, "events": events} | medians(runs)
        yield line | ({"profile": profile_of_run(ingest, machine, events)} if Profile.is_possible() else {})


def profile_of_run(ingest: Ingest, machine: Machine, events: int) -> dict[str, Any]:
    prepared = ingest.prepare(events, LIMITED)
    with Profile(machine) as profile:
        ingest.run(prepared, SIZES[LIMITED][1])
    return profile.found
