"""30 days of usage by day and model of a workspace with a tenth of a million events, through HTTP."""

from collections.abc import Iterator
from typing import Any

from tests.benchmarks.options import Options, medians, say
from tests.benchmarks.product import running_product
from tests.benchmarks.stored import CHUNK, MILLION, REQUESTS, Store


def measure(options: Options) -> Iterator[dict[str, Any]]:
    """One line. What becomes of it with ten times the events is in ten_million."""
    events = options.scaled(MILLION, CHUNK)
    with running_product() as product:
        store = Store(product)
        for filled in store.fill(events):
            say(f"{filled['events']} events stored")
        runs = [store.query() for _ in range(options.runs)]
        yield {"events_stored": events, "of_the_workspace": events // 10, "requests": REQUESTS} | medians(runs)
