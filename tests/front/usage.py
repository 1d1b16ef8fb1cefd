"""Usage of one day, more than fits into the buffers on its way to a person who does not read it."""

import json
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

from tests.front.callers import PATIENCE, ask
from tests.front.conftest import Live
from tests.front.everyday import event

EVENTS, PER_BATCH = 30_000, 1_000
# A day of last month, so that there is an invoice of it.
DAY = datetime.now(UTC).replace(day=1, hour=12, minute=0, second=0, microsecond=0) - timedelta(days=1)
DAYS = urlencode({"start": (DAY - timedelta(days=1)).isoformat(), "end": (DAY + timedelta(days=1)).isoformat()})


def send_usage(live: Live) -> None:
    for first in range(0, EVENTS, PER_BATCH):
        events = [event(live, f"much-{first + at}") | {"occurred_at": DAY.isoformat()} for at in range(PER_BATCH)]
        body = json.dumps({"events": events}).encode()
        answer = ask(live.port, "POST", "/gateway/v1/events", body, Authorization=f"Bearer {live.token}")
        assert json.loads(answer.body)["accepted"] == PER_BATCH
    recorded = "SELECT count(*) FROM metering_usageevent WHERE request_id LIKE %s"
    wait_until(lambda: live.instance.query(recorded, "much-%") == [(EVENTS,)])


def wait_until(happened: Callable[[], bool], seconds: float = PATIENCE * 3) -> None:
    deadline = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < deadline, "It did not happen."
        time.sleep(0.1)
