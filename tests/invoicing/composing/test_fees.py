"""Recurring fees by the day, and manual lines: billed once, adjusted once, taxed as their month is."""

from decimal import Decimal

import pytest
from django.db import connection, transaction
from django.db.utils import IntegrityError

from metering.invoicing.fees.change import add_line, set_fee
from metering.invoicing.fees.models import ManualLine
from metering.invoicing.lifecycle.finalize import finalize
from metering.invoicing.lifecycle.schedule import close_months_due
from metering.invoicing.lifecycle.upcoming import upcoming
from metering.invoicing.lifecycle.void import reissue, void
from metering.invoicing.models import Invoice
from metering.journal.models import JournalBalance
from metering.periods import Period, parse_month
from metering.reconcile.invoices import invoice_differences
from metering.rollups.models import SettledUsage
from omixa_billing.api.errors import InvalidParameter
from tests.kit.billing import AUGUST, NOVEMBER, OCTOBER, SEPTEMBER, Meter, agree, at, finalized, lines_of, tokens
from tests.kit.days import fixed_day
from tests.kit.factories import NOW, make_workspace
from workspaces.models import APIKey, AuditEntry, Workspace

__all__ = ["fixed_day"]
pytestmark = pytest.mark.django_db
OPS = "ops@omixa.example"
MILLION = tokens(input=1_000_000)  # 1.50 USD
IN_NOVEMBER, IN_DECEMBER = at("11-05T00:00"), at("12-05T00:00")


def fee(
    workspace: Workspace, monthly: str, since: str, until: str = "", seats: int | None = None, name: str = "Platform fee"
) -> None:
    """Days as `09-15`."""
    ends_at = at(f"{until}T00:00") if until else None
    set_fee(workspace, name, Decimal(monthly), seats, at(f"{since}T00:00"), ends_at, OPS, NOW)


def line(workspace: Workspace, amount: str, text: str = "Setup", month: Period = SEPTEMBER) -> ManualLine:
    return add_line(workspace, month, Decimal(amount), text, OPS, NOW)


def texts(invoice: Invoice) -> list[tuple[str, str, str]]:
    return [(kind, text, amount) for kind, text, _, _, amount in lines_of(invoice)]


def sums(invoice: Invoice) -> tuple[str, str, str]:
    return str(invoice.subtotal), str(invoice.tax), str(invoice.total)


# --- Proration -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("month", "since", "until", "amount", "text"),
    [
        ("2026-08", "08-15", "", "54.84", "Platform fee: 100.00 USD for 17 of 31 days"),
        ("2026-09", "09-15", "", "53.33", "Platform fee: 100.00 USD for 16 of 30 days"),
        ("2026-02", "02-15", "", "50.00", "Platform fee: 100.00 USD for 14 of 28 days"),
        ("2026-09", "08-15", "09-02", "3.33", "Platform fee: 100.00 USD for 1 of 30 days"),
        ("2026-09", "09-10", "09-12", "6.67", "Platform fee: 100.00 USD for 2 of 30 days"),
        ("2026-09", "09-01", "10-01", "100.00", "Platform fee"),
    ],
)
def test_a_part_of_a_month_costs_its_days(acme: Workspace, month: str, since: str, until: str, amount: str, text: str) -> None:
    fee(acme, "100.00", since, until)
    period = parse_month(month)
    assert [each for invoice in finalized(period) for each in texts(invoice) if each[1] == text] == [("fee", text, amount)]


def test_half_a_cent_is_rounded_up_once(acme: Workspace) -> None:
    fee(acme, "0.15", "09-16", seats=5)  # 15 of 30 days: 0.375
    (september,) = finalized()
    assert texts(september) == [("fee", "Platform fee: 5 at 0.15 USD for 15 of 30 days", "0.38")]


def test_seats_changed_within_a_month_are_prorated_by_the_day_and_rounded_once(acme: Workspace) -> None:
    fee(acme, "10.01", "09-01", seats=5, name="Seats")
    fee(acme, "10.01", "09-15", seats=8, name="Seats")
    (september,) = finalized()
    text = "Seats: 5 at 10.01 USD for 14 of 30 days, 8 at 10.01 USD for 16 of 30 days"
    assert texts(september) == [("fee", text, "66.07")]  # 50.05 * 14/30 + 80.08 * 16/30 = 66.066
    (october,) = finalized(OCTOBER, IN_NOVEMBER)
    assert texts(october) == [("fee", "Seats: 8 at 10.01 USD", "80.08")]


def test_a_fee_that_ended_before_the_month_costs_nothing_in_it(acme: Workspace) -> None:
    fee(acme, "100.00", "08-01", "09-01")
    fee(acme, "30.00", "08-01", name="Support")
    fee(acme, "0.00", "09-01", name="Support")
    assert [sums(each) for each in finalized(AUGUST)] == [("130.00", "0.00", "130.00")]
    assert finalized() == []
    assert close_months_due(NOW)["finalized"] == 0


def test_an_agreement_that_ended_does_not_come_back_after_a_later_one(acme: Workspace) -> None:
    fee(acme, "100.00", "08-01")
    fee(acme, "50.00", "09-01", "09-16")
    (august,) = finalized(AUGUST)
    (september,) = finalized()
    assert (august.total, september.total) == (Decimal("100.00"), Decimal("25.00"))
    assert finalized(OCTOBER, IN_NOVEMBER) == []


# --- Closing -------------------------------------------------------------------------------------------------------


def test_a_workspace_without_usage_pays_its_fee_every_month(acme: Workspace) -> None:
    fee(acme, "20.00", "08-16")
    assert close_months_due(IN_NOVEMBER) == {"drafts": 0, "finalized": 3, "held": 0, "incomplete": 0, "failed": 0}
    assert close_months_due(IN_NOVEMBER)["finalized"] == 0
    assert [str(invoice.total) for invoice in acme.invoices.order_by("period_start")] == ["10.32", "20.00", "20.00"]
    assert invoice_differences() == []


def test_many_workspaces_with_fees_are_closed_in_one_set(codex_mini: object) -> None:
    several = [make_workspace(f"Workspace {number}") for number in range(4)]
    for number, each in enumerate(several[:3]):
        fee(each, "10.00", "09-01", seats=number + 1)
    line(several[3], "7.00")
    line(several[0], "-4.00", "Goodwill")
    assert {each.workspace_id: str(each.total) for each in finalized()} == {
        several[0].pk: "6.00",
        several[1].pk: "20.00",
        several[2].pk: "30.00",
        several[3].pk: "7.00",
    }


def test_the_preview_of_the_running_month_shows_its_fees(acme: Workspace) -> None:
    fee(acme, "31.00", "10-02")
    line(acme, "-1.00", "Goodwill", OCTOBER)
    preview = upcoming(acme, NOW)
    assert [(each.kind, each.description, each.amount) for each in preview.lines] == [
        ("fee", "Platform fee: 31.00 USD for 30 of 31 days", Decimal("30.00")),
        ("manual", "Goodwill", Decimal("-1.00")),
    ]


@pytest.mark.usefixtures("fixed_day")
def test_a_fee_of_a_settled_month_that_changes_is_in_the_preview(use: Meter, key: APIKey, acme: Workspace) -> None:
    fee(acme, "31.00", "08-01")
    use(key, "08-10T00:00", usage=MILLION)
    finalized(AUGUST)
    finalized()
    for _ in range(2):
        assert upcoming(acme, NOW).subtotal == Decimal("31.00")
    assert SettledUsage.objects.get().until == OCTOBER.start
    fee(acme, "31.00", "08-01", "08-11")
    assert [(each.description, each.amount) for each in upcoming(acme, NOW).lines] == [
        ("August 2026: Platform fee: 31.00 USD for 10 of 31 days", Decimal("-21.00")),
        ("September 2026: Platform fee", Decimal("-31.00")),
    ]
    line(acme, "60.00", "Training", AUGUST)
    assert upcoming(acme, NOW).subtotal == Decimal("8.00")


def test_fees_stand_after_usage_and_neither_discount_nor_minimum_counts_them(use: Meter, key: APIKey, acme: Workspace) -> None:
    agree(acme, {"VAT": "19"}, discount_percent=Decimal(10), minimum_commitment=Decimal(20))
    fee(acme, "100.00", "09-01")
    line(acme, "5.00")
    use(key, "09-14T10:00", usage=MILLION)
    (september,) = finalized()
    assert texts(september) == [
        ("usage", "codex-mini, input", "1.50"),
        ("discount", "Discount of 10 % on list prices", "-0.15"),
        ("minimum", "Minimum commitment of 20.00 USD", "18.65"),
        ("fee", "Platform fee", "100.00"),
        ("manual", "Setup", "5.00"),
    ]
    assert sums(september) == ("125.00", "23.75", "148.75")
    assert invoice_differences() == []


# --- Should have been billed minus was billed ----------------------------------------------------------------------


def test_a_fee_that_changes_after_its_month_was_billed_is_adjusted_once(acme: Workspace) -> None:
    fee(acme, "10.00", "08-01", seats=5, name="Seats")
    finalized(AUGUST)
    fee(acme, "10.00", "08-17", seats=3, name="Seats")  # 15 of 31 days with two seats less: -9.68
    (september,) = finalized()
    text = "August 2026: Seats: 5 at 10.00 USD for 16 of 31 days, 3 at 10.00 USD for 15 of 31 days"
    assert texts(september) == [("fee", "Seats: 3 at 10.00 USD", "30.00"), ("fee", text, "-9.68")]
    (october,) = finalized(OCTOBER, IN_NOVEMBER)
    assert texts(october) == [("fee", "Seats: 3 at 10.00 USD", "30.00")]
    assert invoice_differences() == []


def test_a_fee_ended_in_a_billed_month_is_given_back(use: Meter, key: APIKey, acme: Workspace) -> None:
    fee(acme, "30.00", "08-01")
    finalized(AUGUST)
    fee(acme, "30.00", "08-01", "08-11")
    use(key, "09-14T10:00", usage=tokens(input=100_000_000))
    (september,) = finalized()
    assert texts(september)[1:] == [("fee", "August 2026: Platform fee: 30.00 USD for 10 of 31 days", "-20.32")]


def test_a_fee_moved_out_of_a_billed_month_is_given_back_whole(use: Meter, key: APIKey, acme: Workspace) -> None:
    fee(acme, "30.00", "08-01")
    finalized(AUGUST)
    fee(acme, "0.00", "08-01")
    use(key, "09-14T10:00", usage=tokens(input=100_000_000))
    (september,) = finalized()
    assert texts(september)[1:] == [("fee", "August 2026: Platform fee", "-30.00")]


def test_a_negative_line_that_exceeds_its_month_is_carried_over(use: Meter, key: APIKey, acme: Workspace) -> None:
    agree(acme, {"VAT": "19"})
    use(key, "09-14T10:00", usage=MILLION)
    line(acme, "-10.00", "Outage of 3 September")
    assert finalized() == []
    use(key, "10-02T00:00", usage=tokens(input=20_000_000))
    (october,) = finalized(OCTOBER, IN_NOVEMBER)
    assert texts(october) == [
        ("usage", "codex-mini, input", "30.00"),
        ("adjustment", "September 2026: codex-mini, input", "1.50"),
        ("manual", "September 2026: Outage of 3 September", "-10.00"),
    ]
    assert sums(october) == ("21.50", "4.09", "25.59")
    assert finalized(NOVEMBER, IN_DECEMBER) == []


def test_a_line_for_a_finalized_month_is_on_the_next_invoice_taxed_as_its_month_was(
    use: Meter, key: APIKey, acme: Workspace
) -> None:
    terms = agree(acme, {"VAT": "19"})
    use(key, "09-14T10:00", usage=MILLION)
    finalized()
    terms.tax_rates.clear()
    line(acme, "100.00")
    (october,) = finalized(OCTOBER, IN_NOVEMBER)
    assert texts(october) == [("manual", "September 2026: Setup", "100.00")]
    assert october.taxes == [{"name": "VAT", "percent": "19", "taxable": "100.00", "amount": "19.00"}]


def test_what_a_void_invoice_billed_waits_for_its_reissue_and_what_changes_flows_on(acme: Workspace) -> None:
    fee(acme, "30.00", "09-01", seats=2, name="Seats")
    line(acme, "5.00")
    (september,) = finalized()
    assert sums(september) == ("65.00", "0.00", "65.00")
    void(september.pk, "wrong address", OPS, NOW)
    fee(acme, "30.00", "09-16", seats=4, name="Seats")  # 30.00 more of September
    line(acme, "7.00", "Training")
    (october,) = finalized(OCTOBER, IN_NOVEMBER)
    text = "September 2026: Seats: 2 at 30.00 USD for 15 of 30 days, 4 at 30.00 USD for 15 of 30 days"
    assert texts(october) == [
        ("fee", "Seats: 4 at 30.00 USD", "120.00"),
        ("fee", text, "30.00"),
        ("manual", "September 2026: Training", "7.00"),
    ]
    again = reissue(september.pk, OPS, IN_NOVEMBER)
    assert again is not None
    assert texts(finalize(again.pk, OPS, IN_NOVEMBER)) == [
        ("fee", text.removeprefix("September 2026: "), "60.00"),
        ("manual", "Setup", "5.00"),
    ]
    assert finalized(NOVEMBER, IN_DECEMBER)[0].total == Decimal("120.00")
    assert invoice_differences() == []


def test_a_reissue_bills_no_more_of_a_fee_than_is_left_of_it(use: Meter, key: APIKey, acme: Workspace) -> None:
    fee(acme, "30.00", "09-01")
    (september,) = finalized()
    void(september.pk, "wrong address", OPS, NOW)
    fee(acme, "30.00", "09-01", "09-11")
    use(key, "10-02T00:00", usage=tokens(input=20_000_000))
    assert [each.total for each in finalized(OCTOBER, IN_NOVEMBER)] == [Decimal("30.00")]
    again = reissue(september.pk, OPS, IN_NOVEMBER)
    assert again is not None
    assert texts(again) == [("fee", "Platform fee: 30.00 USD for 10 of 30 days", "10.00")]


# --- The books and the trail ---------------------------------------------------------------------------------------


def test_fees_and_manual_lines_are_revenue_of_their_own(acme: Workspace) -> None:
    fee(acme, "100.00", "09-01")
    line(acme, "5.00")
    line(acme, "-2.00", "Goodwill")
    (september,) = finalized()
    rows = JournalBalance.objects.filter(workspace=acme, part="").values_list("account", "balance")
    assert dict(rows) == {"receivable": 10_300, "revenue_fees": -10_000, "revenue_one_off": -300}
    void(september.pk, "wrong address", OPS, NOW)
    assert set(JournalBalance.objects.filter(workspace=acme).values_list("balance", flat=True)) == {0}


def test_both_verbs_are_on_the_trail_with_before_and_after(acme: Workspace) -> None:
    fee(acme, "100.00", "09-01")
    fee(acme, "100.00", "09-01")
    fee(acme, "100.00", "09-01", "12-01", seats=3)
    made = line(acme, "5.00")
    first = {"from": "2026-09-01", "until": None, "monthly": "100.00", "seats": None}
    then = {"from": "2026-09-01", "until": "2026-12-01", "monthly": "100.00", "seats": 3}
    entries = AuditEntry.objects.filter(workspace=acme, action__in=["fee.set", "line.added"]).order_by("pk")
    assert [(each.action, each.actor, each.detail) for each in entries] == [
        ("fee.set", OPS, {"name": "Platform fee", "before": None, "after": first}),
        ("fee.set", OPS, {"name": "Platform fee", "before": first, "after": then}),
        ("line.added", OPS, {"month": "2026-09", "text": "Setup", "amount": "5.00"}),
    ]
    assert entries[2].target == made.public_id


def test_the_same_line_is_added_once_however_often_it_is_asked_for(acme: Workspace) -> None:
    line(acme, "25.00")
    with pytest.raises(InvalidParameter, match="This line was added before"):
        line(acme, "25.00")
    line(acme, "-25.00")
    line(acme, "25.00", "Setup of another region")
    assert [str(each.amount) for each in ManualLine.objects.order_by("pk")] == ["25.00", "-25.00", "25.00"]


def test_a_manual_line_is_never_changed_or_removed(acme: Workspace) -> None:
    made = line(acme, "5.00")
    for act in ("UPDATE metering_manualline SET amount = 6 WHERE id = %s", "DELETE FROM metering_manualline WHERE id = %s"):
        with pytest.raises(IntegrityError, match="never changes"), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(act, [made.pk])
    assert ManualLine.objects.get().amount == Decimal("5.00")


@pytest.mark.parametrize(
    ("monthly", "since", "until", "seats", "name", "message"),
    [
        ("-1.00", "09-01", "", None, "Fee", "not below zero"),
        ("1.005", "09-01", "", None, "Fee", "whole cents"),
        ("NaN", "09-01", "", None, "Fee", "whole cents"),
        ("1.00", "09-02", "09-02", None, "Fee", "ends after"),
        ("1.00", "09-01", "", -1, "Fee", "seats is from 0"),
        ("1.00", "09-01", "", None, "  ", "name is empty"),
        ("1.00", "09-01", "", None, "F" * 101, "at most 100"),
    ],
)
def test_a_wrong_fee_is_refused(
    acme: Workspace, monthly: str, since: str, until: str, seats: int | None, name: str, message: str
) -> None:
    with pytest.raises(InvalidParameter, match=message):
        fee(acme, monthly, since, until, seats, name)
    assert acme.fees.count() == 0


def test_a_wrong_line_and_one_of_a_sandbox_are_refused(acme: Workspace) -> None:
    for amount, text, message in [("0.00", "Setup", "at least one cent"), ("1.001", "Setup", "cents"), ("1.00", "", "empty")]:
        with pytest.raises(InvalidParameter, match=message):
            line(acme, amount, text)
    with pytest.raises(InvalidParameter, match="never invoiced"):
        line(make_workspace("Sandbox", sandbox=True), "1.00")
    with pytest.raises(InvalidParameter, match="beginning of a day"):
        set_fee(acme, "Fee", Decimal(1), None, at("09-01T00:01"), None, OPS, NOW)
    assert ManualLine.objects.count() == 0
