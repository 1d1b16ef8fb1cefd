"""Where the time of an end-to-end run goes: CPU of every program and of its database connections, and Python's functions."""

from collections.abc import Iterator
from typing import Any

from tests.benchmarks.ingest_end_to_end import LARGE, LOADS, Ingest, Load
from tests.benchmarks.options import Options, medians
from tests.benchmarks.processes import Machine, since
from tests.benchmarks.product import running_product
from tests.benchmarks.profile import Profile

# The cost of an event, and the cost of a request.
MEASURED = (LARGE, next(load for load in LOADS if load.size == 10))


def measure(options: Options) -> Iterator[dict[str, Any]]:
    """A line for large and for small batches. Its profile is of a run more, and missing without a profiler."""
    with running_product() as product, product.database() as database:
        ingest, machine = Ingest(product, options.disorder), Machine(product, database)
        ingest.warm_up()
        for each in MEASURED:
            load = each._replace(events=options.scaled(each.events, each.size))
            runs = [measure_run(ingest, machine, load) for _ in range(options.runs)]
            line = {"batch": load.size, "events": load.events} | medians(runs)
            yield line | ({"profile": profile_run(ingest, machine, load)} if Profile.is_possible() else {})


def measure_run(ingest: Ingest, machine: Machine, load: Load) -> dict[str, Any]:
    prepared = ingest.prepare(load.events, load.size)
    before = machine.cpu_by_purpose()
    wall = ingest.run(prepared, load.connections)
    return {"wall_s": wall, "cpu_s": since(before, machine.cpu_by_purpose())}


def profile_run(ingest: Ingest, machine: Machine, load: Load) -> dict[str, Any]:
    prepared = ingest.prepare(load.events, load.size)
    with Profile(machine) as profile:
        ingest.run(prepared, load.connections)
    return profile.found
