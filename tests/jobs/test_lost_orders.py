"""An order of a job is carried out once, also when its message was lost or came twice."""

import os
import signal
import subprocess
import sys
import threading
from datetime import datetime, timedelta
from typing import Any

import pytest
from celery import current_app
from django.db import connection
from django.utils import timezone

from metering.errors import JobUnknown
from metering.jobs import lost_orders
from metering.jobs.declare import known_jobs
from metering.jobs.lost_orders import UNKNOWN, send_lost_orders
from metering.jobs.models import JobOrder, JobRun
from metering.jobs.order_job import order_job
from metering.jobs.run import begin_run
from metering.tasks import process_waiting_batches, sweep_orders, tend_inbox_days
from workspaces.models import AuditEntry

pytestmark = pytest.mark.django_db
OPERATOR, JOB = "operator@omixa.example", "metering.tend_inbox"
MINUTE = timedelta(minutes=1)
Sent = list[tuple[str, str]]


@pytest.fixture
def sent(monkeypatch: Any) -> Sent:
    """What reached a broker that never delivers: (task, order)."""
    found: Sent = []
    monkeypatch.setattr(current_app, "send_task", lambda task, kwargs, retry: found.append((task, kwargs["order"])))
    return found


@pytest.fixture
def now() -> datetime:
    return timezone.now()


def sweep(at: datetime) -> dict[str, int]:
    return send_lost_orders(lambda: at)


def counts(sent: int = 0, refused: int = 0, failed: int = 0) -> dict[str, int]:
    return {"sent": sent, "refused": refused, "failed": failed}


def test_an_order_that_waits_is_sent_again_after_ten_minutes_and_then_after_twice_the_time(sent: Sent, now: datetime) -> None:
    order = order_job(JOB, OPERATOR, now)
    found = [minute for minute in range(24 * 60) if sweep(now + minute * MINUTE) == counts(sent=1)]
    assert found == [10, 20, 40, 80, 160, 320, 640, 1280]
    assert sent == [(JOB, order.public_id)] * 9
    assert [entry.action for entry in AuditEntry.objects.all()] == ["job.started"]


def test_an_order_that_was_carried_out_is_never_sent_again(sent: Sent, now: datetime) -> None:
    order = order_job(JOB, OPERATOR, now)
    tend_inbox_days.apply(kwargs={"order": order.public_id})
    assert sweep(now + timedelta(days=30)) == counts()
    assert sent == [(JOB, order.public_id)]


def test_a_second_message_of_an_order_does_nothing(sent: Sent, now: datetime) -> None:
    order = order_job(JOB, OPERATOR, now)
    for _ in range(3):
        assert tend_inbox_days.apply(kwargs={"order": order.public_id}).successful()
    run = JobRun.objects.get()
    assert (run.started_by, run.outcome, JobOrder.objects.get().run_id) == (OPERATOR, "succeeded", run.pk)


def test_a_withdrawn_order_starts_nothing_when_its_message_comes_after_all(now: datetime, monkeypatch: Any) -> None:
    def away(*_: Any, **__: Any) -> None:
        raise ConnectionResetError("gone before it answered")

    monkeypatch.setattr(current_app, "send_task", away)
    with pytest.raises(ConnectionResetError):
        order_job(JOB, OPERATOR, now)
    order = JobOrder.objects.get()
    assert [entry.action for entry in AuditEntry.objects.order_by("pk")] == ["job.started", "job.not_started"]
    assert AuditEntry.objects.latest("pk").detail == {"order": order.public_id, "because": "gone before it answered"}
    assert tend_inbox_days.apply(kwargs={"order": order.public_id}).result == {}
    assert JobRun.objects.count() == 0


def test_while_its_job_runs_an_order_is_not_sent_and_a_message_starts_no_second_run(sent: Sent, now: datetime) -> None:
    order = order_job(JOB, OPERATOR, now)
    run = begin_run(JOB, order.public_id)
    assert run is not None
    assert begin_run(JOB, order.public_id) is None
    JobRun.objects.update(seen_at=now + 58 * MINUTE)
    assert sweep(now + 60 * MINUTE) == counts()
    assert sent == [(JOB, order.public_id)]


def test_a_run_that_the_schedule_began_holds_an_order_back_too(sent: Sent, now: datetime) -> None:
    order_job(JOB, OPERATOR, now)
    JobRun.objects.create(job=JOB, started_at=now + 9 * MINUTE)
    assert [sweep(now + minute * MINUTE) for minute in (10, 11, 12)] == [counts(), counts(), counts(sent=1)]


def test_an_order_whose_run_was_killed_half_way_is_carried_out_by_another(sent: Sent, now: datetime) -> None:
    order = order_job(JOB, OPERATOR, now)
    killed = begin_run(JOB, order.public_id)
    assert killed is not None
    JobRun.objects.update(started_at=now, seen_at=now + 60 * MINUTE)
    assert [sweep(now + minute * MINUTE) for minute in (62, 63)] == [counts(), counts(sent=1)]
    assert sent == [(JOB, order.public_id)] * 2
    JobRun.objects.update(started_at=now - 5 * MINUTE, seen_at=now - 3 * MINUTE)
    assert tend_inbox_days.apply(kwargs={"order": order.public_id}).successful()
    ended, order = JobRun.objects.latest("pk"), JobOrder.objects.get()
    assert (JobRun.objects.count(), ended.started_by, ended.outcome) == (2, OPERATOR, "succeeded")
    assert (order.run_id, order.finished_at is not None) == (ended.pk, True)


@pytest.mark.parametrize("name", ["metering.gone_for_good", "metering.ingest_events", "celery.backend_cleanup", ""])
def test_what_is_no_job_is_refused_when_it_is_ordered(sent: Sent, now: datetime, name: str) -> None:
    with pytest.raises(JobUnknown, match=r"is not a job that can be ordered"):
        order_job(name, OPERATOR, now)
    assert (sent, JobOrder.objects.count(), AuditEntry.objects.count()) == ([], 0, 0)


def test_an_order_of_a_job_that_this_release_does_not_know_ends_with_a_reason(sent: Sent, now: datetime) -> None:
    order = JobOrder.objects.create(job="metering.renamed", ordered_by=OPERATOR, ordered_at=now, send_again_at=now)
    assert [sweep(now), sweep(now + timedelta(days=1))] == [counts(refused=1), counts()]
    entry = AuditEntry.objects.get()
    assert (entry.actor, entry.actor_kind, entry.action, entry.target) == (
        "metering.send_lost_orders",
        "system",
        "job.not_started",
        "metering.renamed",
    )
    assert entry.detail == {"order": order.public_id, "because": UNKNOWN}
    assert (sent, JobOrder.objects.get().finished_at) == ([], now)


def test_a_broker_that_is_away_leaves_the_order_due(now: datetime, sent: Sent, monkeypatch: Any) -> None:
    order_job(JOB, OPERATOR, now)

    def away(*_: Any) -> None:
        raise ConnectionRefusedError("nobody listens")

    with monkeypatch.context() as outage:
        outage.setattr(lost_orders, "send_order", away)
        assert sweep(now + 60 * MINUTE) == counts(failed=1)
    assert sweep(now + 61 * MINUTE) == counts(sent=1)


def test_an_order_of_the_sweep_itself_is_sent_again_too(sent: Sent, now: datetime) -> None:
    order = order_job("metering.send_lost_orders", OPERATOR, now - 11 * MINUTE)
    JobOrder.objects.update(send_again_at=now)
    sweep_orders.apply()
    assert sent == [("metering.send_lost_orders", order.public_id)] * 2
    assert JobRun.objects.get().result == counts(sent=1)


def test_what_is_seldom_recorded_finishes_its_order_too(now: datetime, sent: Sent) -> None:
    process_waiting_batches.apply()
    assert JobRun.objects.count() == 0
    order = order_job("metering.process_waiting_batches", OPERATOR, now)
    process_waiting_batches.apply(kwargs={"order": order.public_id})
    run = JobRun.objects.get()
    assert (run.started_by, run.result, JobOrder.objects.get().finished_at is not None) == (
        OPERATOR,
        {"batches": 0, "corrections": 0},
        True,
    )


def test_each_of_our_tasks_is_a_job_but_the_one_of_gateways() -> None:
    known_jobs()
    ours = {name for name in current_app.tasks if not name.startswith("celery.")}
    assert ours - known_jobs() == {"metering.ingest_events"}
    assert known_jobs() <= ours


@pytest.mark.django_db(transaction=True)
def test_of_two_sweeps_at_once_one_sends(now: datetime, sent: Sent, monkeypatch: Any) -> None:
    """Both have read the order as due before either has claimed it."""
    order = order_job(JOB, OPERATOR, now)
    both = threading.Barrier(2, timeout=60)
    plain = lost_orders.next_sending

    def together(*arguments: Any) -> datetime:
        both.wait()
        return plain(*arguments)

    monkeypatch.setattr(lost_orders, "next_sending", together)
    found: list[dict[str, int]] = []

    def one() -> None:
        try:
            found.append(sweep(now + 10 * MINUTE))
        finally:
            connection.close()

    threads = [threading.Thread(target=one) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(each["sent"] for each in found) == [0, 1]
    assert sent == [(JOB, order.public_id)] * 2


KILLED = """
import os, signal, sys
import django
django.setup()
from django.conf import settings
settings.DATABASES["default"]["NAME"] = sys.argv[1]
from django.utils import timezone
from metering.jobs import order_job
order_job.send_order = lambda order: os.kill(os.getpid(), signal.SIGKILL)
order_job.order_job("metering.tend_inbox", "operator@omixa.example", timezone.now())
"""


@pytest.mark.django_db(transaction=True)
def test_an_order_is_sent_although_its_process_was_killed_before_it_could(sent: Sent) -> None:
    environment = os.environ | {"DJANGO_SETTINGS_MODULE": "omixa_billing.settings"}
    program = [sys.executable, "-c", KILLED, str(connection.settings_dict["NAME"])]
    ended = subprocess.run(program, env=environment, timeout=120, check=False)
    assert ended.returncode == -signal.SIGKILL
    order, entry = JobOrder.objects.get(), AuditEntry.objects.get()
    assert (order.job, order.ordered_by, order.finished_at, entry.action) == (JOB, OPERATOR, None, "job.started")
    assert sent == []
    assert sweep(order.ordered_at + 10 * MINUTE) == counts(sent=1)
    assert sent == [(JOB, order.public_id)]
