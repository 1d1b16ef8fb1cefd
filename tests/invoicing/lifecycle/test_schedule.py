"""The daily run: drafts during the grace, finalized after it, and no month forgotten however long nobody ran it."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest
import time_machine

from metering.invoicing.lifecycle.schedule import close_months_due, due_months
from metering.invoicing.lifecycle.void import reissue
from metering.invoicing.models import Invoice
from metering.invoicing.tasks import close_due_months as task
from metering.invoicing.tasks import finalize_due_invoices
from metering.jobs.models import JobRun
from metering.periods import parse_month
from metering.rollups.models import DailyRollup
from tests.kit.billing import AUGUST, SEPTEMBER, Meter, agree, at, closed, finalized, lines_of, tokens
from tests.kit.concurrent import at_once
from tests.kit.factories import make_key, make_workspace
from workspaces.models import APIKey, AuditEntry, Workspace

pytestmark = pytest.mark.django_db
MILLION = tokens(input=1_000_000)


def standing() -> list[tuple[str, str, str | None, str]]:
    """(workspace, month, number, total) of every invoice, oldest month first."""
    invoices = Invoice.objects.order_by("period_start", "workspace", "pk")
    return [(each.workspace.name, f"{each.period_start:%m}", each.number, str(each.total)) for each in invoices]


def test_the_last_month_is_a_draft_during_the_grace_and_finalized_after_it(use: Meter, key: APIKey) -> None:
    use(key, "09-14T10:00", usage=MILLION)
    assert close_months_due(at("09-30T23:59:59")) == {"drafts": 0, "finalized": 0, "held": 0, "incomplete": 0, "failed": 0}
    assert close_months_due(at("10-01T00:00")) == {"drafts": 1, "finalized": 0, "held": 0, "incomplete": 0, "failed": 0}
    use(key, "09-15T10:00", usage=MILLION)
    assert close_months_due(at("10-03T23:59:59")) == {"drafts": 1, "finalized": 0, "held": 0, "incomplete": 0, "failed": 0}
    assert standing() == [("Acme", "09", None, "3.00")]
    assert close_months_due(at("10-04T00:00")) == {"drafts": 0, "finalized": 1, "held": 0, "incomplete": 0, "failed": 0}
    assert close_months_due(at("10-04T00:00")) == {"drafts": 0, "finalized": 0, "held": 0, "incomplete": 0, "failed": 0}
    assert standing() == [("Acme", "09", "OMX-2026-00001", "3.00")]
    assert AuditEntry.objects.get(action="invoice.finalized").actor == "metering.close_due_months"


def test_a_scheduler_down_for_three_months_closes_each_of_them(use: Meter, key: APIKey, acme: Workspace) -> None:
    rival = make_workspace("Rival")
    use(make_key(rival), "08-10T00:00", usage=MILLION)
    use(key, "06-10T00:00", "07-10T00:00", "07-11T00:00", "08-10T00:00", "09-10T00:00", usage=MILLION)
    assert close_months_due(at("10-02T00:00")) == {"drafts": 1, "finalized": 4, "held": 0, "incomplete": 0, "failed": 0}
    assert standing() == [
        ("Acme", "06", "OMX-2026-00001", "1.50"),
        ("Acme", "07", "OMX-2026-00002", "3.00"),
        ("Acme", "08", "OMX-2026-00003", "1.50"),
        ("Rival", "08", "OMX-2026-00004", "1.50"),
        ("Acme", "09", None, "1.50"),
    ]
    kinds = {line.kind for invoice in Invoice.objects.all() for line in invoice.lines.all()}
    assert kinds == {"usage"}


def test_what_arrives_for_a_finalized_month_goes_to_the_draft_that_is_open(use: Meter, key: APIKey) -> None:
    use(key, "08-10T00:00", "09-10T00:00", usage=MILLION)
    close_months_due(at("10-02T00:00"))
    use(key, "08-11T00:00", usage=MILLION)
    close_months_due(at("10-05T00:00"))
    assert [invoice[3] for invoice in standing()] == ["1.50", "3.00"]
    assert lines_of(Invoice.objects.get(period_start=at("09-01T00:00")))[1][:2] == (
        "adjustment",
        "August 2026: codex-mini, input",
    )


def test_late_usage_of_a_month_passed_over_is_adjusted_and_makes_no_invoice_of_its_own(
    use: Meter, key: APIKey, acme: Workspace
) -> None:
    use(key, "09-10T00:00", usage=MILLION)
    close_months_due(at("10-05T00:00"))
    use(key, "08-10T00:00", usage=MILLION)
    assert close_months_due(at("10-06T00:00")) == {"drafts": 0, "finalized": 0, "held": 0, "incomplete": 0, "failed": 0}
    assert close_months_due(at("11-06T00:00")) == {"drafts": 0, "finalized": 1, "held": 0, "incomplete": 0, "failed": 0}
    assert lines_of(acme.invoices.get(period_start=at("10-01T00:00"))) == [
        ("adjustment", "August 2026: codex-mini, input", 1_000_000, "1.5", "1.50")
    ]


def test_a_draft_that_a_later_months_invoice_overtook_is_refreshed_and_finalized(use: Meter, key: APIKey) -> None:
    use(key, "08-10T00:00", "09-10T00:00", usage=MILLION)
    closed(AUGUST)
    finalized(SEPTEMBER)
    use(key, "08-11T00:00", usage=MILLION)
    assert standing() == [("Acme", "08", None, "1.50"), ("Acme", "09", "OMX-2026-00001", "1.50")]
    assert close_months_due(at("10-20T00:00")) == {"drafts": 0, "finalized": 1, "held": 0, "incomplete": 0, "failed": 0}
    assert standing() == [("Acme", "08", "OMX-2026-00002", "3.00"), ("Acme", "09", "OMX-2026-00001", "1.50")]
    assert close_months_due(at("10-21T00:00")) == {"drafts": 0, "finalized": 0, "held": 0, "incomplete": 0, "failed": 0}


def test_a_voided_month_that_a_person_reissued_is_finalized(use: Meter, key: APIKey) -> None:
    use(key, "08-10T00:00", "09-10T00:00", usage=MILLION)
    (august,) = finalized(AUGUST)
    Invoice.objects.update(status="void")
    finalized(SEPTEMBER)
    assert close_months_due(at("10-20T00:00")) == {"drafts": 0, "finalized": 0, "held": 0, "incomplete": 0, "failed": 0}
    reissue(august.pk, "ops@omixa.example", at("10-20T00:00"))
    assert close_months_due(at("10-20T00:00")) == {"drafts": 0, "finalized": 1, "held": 0, "incomplete": 0, "failed": 0}
    assert [invoice[1:3] for invoice in standing()] == [
        ("08", "OMX-2026-00001"),
        ("08", "OMX-2026-00003"),
        ("09", "OMX-2026-00002"),
    ]


def test_one_workspaces_failure_stops_no_other_and_is_made_up_for_by_the_next_run(
    use: Meter, key: APIKey, acme: Workspace
) -> None:
    rival = make_workspace("Rival")
    use(key, "08-10T00:00", "09-10T00:00", usage=MILLION)
    use(make_key(rival), "09-10T00:00", usage=MILLION)
    DailyRollup.objects.filter(workspace=acme, day=at("08-10T00:00")).update(cost=Decimal("9"))
    assert close_months_due(at("10-05T00:00")) == {"drafts": 0, "finalized": 1, "held": 0, "incomplete": 0, "failed": 1}
    assert standing() == [("Rival", "09", "OMX-2026-00001", "1.50")]
    DailyRollup.objects.filter(workspace=acme, day=at("08-10T00:00")).update(cost=Decimal("1.5"))
    assert close_months_due(at("10-06T00:00")) == {"drafts": 0, "finalized": 2, "held": 0, "incomplete": 0, "failed": 0}
    assert [invoice[:2] for invoice in standing()] == [("Acme", "08"), ("Acme", "09"), ("Rival", "09")]


def test_sandboxes_and_voided_months_are_left_alone(use: Meter, key: APIKey) -> None:
    use(make_key(make_workspace("Sandbox", sandbox=True), kind="test"), "09-10T00:00", usage=MILLION)
    use(key, "08-10T00:00", usage=MILLION)
    close_months_due(at("09-10T00:00"))
    Invoice.objects.update(status="void")
    assert close_months_due(at("10-10T00:00")) == {"drafts": 0, "finalized": 0, "held": 0, "incomplete": 0, "failed": 0}
    assert Invoice.objects.filter(period_start=AUGUST.start).count() == Invoice.objects.count() == 1


def test_a_minimum_is_due_for_every_month_since_it_was_agreed(acme: Workspace) -> None:
    agree(acme, since=AUGUST, minimum_commitment=Decimal("20"))
    now = datetime(2027, 4, 2, tzinfo=UTC)
    months = ["2026-08", "2026-09", "2026-10", "2026-11", "2026-12", "2027-01", "2027-02", "2027-03"]
    for due in (due_months(now), due_months(now, acme)):
        assert due == [(parse_month(month), acme.pk) for month in months]
    assert due_months(now, make_workspace("Rival")) == []


@pytest.mark.django_db(transaction=True)
def test_two_schedulers_at_once_bill_once(use: Meter, key: APIKey) -> None:
    keys = [make_key(make_workspace(f"Workspace {n}")) for n in range(8)]
    for each in keys:
        use(each, "07-10T00:00", "08-10T00:00", usage=MILLION)
    results = at_once(*[lambda: close_months_due(at("10-05T00:00"))] * 3)
    assert [result["failed"] for result in results] == [0, 0, 0]
    numbers = sorted(Invoice.objects.values_list("number", flat=True))
    assert numbers == [f"OMX-2026-{n:05d}" for n in range(1, 17)]
    assert {str(invoice.total) for invoice in Invoice.objects.all()} == {"1.50"}


def test_one_task_makes_the_drafts_and_another_finalizes_them_as_of_the_clock(use: Meter, key: APIKey) -> None:
    use(key, "09-10T00:00", usage=MILLION)
    assert (task.name, finalize_due_invoices.name) == ("metering.close_due_months", "metering.finalize_due_invoices")
    with time_machine.travel(at("10-02T00:00"), tick=False):
        assert task.apply().get() == {"drafts": 1, "finalized": 0, "held": 0, "incomplete": 0, "failed": 0}
    with time_machine.travel(at("10-05T00:00"), tick=False):
        assert task.apply().get() == {"drafts": 0, "finalized": 0, "held": 0, "incomplete": 0, "failed": 0}
        assert finalize_due_invoices.apply().get() == {"drafts": 0, "finalized": 1, "held": 0, "incomplete": 0, "failed": 0}
    assert [(run.job, run.outcome) for run in JobRun.objects.order_by("pk")][-1:] == [
        ("metering.finalize_due_invoices", "succeeded")
    ]
    assert Invoice.objects.get().finalized_at == at("10-05T00:00")
