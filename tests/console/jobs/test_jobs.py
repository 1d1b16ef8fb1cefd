"""The jobs page: what runs, what came of it, findings in a table, and running one now."""

import inspect
import re
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils.html import escape
from django_celery_beat.models import CrontabSchedule, PeriodicTask

from metering import tasks as metering_tasks
from metering.console.jobs import words
from metering.console.jobs.runs import run_summary
from metering.ingest.models import Batch
from metering.jobs.models import JobOrder, JobRun
from metering.payments.tasks import send_notices
from metering.reconcile.tasks import reconcile_nightly
from metering.worker import events
from omixa_billing.celery import app
from tests.console.conftest import World, sent_tasks
from tests.kit.factories import NOW, make_price
from workspaces.models import AuditEntry

pytestmark = pytest.mark.django_db
URL = reverse("admin:metering_jobrun_changelist")


def page(client: Client, url: str = URL) -> str:
    return " ".join(client.get(url).content.decode().split())


def test_every_scheduled_job_is_there_with_what_it_does(console: Client) -> None:
    shown = page(console)
    for name in PeriodicTask.objects.exclude(task__startswith="celery.").values_list("name", flat=True):
        assert escape(name) in shown
    assert "Proves that everything agrees, and alerts the operators where it does not." in shown
    assert shown.count("Run now") >= 13


def test_a_run_shows_when_how_long_and_what_it_did(console: Client) -> None:
    send_notices.apply()
    run = JobRun.objects.get()
    assert (run.outcome, run.result, run.started_by) == ("succeeded", {"sent": 0, "failed": 0}, "schedule")
    assert "nothing to do" in page(console)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("Close ended months", "daily at 02:15 UTC"),
        ("Collect invoices", "every 15 minutes"),
        ("Send mails", "every minute"),
        ("Process waiting batches", "every 10 seconds"),
        ("Create and drop the inbox's days", "every hour"),
    ],
)
def test_a_schedule_is_said_in_words(console: Client, name: str, said: str) -> None:
    assert words.when(PeriodicTask.objects.get(name=name)) == said
    assert f">{said}</a>" in page(console)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"minute": "5", "hour": "*"}, "hourly at 05 minutes past"),
        ({"minute": "30", "hour": "3", "day_of_week": "1"}, "on Mondays at 03:30 UTC"),
        ({"minute": "30", "hour": "3", "day_of_week": "7"}, "on Sundays at 03:30 UTC"),
        ({"minute": "*/5", "hour": "3"}, "*/5 3 * * * (m/h/dM/MY/d) UTC"),
        ({"minute": "0", "hour": "3", "day_of_month": "1"}, "0 3 1 * * (m/h/dM/MY/d) UTC"),
    ],
)
def test_a_schedule_too_particular_for_words_stays_as_it_is(given: dict[str, str], said: str) -> None:
    assert words.at(CrontabSchedule(**given, timezone="UTC")) == said


def test_the_history_names_jobs_as_the_schedule_does(console: Client) -> None:
    for job in ("metering.close_due_months", "metering.close_month", "metering.gone_for_good"):
        JobRun.objects.create(job=job, outcome="succeeded", started_at=NOW, finished_at=NOW, result={"drafts": 0})
    history = page(console).partition('id="result_list"')[2]
    assert [name in history for name in ("Close ended months", "Close a month", "Gone for good")] == [True] * 3
    assert "metering." not in re.sub(r"<[^>]+>", "", history.partition("</table>")[0])
    assert "no ended month is in its grace period: “Finalize invoices” finalizes older ones" in history
    assert len(console.get(URL, {"job": "metering.close_month"}).context["cl"].result_list) == 1


def test_running_now_sends_the_task_in_the_operators_name(console: Client, monkeypatch: Any) -> None:
    sent = sent_tasks(monkeypatch)
    task = PeriodicTask.objects.get(task="metering.collect_invoices")
    url = reverse("admin:metering_jobrun_now", args=[task.pk])
    assert console.get(url).status_code == 405
    console.post(url)
    order = JobOrder.objects.get()
    assert sent == [("metering.collect_invoices", {"order": order.public_id})]
    assert (order.job, order.ordered_by) == ("metering.collect_invoices", "operator@omixa.example")
    entry = AuditEntry.objects.get(action="job.started")
    assert (entry.actor, entry.actor_kind, entry.target) == ("operator@omixa.example", "operator", "metering.collect_invoices")


def test_every_scheduled_job_can_be_ordered(console: Client) -> None:
    for task in PeriodicTask.objects.exclude(task__startswith="celery.").values_list("task", flat=True):
        parameters = inspect.signature(app.tasks[task].run).parameters
        assert list(parameters) == ["order"], task


def test_the_jobs_of_metering_say_what_they_did(world: World) -> None:
    Batch.objects.filter(status="pending").update(failures=1)
    metering_tasks.sweep_inbox.apply()
    metering_tasks.process_waiting_batches.apply()
    order = JobOrder.objects.create(job="metering.tend_inbox", ordered_by="ops", ordered_at=NOW)
    metering_tasks.tend_inbox_days.apply(kwargs={"order": order.public_id})
    make_price("mystery-1")
    metering_tasks.price_waiting_events.apply()
    found = {run.job: (run.started_by, run.result) for run in JobRun.objects.all()}
    assert found == {
        "metering.sweep_inbox": (
            "schedule",
            {"batches": 0, "recovered": 1, "corrections": 0, "estimated": 2, "failed": 0},
        ),
        "metering.tend_inbox": ("ops", {"days_dropped": 0, "forms_forgotten": 0, "attempts_forgotten": 0}),
        "metering.price_waiting_events": ("schedule", {"priced": 1}),
    }


def test_a_batch_that_fails_again_needs_attention(world: World, monkeypatch: Any) -> None:
    def broken(*_: Any) -> Any:
        raise LookupError("a bug")

    Batch.objects.filter(status="pending").update(failures=1)
    monkeypatch.setattr(events, "_record", broken)
    monkeypatch.setattr(events, "record_one_by_one", broken)
    for _ in range(3):
        metering_tasks.sweep_inbox.apply()
    first, again = JobRun.objects.order_by("pk")
    assert [run_summary(first), run_summary(again)] == ["1 failed, 2 estimated", "1 failed"]
    assert (first.outcome, again.outcome) == ("attention", "attention")
    assert Batch.objects.get(status="pending").failures == 4


def test_a_broker_that_is_away_is_said(console: Client, monkeypatch: Any) -> None:
    def away(*_: Any, **__: Any) -> None:
        raise ConnectionRefusedError("nobody listens")

    monkeypatch.setattr(app, "send_task", away)
    task = PeriodicTask.objects.get(task="metering.collect_invoices")
    answer = console.post(reverse("admin:metering_jobrun_now", args=[task.pk]), follow=True)
    assert "The broker does not accept the job: nobody listens" in answer.content.decode()


def test_progress_and_death(console: Client) -> None:
    run = JobRun.objects.create(job="metering.collect_invoices", started_at=NOW, done=25, total=100)
    assert 'value="25"' in page(console)
    assert "25 of 100" in page(console)
    died = page(console).count("died")
    JobRun.objects.filter(pk=run.pk).update(started_at=NOW - timedelta(hours=2), seen_at=NOW - timedelta(minutes=2))
    assert page(console).count("died") == died
    JobRun.objects.filter(pk=run.pk).update(seen_at=NOW - timedelta(seconds=121))
    assert page(console).count("died") > died
    assert "Collect invoices: 25 of 100" in page(console, reverse("admin:index"))


def test_the_nightly_proof_is_clean_and_its_findings_are_a_table(console: Client) -> None:
    reconcile_nightly.apply()
    run = JobRun.objects.get()
    assert (run.outcome, run.result["ok"], run.result["differences"]) == ("succeeded", True, [])
    difference = {"check": "subtotal_is_rounded_once", "invoice_id": "inv_1", "expected": "1.00", "found": "<b>2.00</b>"}
    run.result, run.outcome = {"differences": [difference]}, "attention"
    run.save()
    shown = page(console, reverse("admin:metering_jobrun_change", args=[run.pk]))
    assert "The subtotal is not the exact one, rounded." in shown
    assert "<span>Prove that everything agrees, 2026-10-15 12:00:00 UTC</span>" in shown
    assert "/admin/metering/invoice/?q=inv_1" in shown
    assert "&lt;b&gt;2.00&lt;/b&gt;" in shown
    assert "Prove that everything agrees: 1 difference" in page(console, reverse("admin:index"))


def test_only_operators(client: Client) -> None:
    assert client.get(URL).status_code == 302
