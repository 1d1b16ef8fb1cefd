"""What arrives or is corrected after a month was billed: once, on the next invoice, under its own month."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from metering.ingest.models import UsageEvent
from metering.invoicing.lifecycle.finalize import finalize
from metering.invoicing.lifecycle.schedule import close_months_due
from metering.invoicing.lifecycle.upcoming import upcoming
from metering.invoicing.lifecycle.void import reissue
from metering.invoicing.models import Invoice
from metering.rollups.models import DailyRollup
from tests.kit.billing import AUGUST, JULY, NOVEMBER, OCTOBER, SEPTEMBER, Meter, at, closed, finalized, lines_of, tokens
from tests.kit.corrections import correct
from tests.kit.factories import NOW, make_key, make_price, make_workspace
from workspaces.models import APIKey, Gateway, Workspace

pytestmark = pytest.mark.django_db
MILLION = tokens(input=1_000_000)
IN_NOVEMBER = at("11-05T00:00")
IN_DECEMBER = at("12-05T00:00")


def test_a_late_event_arrives_once_on_the_next_invoice(use: Meter, key: APIKey) -> None:
    use(key, "09-14T10:00", "10-02T00:00", usage=MILLION)
    (september,) = finalized()
    use(key, "09-20T10:00", usage=tokens(input=500_000, output=1000))
    (october,) = finalized(OCTOBER, IN_NOVEMBER)
    assert lines_of(october) == [
        ("usage", "codex-mini, input", 1_000_000, "1.5", "1.50"),
        ("adjustment", "September 2026: codex-mini, input", 500_000, "0.75", "0.75"),
        ("adjustment", "September 2026: codex-mini, output", 1000, "0.006", "0.01"),
    ]
    assert (october.subtotal_exact, october.total) == (Decimal("2.256"), Decimal("2.26"))
    late = october.lines.filter(kind="adjustment")
    assert {(line.period_start, line.period_end) for line in late} == {(SEPTEMBER.start, SEPTEMBER.end)}
    september.refresh_from_db()
    assert (september.lines.count(), september.total) == (1, Decimal("1.50"))

    use(key, "11-03T00:00", usage=MILLION, now=IN_NOVEMBER)
    (november,) = finalized(NOVEMBER, IN_DECEMBER)
    assert lines_of(november) == [("usage", "codex-mini, input", 1_000_000, "1.5", "1.50")]


def test_a_late_event_alone_is_reason_enough_for_an_invoice(use: Meter, key: APIKey) -> None:
    use(key, "09-14T10:00", usage=MILLION)
    finalized()
    assert finalized(OCTOBER, IN_NOVEMBER) == []
    use(key, "09-20T10:00", usage=MILLION)
    (october,) = finalized(OCTOBER, IN_NOVEMBER)
    assert lines_of(october) == [("adjustment", "September 2026: codex-mini, input", 1_000_000, "1.5", "1.50")]


def test_late_events_in_several_waves_and_months_add_up(use: Meter, key: APIKey, acme: Workspace) -> None:
    use(key, "07-10T00:00", "08-10T00:00", "09-10T00:00", usage=MILLION)
    finalized(JULY)
    use(key, "07-11T00:00", usage=MILLION)
    finalized(AUGUST)
    use(key, "07-12T00:00", "08-12T00:00", usage=MILLION)
    (september,) = finalized(SEPTEMBER)
    assert lines_of(september) == [
        ("usage", "codex-mini, input", 1_000_000, "1.5", "1.50"),
        ("adjustment", "July 2026: codex-mini, input", 1_000_000, "1.5", "1.50"),
        ("adjustment", "August 2026: codex-mini, input", 1_000_000, "1.5", "1.50"),
    ]
    assert sum(invoice.subtotal_exact for invoice in acme.invoices.all()) == Decimal("9")
    assert upcoming(acme, at("10-15T12:00")).lines == ()


def test_tokens_taken_back_are_credited_on_the_next_invoice(use: Meter, key: APIKey, acme: Workspace) -> None:
    use(key, "09-14T10:00", "09-15T10:00", "10-02T00:00", "10-03T00:00", usage=MILLION)
    finalized()
    take_back(acme, "09-15T00:00")
    (october,) = finalized(OCTOBER, IN_NOVEMBER)
    assert lines_of(october) == [
        ("usage", "codex-mini, input", 2_000_000, "3", "3.00"),
        ("adjustment", "September 2026: codex-mini, input", -1_000_000, "-1.5", "-1.50"),
    ]
    assert (october.subtotal_exact, october.total) == (Decimal("1.5"), Decimal("1.50"))


def test_a_month_that_comes_to_a_credit_has_no_invoice_and_the_credit_waits(use: Meter, key: APIKey, acme: Workspace) -> None:
    use(key, "09-14T10:00", "09-15T10:00", "10-02T00:00", usage=MILLION)
    finalized()
    take_back(acme, "09-14T00:00")
    take_back(acme, "09-15T00:00")
    assert finalized(OCTOBER, IN_NOVEMBER) == []
    assert acme.invoices.count() == 1
    use(key, "11-02T00:00", "11-03T00:00", usage=MILLION, now=IN_NOVEMBER)
    (november,) = finalized(NOVEMBER, IN_DECEMBER)
    assert lines_of(november) == [
        ("usage", "codex-mini, input", 2_000_000, "3", "3.00"),
        ("adjustment", "September 2026: codex-mini, input", -2_000_000, "-3", "-3.00"),
        ("adjustment", "October 2026: codex-mini, input", 1_000_000, "1.5", "1.50"),
    ]
    assert november.total == Decimal("1.50")


def test_usage_rated_again_moves_from_one_price_version_to_the_other(use: Meter, key: APIKey, acme: Workspace) -> None:
    use(key, "09-14T10:00", "10-02T00:00", usage=MILLION)
    finalized()
    right = make_price(input="2", effective_from=at("09-10T00:00"))
    DailyRollup.objects.filter(workspace=acme, day=at("09-14T00:00")).update(price_id=right.pk, cost=Decimal("2"))
    (held,) = finalized(OCTOBER, IN_NOVEMBER)
    assert (held.status, held.held) == (
        "draft",
        "1,000,000 tokens are taken back (September 2026: codex-mini, input, price from 2025-01-01) and nothing explains it.",
    )
    october = finalize(held.pk, "ops@omixa.example", IN_NOVEMBER)
    assert lines_of(october)[1:] == [
        ("adjustment", "September 2026: codex-mini, input, price from 2025-01-01", -1_000_000, "-1.5", "-1.50"),
        ("adjustment", "September 2026: codex-mini, input, price from 2026-09-10", 1_000_000, "2", "2.00"),
    ]
    assert october.total == Decimal("2.00")


def test_a_month_never_invoiced_is_billed_by_the_next_one(use: Meter, key: APIKey) -> None:
    use(key, "08-10T00:00", "09-10T00:00", usage=MILLION)
    (september,) = finalized()
    assert lines_of(september)[1:] == [("adjustment", "August 2026: codex-mini, input", 1_000_000, "1.5", "1.50")]
    assert finalized(AUGUST) == []
    use(key, "08-11T00:00", usage=MILLION)
    (august,) = finalized(AUGUST)
    assert lines_of(august) == [("usage", "codex-mini, input", 1_000_000, "1.5", "1.50")]


def test_an_earlier_draft_bills_its_month_and_what_lies_before_and_no_later_one_does(use: Meter, key: APIKey) -> None:
    use(key, "07-10T00:00", "08-10T00:00", usage=MILLION)
    finalized(JULY)
    (august,) = closed(AUGUST)
    use(key, "07-11T00:00", "08-11T00:00", "09-10T00:00", usage=MILLION)
    (september,) = finalized(SEPTEMBER)
    assert lines_of(september) == [("usage", "codex-mini, input", 1_000_000, "1.5", "1.50")]
    (again,) = finalized(AUGUST)
    assert again == august
    assert lines_of(again) == [
        ("usage", "codex-mini, input", 2_000_000, "3", "3.00"),
        ("adjustment", "July 2026: codex-mini, input", 1_000_000, "1.5", "1.50"),
    ]


def test_the_running_month_is_never_in_an_earlier_months_invoice(use: Meter, key: APIKey) -> None:
    use(key, "09-10T00:00", "10-10T00:00", usage=MILLION)
    (september,) = finalized()
    assert lines_of(september) == [("usage", "codex-mini, input", 1_000_000, "1.5", "1.50")]


def test_a_voided_month_waits_for_its_reissue(use: Meter, key: APIKey) -> None:
    use(key, "09-10T00:00", "10-10T00:00", usage=MILLION)
    (void,) = finalized()
    Invoice.objects.filter(pk=void.pk).update(status="void")
    (october,) = closed(OCTOBER, IN_NOVEMBER)
    assert lines_of(october) == [("usage", "codex-mini, input", 1_000_000, "1.5", "1.50")]
    reissue(void.pk, "ops@omixa.example", NOW)
    (reissued,) = finalized()
    assert (reissued.pk != void.pk, reissued.number) == (True, "OMX-2026-00002")
    assert lines_of(reissued) == lines_of(void)


def test_adjustments_of_a_voided_invoice_come_again(use: Meter, key: APIKey) -> None:
    use(key, "08-10T00:00", "09-10T00:00", usage=MILLION)
    finalized(AUGUST)
    use(key, "08-11T00:00", usage=MILLION)
    (void,) = finalized()
    Invoice.objects.filter(pk=void.pk).update(status="void")
    reissue(void.pk, "ops@omixa.example", NOW)
    (reissued,) = finalized()
    assert lines_of(reissued) == lines_of(void)
    assert reissued.total == Decimal("3.00")


def test_another_workspaces_late_events_stay_its_own(use: Meter, key: APIKey) -> None:
    rival = make_workspace("Rival")
    use(key, "09-10T00:00", "10-10T00:00", usage=MILLION)
    use(make_key(rival), "09-10T00:00", usage=MILLION)
    finalized()
    use(APIKey.objects.get(workspace=rival), "09-11T00:00", usage=MILLION)
    totals = {invoice.workspace.name: invoice.total for invoice in finalized(OCTOBER, IN_NOVEMBER)}
    assert totals == {"Acme": Decimal("1.50"), "Rival": Decimal("1.50")}


def test_upcoming_is_what_closing_bills(use: Meter, key: APIKey, acme: Workspace) -> None:
    use(key, "09-10T00:00", usage=MILLION)
    finalized()
    use(key, "09-11T00:00", "10-10T00:00", "10-11T00:00")
    preview = upcoming(acme, at("10-31T23:00"))
    (october,) = closed(OCTOBER, IN_NOVEMBER)
    assert [
        (line.kind, line.description, line.quantity, f"{line.amount_exact.normalize():f}", str(line.amount))
        for line in preview.lines
    ] == lines_of(october)
    assert len(preview.lines) == 6
    assert (preview.subtotal_exact, preview.total) == (october.subtotal_exact, october.total)
    assert preview.subtotal_exact == Decimal("0.002649") * 3


def test_upcoming_leaves_out_ended_months_that_are_still_to_get_their_own_invoice(
    use: Meter, key: APIKey, acme: Workspace
) -> None:
    use(key, "08-10T00:00", usage=MILLION)
    finalized(AUGUST)
    use(key, "08-11T00:00", "09-10T00:00", "10-10T00:00", usage=MILLION)
    assert upcoming(acme, at("11-01T00:30")).lines == ()
    use(key, "11-01T00:10", usage=MILLION, now=at("11-01T00:10"))
    preview = upcoming(acme, at("11-01T00:30"))
    assert acme.invoices.count() == 1
    assert [(line.kind, line.description, line.quantity) for line in preview.lines] == [
        ("usage", "codex-mini, input", 1_000_000)
    ]
    close_months_due(at("11-01T02:15"))
    assert upcoming(acme, at("11-01T02:15")) == preview
    close_months_due(at("11-06T00:00"))
    assert upcoming(acme, at("11-06T00:00")) == preview
    (november,) = closed(NOVEMBER, IN_DECEMBER)
    assert lines_of(november) == [("usage", "codex-mini, input", 1_000_000, "1.5", "1.50")]


def test_upcoming_has_what_an_ended_month_without_an_invoice_leaves_over(use: Meter, key: APIKey, acme: Workspace) -> None:
    use(key, "09-14T10:00", "09-15T10:00", "10-02T00:00", usage=MILLION)
    finalized()
    take_back(acme, "09-14T00:00")
    take_back(acme, "09-15T00:00")
    use(key, "11-02T00:00", "11-03T00:00", usage=MILLION, now=IN_NOVEMBER)
    preview = upcoming(acme, IN_NOVEMBER)
    assert close_months_due(at("12-05T00:00")) == {"drafts": 0, "finalized": 1, "held": 0, "incomplete": 0, "failed": 0}
    november = acme.invoices.get(period_start=NOVEMBER.start)
    assert [(line.kind, line.description, line.quantity) for line in preview.lines] == [line[:3] for line in lines_of(november)]
    assert (len(preview.lines), preview.total, november.total) == (3, Decimal("1.50"), Decimal("1.50"))


def test_the_preview_writes_nothing(use: Meter, key: APIKey, acme: Workspace) -> None:
    use(key, "10-10T00:00")
    upcoming(acme, at("10-15T00:00"))
    assert Invoice.objects.count() == 0


def test_closing_reads_no_event(use: Meter, key: APIKey) -> None:
    use(key, "08-10T00:00", "09-10T00:00", usage=MILLION)
    finalized(AUGUST)
    use(key, "08-11T00:00", usage=MILLION)
    with CaptureQueriesContext(connection) as queries:
        finalized()
    assert not [query for query in queries if UsageEvent._meta.db_table in query["sql"]]


def take_back(workspace: Workspace, day: str) -> None:
    """Voids the day's events, as a gateway does."""
    voids = []
    for event in UsageEvent.objects.filter(
        workspace=workspace, occurred_at__gte=at(day), occurred_at__lt=at(day) + timedelta(1)
    ):
        key = APIKey.objects.get(pk=event.key_id)
        voids.append({"key_id": key.public_id, "request_id": event.request_id, "action": "void"})
    correct(Gateway.objects.get(), *voids, now=IN_NOVEMBER)
