"""What a prepaid workspace with two years of usage asks most: its balance, and the invoice of the running month.

Usage is written straight into the daily rollups; every month but the running one is invoiced, and paid by credit.
"""

import json
import time
from collections.abc import Iterator
from typing import Any

from tests.benchmarks.gateway import Connection, request
from tests.benchmarks.options import Options, percentiles, readable, say
from tests.benchmarks.product import Product, running_product
from tests.benchmarks.tenants import Workspace, tenants_of

ROLLUPS = 430_000
REQUESTS, WARM_UP_REQUESTS = 200, 20
# Milliseconds at the 95th percentile.
LIMITS = {"balance": 5, "preview": 30}
PATHS = {"balance": "/api/v1/balance", "preview": "/api/v1/invoices/upcoming"}


def measure(options: Options) -> Iterator[dict[str, Any]]:
    """One line: a `ratio` below 1 says that one of both took longer than its limit."""
    with running_product() as product:
        (workspace,) = tenants_of(product, workspaces=1, keys=1).workspaces
        say("writing two years of usage, and invoicing them")
        wanted = {"workspace": workspace.number, "rollups": options.scaled(ROLLUPS)}
        found = product.python("tests.benchmarks.long_history_run", json.dumps(wanted))
        figures: dict[str, float] = {}
        for name, path in PATHS.items():
            figures |= percentiles(name, asked(product, workspace, path), 50, 95)
        shares = [LIMITS[name] / figures[f"{name}_p95_ms"] for name in LIMITS]
        line = {name: readable(figure) for name, figure in figures.items()}
        yield found | {"requests": REQUESTS} | line | {"ratio": readable(min(shares)), "least_ratio": 1}


def asked(product: Product, workspace: Workspace, path: str) -> list[float]:
    """Seconds of each request, one after the other."""
    question = request("GET", path, workspace.admin_key)
    seconds = []
    with Connection(product) as connection:
        for _ in range(WARM_UP_REQUESTS + REQUESTS):
            began = time.monotonic()
            connection.ask(question, 200)
            seconds.append(time.monotonic() - began)
    return seconds[WARM_UP_REQUESTS:]
