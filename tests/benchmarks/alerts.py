"""How soon a program hears of a threshold: 100 of them crossed at once by eight worker processes, from the transaction that
crosses one to the request that tells of it. Exactly 100 requests, none twice.
"""

import json
import os
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import psycopg

from tests.benchmarks.gateway import Connection, post, post_of
from tests.benchmarks.options import Options, medians, percentiles
from tests.benchmarks.product import Product, running_product
from tests.benchmarks.tenants import Tenants, tenants_of
from tests.kit.receiver import ReceivedRequest, Receiver, Reply, receiving

WORKSPACES = 20
THRESHOLDS = [20, 40, 60, 80, 100]
BATCHES = 4
# Each event is a quarter of the limit, so that four of them cross all five thresholds.
LIMIT, TOKENS = Decimal(6), 1_000_000
AIM_MS = 2000
SECONDS_TO_WAIT = 60
SETTLE_SECONDS = 2  # for what comes twice
CROSSED = """
SELECT budget.public_id, crossing.threshold, crossing.crossed_at FROM metering_thresholdcrossing crossing
JOIN metering_budget budget ON budget.id = crossing.budget_id WHERE budget.workspace_id = ANY(%s)
"""
ENVIRONMENT = {"WORKER_CONCURRENCY": "8", "WEBHOOKS_PRIVATE_ADDRESSES": "on"}


def measure(options: Options) -> Iterator[dict[str, Any]]:
    """One line; the ratio is how many times sooner than the aim 95 of 100 were heard of."""
    with receiving() as receiver, running_product(**ENVIRONMENT) as product, product.database() as database:
        measure_run(product, database, receiver)
        figures = medians([measure_run(product, database, receiver) for _ in range(options.runs)])
    yield figures | {"ratio": round(AIM_MS / figures["heard_of_p95_ms"], 2), "least_ratio": 1.0}


def measure_run(product: Product, database: psycopg.Connection, receiver: Receiver) -> dict[str, Any]:
    tenants = tenants_of(product, WORKSPACES, 1)
    numbers = [workspace.number for workspace in tenants.workspaces]
    product.python(__name__, receiver.url, *map(str, numbers))
    receiver.received.clear()
    came: list[tuple[datetime, dict[str, Any]]] = []

    def reply(request: ReceivedRequest) -> Reply:
        came.append((datetime.now(UTC), json.loads(request.body)["data"]))
        return Reply()

    receiver.reply = reply
    send_at_once(product, tenants)
    wanted = WORKSPACES * len(THRESHOLDS)
    deadline = time.monotonic() + SECONDS_TO_WAIT
    while len(came) < wanted and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(SETTLE_SECONDS)
    crossed = {(budget, threshold): at for budget, threshold, at in database.execute(CROSSED, [numbers]).fetchall()}
    heard = [(data["budget_id"], data["threshold"]) for _, data in came]
    if len(crossed) != wanted or sorted(heard) != sorted(crossed):
        sys.exit(f"{len(crossed)} thresholds were crossed and {len(heard)} requests came, {len(set(heard))} of them different.")
    waits = [(at - crossed[name]).total_seconds() for (at, _), name in zip(came, heard, strict=True)]
    return {"thresholds": len(crossed), "requests": len(heard)} | percentiles("heard_of", waits, 50, 95)


def send_at_once(product: Product, tenants: Tenants) -> None:
    """Four batches, each with an event of every workspace, over a connection each."""
    now = datetime.now(UTC).isoformat()
    stamp = time.time_ns()
    usage = {"prompt_tokens": TOKENS, "completion_tokens": 0, "total_tokens": TOKENS}
    bodies = [
        json.dumps(
            {
                "events": [
                    {"request_id": f"{stamp}-{batch}", "key_id": key, "model": "codex-mini", "occurred_at": now, "usage": usage}
                    for key in tenants.keys
                ]
            }
        ).encode()
        for batch in range(BATCHES)
    ]

    def send(body: bytes) -> None:
        with Connection(product) as connection:
            post(connection, post_of(tenants.token, body))

    with ThreadPoolExecutor(BATCHES) as pool:
        list(pool.map(send, bodies))


def make_budgets(url: str, numbers: Sequence[str]) -> dict[str, int]:
    """A budget and a webhook of each workspace; run inside the instance's environment."""
    from django.utils import timezone

    from metering.limits.budgets.change import set_budget
    from metering.notifications.endpoints.change import create_webhook
    from workspaces.models import Workspace

    now = timezone.now()
    for workspace in Workspace.objects.filter(pk__in=numbers):
        set_budget(workspace, "workspace", None, "month", LIMIT, mode="soft", thresholds=THRESHOLDS, actor="benchmark", now=now)
        create_webhook(workspace, url, types=["budget.threshold_reached"], actor="benchmark", now=now)
    return {"workspaces": len(numbers)}


if __name__ == "__main__":
    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "omixa_billing.settings")
    django.setup()
    print(json.dumps(make_budgets(sys.argv[1], sys.argv[2:])))
