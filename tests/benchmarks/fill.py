"""Fills the inbox by the chunk and lets the workers empty it; run inside the instance's environment.

So that the worker is measured alone, a chunk is made and stored while it rests, and timed from the reminder on. Prints
{"events": so far, "seconds": for this chunk} after each.
"""

import json
import os
import random
import sys
import time
from concurrent.futures import Executor, ProcessPoolExecutor
from datetime import datetime
from typing import Any

from tests.benchmarks.traffic import batches

CHUNK = 100_000
PARTS = 2  # made at once, each of whole rounds of all keys
BATCH = 500
SECONDS_PER_CHUNK = 120
PAUSE = 0.01


def fill(pool: Executor, keys: list[str], events: int, start: datetime, end: datetime) -> None:
    """Events from `start` to `end` in the order of their happening."""
    parts = events * PARTS // CHUNK
    edges = [start + (end - start) * (part / parts) for part in range(parts + 1)]
    for first in range(0, parts, PARTS):
        makers = [
            pool.submit(bodies, keys, CHUNK // PARTS, edges[part], edges[part + 1], part)
            for part in range(first, first + PARTS)
        ]
        store([body for maker in makers for body in maker.result()])
        seconds = seconds_to_drain()
        print(json.dumps({"events": (first + PARTS) * CHUNK // PARTS, "seconds": seconds}), flush=True)


def bodies(keys: list[str], events: int, start: datetime, end: datetime, part: int) -> list[bytes]:
    return list(batches(keys, events, BATCH, start, end, random.Random(part)))  # noqa: S311


def store(made: list[bytes]) -> None:
    """As the endpoint does, without its checks and its reminder."""
    from django.utils import timezone

    from metering.ingest.directory import directory
    from metering.ingest.models import Batch
    from workspaces.models import Gateway

    now = timezone.now()
    directory.ensure_day(now)
    common: dict[str, Any] = {"gateway": Gateway.objects.latest("pk"), "received_at": now, "event_count": BATCH}
    Batch.objects.bulk_create([Batch(body=body, **common) for body in made], batch_size=100)


def seconds_to_drain() -> float:
    from metering.ingest.models import Batch
    from omixa_billing.reminders import remind

    started = time.monotonic()
    for _ in range(os.cpu_count() or 1):
        remind("metering.process_waiting_batches")
    while Batch.objects.waiting().exists():
        if time.monotonic() > started + SECONDS_PER_CHUNK:
            sys.exit(f"The workers did not record {CHUNK} events in {SECONDS_PER_CHUNK} s.")
        time.sleep(PAUSE)
    return time.monotonic() - started


def main(pool: Executor) -> None:
    keys, events, start, end = json.loads(sys.argv[1])
    fill(pool, keys, events, datetime.fromisoformat(start), datetime.fromisoformat(end))


if __name__ == "__main__":
    with ProcessPoolExecutor(PARTS) as executor:
        executor.submit(int).result()  # started before there is a connection that they would inherit
        import django

        os.environ.setdefault("DJANGO_SETTINGS_MODULE", "omixa_billing.settings")
        django.setup()
        main(executor)
