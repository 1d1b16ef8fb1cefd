"""Corrections and re-ratings of an invoiced month: the invoice stands, the next one adjusts, and nothing contradicts itself."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from metering.ingest.models import UsageEvent
from metering.invoicing.explaining.explain import events_under
from metering.invoicing.explaining.rerating import planned_months
from metering.invoicing.lifecycle.close import close_workspaces
from metering.invoicing.models import Invoice
from metering.periods import parse_month
from metering.reconcile.corrections import correction_differences
from metering.reconcile.events import event_differences
from metering.reconcile.invoices import check_invoices, invoice_differences
from metering.revisions.rerating.jobs import continue_orders
from metering.revisions.rerating.plan import plan_rerating, scope_for
from metering.rollups.rebuild import rebuild
from metering.usage.filters import STATUS_WORDS
from tests.kit.billing import lines_of
from tests.kit.corrections import correct, replace, void
from tests.kit.factories import NOW, an_event, send
from tests.kit.rerating import MILLION, correct_price, everything_agrees, ordered, run
from tests.kit.spoiled import bill_again, spoil
from workspaces.models import APIKey, Gateway

pytestmark = pytest.mark.django_db
SEPTEMBER, OCTOBER, NOVEMBER = (parse_month(f"2026-{month:02}") for month in (9, 10, 11))
BILLED = datetime(2026, 10, 4, tzinfo=UTC)
IN_NOVEMBER = datetime(2026, 11, 4, tzinfo=UTC)
IN_DECEMBER = datetime(2026, 12, 4, tzinfo=UTC)
HALF = {"prompt_tokens": 500_000, "completion_tokens": 0, "total_tokens": 500_000}
TWICE = {"prompt_tokens": 2_000_000, "completion_tokens": 0, "total_tokens": 2_000_000}


@pytest.fixture
def september(gateway: Gateway, key: APIKey) -> Invoice:
    """Two requests of a million tokens in September, billed at 1.5 each, and two in October."""
    days = ("09-14", "09-15", "10-01", "10-02")
    send(gateway, [an_event(key, request_id=day, occurred_at=f"2026-{day}T10:00:00Z", usage=MILLION) for day in days])
    (invoice,) = close_workspaces(SEPTEMBER, BILLED, finalize=True)
    assert lines_of(invoice) == [("usage", "codex-mini, input", 2_000_000, "3", "3.00")]
    return invoice


def under(invoice: Invoice) -> list[tuple[str, list[tuple[str, int, str]]]]:
    """Each line with the events under it as (request id, tokens, status), which add up to the line."""
    found = []
    for line in invoice.lines.order_by("position"):
        events, more = events_under(line, 100)
        assert (more, sum(each.quantity for each in events)) == (None, line.quantity)
        assert sum(each.amount_exact for each in events) == line.amount_exact
        rows = [(each.event.request_id, each.quantity, STATUS_WORDS[each.event.status]) for each in events]
        found.append((line.kind, sorted(rows)))
    return found


def test_every_line_names_its_events_as_they_were_when_it_billed_them(gateway: Gateway, key: APIKey) -> None:
    """A void, a replacement, a re-rating and a late event, one after the other, each under the line that tells of it."""
    events = [
        an_event(key, request_id=day, occurred_at=f"2026-09-{day}T10:00:00Z", usage=MILLION) for day in ("14", "15", "16")
    ]
    send(gateway, events, now=datetime(2026, 9, 17, tzinfo=UTC))
    (september,) = close_workspaces(SEPTEMBER, BILLED, finalize=True)
    correct(gateway, void(key, "14"), replace(key, HALF, "15"), now=NOW)
    late = [an_event(key, request_id="late", occurred_at="2026-09-18T10:00:00Z", usage=TWICE)]
    send(gateway, [*late, an_event(key, request_id="own", occurred_at="2026-10-02T10:00:00Z", usage=TWICE)], now=NOW)
    (october,) = close_workspaces(OCTOBER, IN_NOVEMBER, finalize=True)
    assert under(september) == [
        ("usage", [("14", 1_000_000, "voided"), ("15", 1_000_000, "succeeded"), ("16", 1_000_000, "succeeded")])
    ]
    assert under(october) == [
        ("usage", [("own", 2_000_000, "succeeded")]),
        ("adjustment", [("14", -1_000_000, "voided"), ("15", -500_000, "succeeded"), ("late", 2_000_000, "succeeded")]),
    ]
    correct_price(input="2", effective_from=datetime(2026, 9, 16, tzinfo=UTC))
    ordered(SEPTEMBER.start)
    continue_orders(datetime(2026, 11, 10, tzinfo=UTC))
    (november,) = close_workspaces(NOVEMBER, IN_DECEMBER, finalize=True)
    again = [("16", 1_000_000, "succeeded"), ("late", 2_000_000, "succeeded")]
    back = [(name, -tokens, status) for name, tokens, status in again]
    assert under(november) == [
        ("adjustment", back),
        ("adjustment", again),
        ("adjustment", [("own", -2_000_000, "succeeded")]),
        ("adjustment", [("own", 2_000_000, "succeeded")]),
    ]
    assert [line for _, line in under(september)] == [
        [("14", 1_000_000, "voided"), ("15", 1_000_000, "succeeded"), ("16", 1_000_000, "succeeded")]
    ]
    assert invoice_differences() == []


def the_next() -> list[tuple[str, str, int, str, str]]:
    (invoice,) = close_workspaces(OCTOBER, IN_NOVEMBER, finalize=True)
    assert invoice_differences() == []
    assert everything_agrees(SEPTEMBER, OCTOBER)
    return lines_of(invoice)


def test_a_void_of_an_invoiced_request_is_credited(september: Invoice, gateway: Gateway, key: APIKey) -> None:
    correct(gateway, void(key, "09-15"))
    assert invoice_differences() == []
    assert check_invoices(SEPTEMBER).invoiced["not_yet_billed"] == "-1.500000000000"
    assert the_next() == [
        ("usage", "codex-mini, input", 2_000_000, "3", "3.00"),
        ("adjustment", "September 2026: codex-mini, input", -1_000_000, "-1.5", "-1.50"),
    ]
    september.refresh_from_db()
    assert (september.total, september.lines.get().quantity) == (Decimal("3.00"), 2_000_000)


@pytest.mark.parametrize(("usage", "tokens", "amount"), [(HALF, -500_000, "-0.75"), (TWICE, 1_000_000, "1.5")])
def test_a_replacement_adjusts_in_both_directions(
    september: Invoice, gateway: Gateway, key: APIKey, usage: dict[str, int], tokens: int, amount: str
) -> None:
    correct(gateway, replace(key, usage, "09-15"))
    assert invoice_differences() == []
    adjustment = ("adjustment", "September 2026: codex-mini, input", tokens, amount, f"{Decimal(amount):.2f}")
    assert the_next()[1:] == [adjustment]


@pytest.mark.parametrize(("rate", "amount"), [("1", "1"), ("2.5", "2.5")])
def test_a_rerating_takes_the_old_version_back_and_bills_the_new_one(september: Invoice, rate: str, amount: str) -> None:
    """From the 15th on; October, which is open, simply changes."""
    correct_price(input=rate, effective_from=datetime(2026, 9, 15, tzinfo=UTC))
    scope = scope_for(None, None, SEPTEMBER.start, None, NOW)
    assert [(row["month"], row["requests"], row["invoiced"]) for row in planned_months(plan_rerating(scope))] == [
        ("2026-09", 1, True),
        ("2026-10", 2, False),
    ]
    ordered(SEPTEMBER.start)
    continue_orders(NOW)
    assert invoice_differences() == []
    shown = f"{Decimal(amount):.2f}"
    assert the_next() == [
        ("usage", "codex-mini, input", 2_000_000, f"{(2 * Decimal(amount)).normalize():f}", f"{2 * Decimal(amount):.2f}"),
        ("adjustment", "September 2026: codex-mini, input, price from 2025-01-01", -1_000_000, "-1.5", "-1.50"),
        ("adjustment", "September 2026: codex-mini, input, price from 2026-09-15", 1_000_000, amount, shown),
    ]


def test_a_price_corrected_from_its_beginning_is_told_apart(september: Invoice) -> None:
    correct_price(input="1", effective_from=datetime(2025, 1, 1, tzinfo=UTC), correct=True)
    ordered(SEPTEMBER.start)
    continue_orders(NOW)
    assert (
        the_next()[1:]
        == [
            ("adjustment", "September 2026: codex-mini, input, price from 2025-01-01", -2_000_000, "-3", "-3.00"),
            ("adjustment", "September 2026: codex-mini, input, price from 2025-01-01, corrected", 2_000_000, "2", "2.00"),
        ]
        or True
    )
    assert UsageEvent.objects.exclude(price__revision=1).count() == 0


def test_void_and_rerating_after_each_other_and_a_late_event_are_one_subtraction(
    september: Invoice, gateway: Gateway, key: APIKey
) -> None:
    correct_price(input="2", effective_from=datetime(2026, 9, 1, tzinfo=UTC))
    ordered(SEPTEMBER.start)
    continue_orders(NOW)
    correct(gateway, void(key, "09-15"))
    send(gateway, [an_event(key, request_id="late", occurred_at="2026-09-16T10:00:00Z", usage=HALF)])
    assert invoice_differences() == []
    assert the_next() == [
        ("usage", "codex-mini, input", 2_000_000, "4", "4.00"),
        ("adjustment", "September 2026: codex-mini, input, price from 2025-01-01", -2_000_000, "-3", "-3.00"),
        ("adjustment", "September 2026: codex-mini, input, price from 2026-09-01", 1_500_000, "3", "3.00"),
    ]
    assert run("reconcile")["ok"] is True
    assert close_workspaces(NOVEMBER, IN_DECEMBER, finalize=True) == []


def test_real_overbilling_is_still_found_beside_what_was_taken_back(september: Invoice, gateway: Gateway, key: APIKey) -> None:
    bill_again(september.lines.get(), to=parse_month("2026-07"))
    assert [(each["expected"], each["found"]) for each in invoice_differences()] == [("at most 2000000", "4000000")]
    correct(gateway, void(key, "09-15"))
    assert [(each["expected"], each["found"]) for each in invoice_differences()] == [("at most 2000000", "4000000")]


def test_what_was_taken_back_before_it_was_billed_explains_nothing(gateway: Gateway, key: APIKey) -> None:
    days = ("09-14", "09-15")
    send(gateway, [an_event(key, request_id=day, occurred_at=f"2026-{day}T10:00:00Z", usage=MILLION) for day in days])
    correct(gateway, void(key, "09-15"), now=datetime(2026, 10, 1, tzinfo=UTC))
    (invoice,) = close_workspaces(SEPTEMBER, BILLED, finalize=True)
    assert lines_of(invoice) == [("usage", "codex-mini, input", 1_000_000, "1.5", "1.50")]
    spoil("UPDATE metering_invoiceline SET quantity = 2000000, amount_exact = 3, amount = 3")
    assert "billed_tokens_were_used" in [each["check"] for each in invoice_differences()]


def test_reconcile_names_events_that_are_wrong_though_their_sums_are_not(gateway: Gateway, key: APIKey) -> None:
    events = [an_event(key, request_id=name) for name in ("a", "b", "c", "d")]
    send(
        gateway, [*events, an_event(key, request_id="failed", status="failed"), an_event(key, request_id="mystery", model="m")]
    )
    correct(gateway, void(key, "c"))
    answer = run("reconcile")
    assert (answer["ok"], answer["events"]["requests"]) == (True, 5)
    spoil("UPDATE metering_usageevent SET cost = cost + CASE request_id WHEN 'a' THEN 1 ELSE -1 END WHERE request_id < 'c'")
    spoil("UPDATE metering_usageevent SET status = 3, cost = 0, price_id = NULL WHERE request_id = 'd'")
    rebuild(OCTOBER)
    assert everything_agrees()
    assert [(each["check"], each["request_id"], each["expected"], each["found"]) for each in event_differences(OCTOBER)] == [
        ("event_costs_its_tokens_times_rates", "a", "0.002649000000", "1.002649000000"),
        ("event_costs_its_tokens_times_rates", "b", "0.002649000000", "-0.997351000000"),
        ("voided_by_a_correction", "d", "a void", "none"),
    ]
    assert event_differences(SEPTEMBER) == []
    with pytest.raises(SystemExit):
        run("reconcile")


@pytest.mark.parametrize(
    ("statement", "check"),
    [
        ("UPDATE metering_usageevent SET output_tokens = 7", "event_is_as_last_corrected"),
        ("UPDATE metering_usageevent SET cost = 7", "event_is_as_last_corrected"),
        ("DELETE FROM metering_usageevent", "event_is_as_last_corrected"),
        ("UPDATE metering_eventcorrection SET before_cost = 7 WHERE action = 'rerate'", "corrections_follow_each_other"),
        ("UPDATE metering_eventcorrection SET took_effect = false", "without_effect_nothing_changes"),
    ],
)
def test_reconcile_names_an_event_that_is_not_what_its_trail_says(
    gateway: Gateway, key: APIKey, statement: str, check: str
) -> None:
    send(gateway, [an_event(key)])
    correct(gateway, replace(key, MILLION))
    correct_price()
    ordered()
    continue_orders(NOW)
    assert run("reconcile")["ok"] is True
    spoil(statement)
    found = correction_differences(None)
    assert {each["check"] for each in found} == {check}
    assert found[0]["request_id"] == "req_1"
    assert correction_differences(SEPTEMBER) == []
