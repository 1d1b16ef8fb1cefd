"""A product with many events stored: 30 days of sparse traffic, of which one workspace has a tenth.

Keys take turns: one of ten is one of the large workspace's, the others are those of 90 small ones with ten keys each. Of ten
million events a small workspace's key has some 14 an hour, over two dozen combinations of model, provider and status: hours
hardly fold.
"""

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from tests.benchmarks.customers import usage_query, wait_until_visible
from tests.benchmarks.fill import CHUNK
from tests.benchmarks.gateway import Connection
from tests.benchmarks.options import percentiles
from tests.benchmarks.product import Product
from tests.benchmarks.tenants import tenants_of
from tests.benchmarks.traffic import DAY

__all__ = ["CHUNK", "MILLION", "REQUESTS", "Store"]

MILLION = 1_000_000
DAYS = 30
REQUESTS = 200
WARM_UP_REQUESTS = 20


class Store:
    """Of one running product."""

    def __init__(self, product: Product) -> None:
        self.product = product
        self.large, *self.small = tenants_of(product, workspaces=91, keys=10).workspaces
        self.end = datetime.now(UTC)
        self.start = self.end.replace(hour=0, minute=0, second=0, microsecond=0) - (DAYS - 1) * DAY

    def turns(self) -> list[str]:
        """Keys in the order in which they have usage."""
        others = [workspace.keys[at] for at in range(10) for workspace in self.small]
        return [key for at in range(100) for key in (self.large.keys[at % 10], *others[9 * at : 9 * at + 9])]

    def fill(self, events: int) -> Iterator[dict[str, Any]]:
        """What tests.benchmarks.fill says after each chunk; afterwards everything is visible and vacuumed."""
        plan = json.dumps([self.turns(), events, self.start.isoformat(), self.end.isoformat()])
        yield from self.product.python_lines("tests.benchmarks.fill", plan)
        wait_until_visible(self.product, [(self.large, events // 10)], self.start, self.end)
        with self.product.database() as database:
            database.execute("VACUUM ANALYZE")

    def query(self) -> dict[str, float]:
        """The large workspace's 30 days by day and model, through HTTP, one request after the other."""
        request = usage_query(self.large, self.start, self.end, "bucket=day&group_by=model")
        seconds = []
        with Connection(self.product) as connection:
            for _ in range(WARM_UP_REQUESTS + REQUESTS):
                started = time.monotonic()
                connection.ask(request, 200)
                seconds.append(time.monotonic() - started)
        return percentiles("query", seconds[WARM_UP_REQUESTS:], 50, 95)
