"""Closing a month from the invoices' list: one workspace at once, all as a job, and a clear answer either way."""

from html import unescape
from typing import Any

import pytest
from django.db.models import F
from django.test import Client
from django.urls import reverse

from metering.errors import NotOrdered
from metering.invoicing.lifecycle.void import reissue, void
from metering.invoicing.models import Invoice
from metering.invoicing.tasks import close_month
from metering.jobs.models import JobOrder, JobRun
from metering.rollups.models import DailyRollup
from omixa_billing.celery import app
from tests.console.conftest import OPERATOR, World, sent_tasks
from tests.kit.factories import NOW, an_event, make_key, make_workspace, send
from tests.kit.operator import acts_on, submit
from workspaces.models import AuditEntry, Workspace

pytestmark = pytest.mark.django_db
CLOSE = reverse("admin:metering_invoice_close_month")
LISTING = reverse("admin:metering_invoice_changelist")


def use(world: World, workspace: Workspace, input: int = 2_000_000) -> None:
    """Of September, at 1.50 a million."""
    usage = {"prompt_tokens": input, "completion_tokens": 0, "total_tokens": input}
    event = an_event(make_key(workspace), request_id="large", occurred_at="2026-09-03T10:00:00Z", usage=usage)
    send(world.gateway, [event])


def close(console: Client, **asked: Any) -> str:
    answer = submit(console, CLOSE, **({"month": "2026-09", "how": "draft"} | asked))
    page = console.get(answer["Location"]) if answer.status_code == 302 else answer
    return unescape(page.content.decode())


def test_the_list_offers_it_and_the_form_begins_with_the_last_month(console: Client, world: World) -> None:
    assert f'href="{CLOSE}"' in console.get(LISTING).content.decode()
    assert 'value="2026-09"' in console.get(CLOSE).content.decode()


def test_one_workspace_is_drafted_then_finalized_then_left_as_it_is(console: Client, world: World) -> None:
    birch = make_workspace("Birch")
    use(world, birch)
    assert "The draft of Birch for September 2026 is ready: $3.00." in close(console, workspace=birch.pk)
    final = close(console, workspace=birch.pk, how="final")
    assert "OMX-2026-00001 of Birch for September 2026 is finalized: $3.00. It never changes again." in final
    invoice = Invoice.objects.get(workspace=birch)
    assert (OPERATOR, "invoice.finalized") in acts_on(invoice.public_id)
    again = close(console, workspace=birch.pk, how="final")
    assert "OMX-2026-00001 of Birch for September 2026 was finalized before, and stays as it is." in again
    # Nobody else's month was touched.
    world.invoice.refresh_from_db()
    assert (Invoice.objects.count(), world.invoice.status) == (2, "draft")


def test_void_months_that_wait_are_named_before_and_after(console: Client, world: World) -> None:
    birch = make_workspace("Birch")
    use(world, birch)
    assert "void month" not in close(console, workspace=birch.pk, how="final")
    void(Invoice.objects.get(workspace=birch).pk, "wrong address", OPERATOR, NOW)
    named = "1 void month, not billed until reissued: September 2026 (OMX-2026-00001)."
    assert f"There is {named}" in unescape(console.get(CLOSE).content.decode())
    assert f"Birch has {named}" in close(console, workspace=birch.pk)
    assert named not in close(console, workspace=birch.pk, month="2026-08")
    reissue(Invoice.objects.get(workspace=birch).pk, OPERATOR, NOW)
    assert "void month" not in console.get(CLOSE).content.decode()


def test_what_waits_for_a_person_and_what_there_is_nothing_of_is_said(console: Client, world: World, settings: Any) -> None:
    settings.INVOICE_WAITS_FOR_EVENTS = True
    birch, idle = make_workspace("Birch"), make_workspace("Idle")
    use(world, birch)
    unpriced = an_event(make_key(birch), request_id="m", model="mystery-2", occurred_at="2026-09-04T10:00:00Z")
    send(world.gateway, [unpriced])
    said = close(console, workspace=birch.pk, how="final")
    assert "The draft of Birch for September 2026, $3.00, waits for review." in said
    assert Invoice.objects.get(workspace=birch).held in said
    nothing = close(console, workspace=idle.pk, how="final")
    assert "There is no invoice of Idle for September 2026: it has no priced usage, its total is below the minimum" in nothing
    sandbox = close(console, workspace=world.sandbox.pk, month="2026-09")
    assert "There is no invoice of Playground for September 2026: a sandbox is never invoiced." in sandbox


def test_a_month_that_has_not_ended_or_is_none_is_refused(console: Client, world: World) -> None:
    before = Invoice.objects.count()
    assert "The month 2026-10 ends at 2026-11-01T00:00:00Z and can be closed then" in close(console, month="2026-10")
    assert "Jan" in close(console, month="Jan")
    assert Invoice.objects.count() == before


def test_all_are_closed_by_a_job_in_the_operators_name(console: Client, world: World, monkeypatch: Any) -> None:
    sent = sent_tasks(monkeypatch)
    said = close(console, how="final")
    assert "September 2026 is being finalized for every workspace. Its run, “Close a month”, shows the result here." in said
    order = JobOrder.objects.get()
    assert sent == [("metering.close_month", {"order": order.public_id})]
    assert AuditEntry.objects.get(action="job.started").detail == {"month": "2026-09", "finalize": True}
    assert Invoice.objects.get().status == "draft"
    birch = make_workspace("Birch")
    use(world, birch)
    close_month.apply(kwargs={"order": order.public_id})
    run = JobRun.objects.get()
    assert (run.outcome, run.started_by, run.result) == (
        "succeeded",
        OPERATOR,
        {"drafts": 0, "finalized": 2, "held": 0, "incomplete": 0, "failed": 0},
    )
    assert {each.workspace: each.finalized_at for each in Invoice.objects.all()} == {world.acme: NOW, birch: NOW}


def test_a_broker_that_is_away_is_said(console: Client, world: World, monkeypatch: Any) -> None:
    def away(*_: Any, **__: Any) -> None:
        raise ConnectionRefusedError("nobody listens")

    monkeypatch.setattr(app, "send_task", away)
    assert "The broker does not accept the job, and nothing was closed: nobody listens" in close(console)
    entries = AuditEntry.objects.filter(target="metering.close_month").order_by("id")
    assert [entry.action for entry in entries] == ["job.started", "job.not_started"]
    assert JobOrder.objects.get().finished_at == NOW


def test_a_workspace_that_fails_does_not_stop_the_others(world: World) -> None:
    birch = make_workspace("Birch")
    use(world, birch)

    DailyRollup.objects.filter(workspace=world.acme).update(cost=F("cost") + 1)
    close_month.apply(kwargs={"order": an_order(month="2026-09", finalize=False).public_id})
    run = JobRun.objects.get()
    assert (run.outcome, run.result) == ("attention", {"drafts": 1, "finalized": 0, "held": 0, "incomplete": 0, "failed": 1})
    assert {each.workspace for each in Invoice.objects.all()} == {world.acme, birch}


def an_order(**arguments: Any) -> JobOrder:
    return JobOrder.objects.create(job="metering.close_month", ordered_by=OPERATOR, ordered_at=NOW, arguments=arguments)


@pytest.mark.parametrize("order", [None, "", "ord_0", "x" * 99, "\0", 7, {"month": "2026-09"}, ["ord_0"]])
def test_whoever_publishes_a_message_closes_no_month(world: World, order: Any) -> None:
    an_order(month="2026-09", finalize=True)
    result = close_month.apply(kwargs={"order": order})
    assert isinstance(result.result, NotOrdered)
    run = JobRun.objects.get()
    assert (run.outcome, run.started_by, Invoice.objects.filter(finalized_at__isnull=False).count()) == (
        "failed",
        "schedule",
        0,
    )


def test_a_messages_own_words_about_its_author_are_refused(world: World) -> None:
    result = close_month.apply(kwargs={"month": "2026-09", "finalize": True, "started_by": OPERATOR})
    assert isinstance(result.result, TypeError)
    assert (JobRun.objects.count(), Invoice.objects.filter(finalized_at__isnull=False).count()) == (0, 0)


def test_an_order_is_carried_out_once(world: World) -> None:
    order = an_order(month="2026-09", finalize=False).public_id
    close_month.apply(kwargs={"order": order})
    assert close_month.apply(kwargs={"order": order}).result == {}
    assert [run.started_by for run in JobRun.objects.order_by("pk")] == [OPERATOR]


def test_an_order_of_another_job_starts_none(world: World) -> None:
    order = JobOrder.objects.create(job="metering.send_notices", ordered_by=OPERATOR, ordered_at=NOW)
    assert isinstance(close_month.apply(kwargs={"order": order.public_id}).result, NotOrdered)
    assert JobOrder.objects.get(pk=order.pk).finished_at is None
