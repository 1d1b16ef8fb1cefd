"""A broker that is away, or hangs, holds nobody up for long, and costs no event."""

import subprocess
import sys
from pathlib import Path

import pytest

from omixa_billing import reminders

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = """
import os, socket, sys, time
import django
if sys.argv[1] == "hangs":  # it accepts connections and never says a word
    broker = socket.create_server(("127.0.0.1", 0))
    os.environ["CELERY_BROKER_URL"] = sys.argv[2].format(port=broker.getsockname()[1])
else:
    os.environ["CELERY_BROKER_URL"] = sys.argv[2].format(port=1)
os.environ["DJANGO_SETTINGS_MODULE"] = "omixa_billing.settings"
django.setup()
from omixa_billing import reminders
for _ in range(50):
    reminders.remind("metering.process_waiting_batches")
print("reminded")
"""

EXPIRING = """
import os, sys
import django
os.environ["CELERY_BROKER_URL"] = "memory://"
os.environ["DJANGO_SETTINGS_MODULE"] = "omixa_billing.settings"
django.setup()
from datetime import UTC, datetime
from omixa_billing import reminders
from omixa_billing.celery import app
began = datetime.now(UTC)
reminders.remind_soon("metering.process_waiting_batches")
with app.connection_for_read() as broker:
    expires = broker.SimpleQueue("celery").get(timeout=30).headers["expires"]
print(60 <= (datetime.fromisoformat(expires) - began).total_seconds() < 90)
"""


def test_reminders_that_nobody_has_time_for_do_not_pile_up_in_the_broker() -> None:
    done = subprocess.run([sys.executable, "-c", EXPIRING], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout == "True\n", done.stderr


@pytest.mark.parametrize("how", ["away", "hangs"])
@pytest.mark.parametrize("broker", ["redis://127.0.0.1:{port}/0", "amqp://guest:guest@127.0.0.1:{port}//"])
def test_fifty_reminders_wait_for_a_missing_broker_once_at_most(how: str, broker: str) -> None:
    """Each attempt may take its few seconds of timeout; fifty of them would not end within the minute."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, how, broker], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stdout == "reminded\n", done.stderr
    assert done.stderr.count("broker_away") == 1


def test_a_stream_of_little_to_do_is_reminded_of_less_often(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first at once, then no more than four times a second; a hundred events are worth a message of their own."""
    clock = [100.0]
    monkeypatch.setattr(reminders.time, "monotonic", lambda: clock[0])
    reminder = reminders.Reminder()

    def due(much: int) -> list[str]:
        reminder._asked["work"] += much
        return reminder._due()

    def sent() -> None:
        reminder._asked.clear()
        reminder._sent["work"] = clock[0]

    assert due(1) == ["work"]
    sent()
    assert due(1) == []
    assert due(98) == []
    assert due(1) == ["work"]
    sent()
    clock[0] += 0.24
    assert due(1) == []
    clock[0] += 0.01
    assert reminder._due() == ["work"]
