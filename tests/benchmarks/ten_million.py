"""From one to ten million events stored: what a usage query costs, what ingest costs, and what memory the workers hold.

Both stores have the same 30 days and workspaces, and everything in them went through the workers.
"""

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from tests.benchmarks.options import Options, medians, readable, say
from tests.benchmarks.processes import Machine
from tests.benchmarks.product import running_product
from tests.benchmarks.stored import CHUNK, MILLION, REQUESTS, Store

MANY = 10


def measure(options: Options) -> Iterator[dict[str, Any]]:
    """A line for each store, the second with the growth: how many times as much as at one million."""
    million = options.scaled(MILLION, CHUNK)
    one = measure_store(options, million, 1)
    yield one
    ten = measure_store(options, million, MANY)
    yield ten | {
        "query_growth": readable(ten["query_p50_ms"] / one["query_p50_ms"]),
        "ingest_growth": readable(ten["ingest_per_s"][0] / ten["ingest_per_s"][-1]),
        "memory_growth": readable(ten["worker_mb"][-1] / ten["worker_mb"][0]),
    }


def measure_store(options: Options, million: int, millions: int) -> dict[str, Any]:
    """Ingest is the workers' alone, from inbox to commit; it and the largest worker's memory are printed for every million."""
    with running_product() as product, product.database() as database:
        store, machine = Store(product), Machine(product, database)
        seconds: dict[int, float] = defaultdict(float)
        memory: list[float] = []
        for filled in store.fill(million * millions):
            seconds[(filled["events"] - 1) // million] += filled["seconds"]
            if filled["events"] % million == 0:
                now, peak = machine.worker_memory()
                memory.append(readable(now))
                say(f"{filled['events']} events stored; a worker holds {now:.1f} MB and held {peak:.1f} MB at most")
        runs = [store.query() for _ in range(options.runs)]
        return {
            "events_stored": million * millions,
            "of_the_workspace": million * millions // 10,
            "ingest_per_s": [readable(million / each) for each in seconds.values()],
            "worker_mb": memory,
            "worker_peak_mb": readable(peak),
            "requests": REQUESTS,
        } | medians(runs)
