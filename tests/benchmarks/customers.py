"""The customers' side: what the usage API tells them."""

import json
import sys
import time
from datetime import datetime, timedelta

from tests.benchmarks.gateway import Connection, request
from tests.benchmarks.product import Product
from tests.benchmarks.tenants import Workspace

SECONDS = 300
PAUSE = 0.01


def usage_query(workspace: Workspace, start: datetime, end: datetime, more: str = "bucket=none") -> bytes:
    """A request for whole days, `end` included."""
    days = f"start={start:%Y-%m-%dT00:00:00Z}&end={end + timedelta(days=1):%Y-%m-%dT00:00:00Z}"
    return request("GET", f"/api/v1/usage?{days}&{more}", workspace.admin_key)


def wait_until_visible(product: Product, expected: list[tuple[Workspace, int]], start: datetime, end: datetime) -> None:
    """Until every workspace's usage API tells of exactly as many events as were sent for it."""
    deadline = time.monotonic() + SECONDS
    with Connection(product) as connection:
        for workspace, count in expected:
            query = usage_query(workspace, start, end)
            while (seen := json.loads(connection.ask(query, 200))["total"]["requests"]) != count:
                if seen > count or time.monotonic() > deadline:
                    sys.exit(f"The usage API tells of {seen} requests where {count} were sent.")
                time.sleep(PAUSE)
