"""Deferred revenue, tax and revenue by month: what moved is what lies between two balances, and stays so."""

from decimal import Decimal

import pytest
from django.test import Client
from django.urls import reverse

from metering.credits import ledger
from metering.invoicing.fees.change import add_line, set_fee
from metering.journal.accounts import CHART, AccountType, JournalAccount
from metering.payments.refunds.reversals import void_invoice
from metering.periods import Period
from metering.reports.deferred_revenue import AMOUNTS, deferred_revenue, deferred_rows
from metering.reports.earlier_balances import balances_at
from metering.reports.revenue import COLUMNS, revenue_by_customer, revenue_rows
from metering.reports.taxes import tax_csv_rows, taxes_by_month
from tests.kit.billing import OPS, SEPTEMBER, Meter, an_invoice, at
from tests.kit.factories import NOW
from tests.kit.pages import words_of
from tests.reports.story import Story
from workspaces.models import Workspace

pytestmark = pytest.mark.django_db
MONTHS = "first=2026-03&last=2026-10"


def period(first: str, last: str) -> Period:
    """The months from `first` up to `last`, which is not in it."""
    return Period(at(f"{first}-01T00:00"), at(f"{last}-01T00:00"))


def deferred(first: str, last: str) -> list[tuple[str, ...]]:
    return [
        (each["month"][5:], *(each[name] for name in AMOUNTS)) for each in deferred_rows(deferred_revenue(period(first, last)))
    ]


def taxes(first: str, last: str) -> list[tuple[str, ...]]:
    rows = tax_csv_rows(taxes_by_month(period(first, last)))
    return [(each["month"][5:], each["rate"], each["charged"], each["reversed"], each["net"]) for each in rows]


def revenue(first: str, last: str) -> list[tuple[str, ...]]:
    rows = revenue_rows(revenue_by_customer(period(first, last)))
    return [(each["month"][5:], each["workspace"], each["usage"], each["breakage"], each["total"]) for each in rows]


def test_deferred_revenue_rolls_from_month_to_month(story: Story) -> None:
    story.more()
    assert deferred("03", "12") == [
        ("03", "0.00", "40.00", "0.00", "0.00", "0.00", "40.00"),
        ("04", "40.00", "0.00", "0.00", "40.00", "0.00", "0.00"),
        ("05", "0.00", "0.00", "0.00", "0.00", "0.00", "0.00"),
        ("06", "0.00", "200.00", "0.00", "0.00", "0.00", "200.00"),
        ("07", "200.00", "0.00", "0.00", "0.00", "0.00", "200.00"),
        ("08", "200.00", "0.00", "166.60", "0.00", "0.00", "33.40"),
        ("09", "33.40", "0.00", "33.40", "0.00", "0.00", "0.00"),
        ("10", "0.00", "50.00", "0.00", "0.00", "20.00", "30.00"),
        ("11", "30.00", "0.00", "17.85", "0.00", "0.00", "12.15"),
    ]
    assert deferred("09", "11") == deferred("03", "12")[6:8], "beginning in the middle it opens with what there was"


def test_each_closing_is_the_balance_of_bought_credit(story: Story) -> None:
    story.more()
    rows = deferred_revenue(period("03", "12"))
    ends = [each.month for each in rows[1:]] + [at("12-01T00:00")]
    kept = [-sum(each.units for each in balances_at(end, [JournalAccount.CREDIT_BOUGHT])) for end in ends]
    assert [each.closing for each in rows] == kept == [4000, 0, 0, 20000, 20000, 3340, 0, 3000, 1215]


def test_credit_that_a_void_invoice_gives_back_was_not_used(acme: Workspace, use: Meter) -> None:
    """In the month of the voiding: the month before keeps what it said."""
    ledger.grant(acme, "purchased", Decimal("100.00"), OPS, at("09-01T00:00"))
    made = an_invoice(acme, use)
    assert deferred("10", "11") == [("10", "100.00", "0.00", "100.00", "0.00", "0.00", "0.00")]
    void_invoice(made.pk, "a mistake", OPS, at("11-02T00:00"))
    assert deferred("10", "12") == [
        ("10", "100.00", "0.00", "100.00", "0.00", "0.00", "0.00"),
        ("11", "0.00", "0.00", "-100.00", "0.00", "0.00", "100.00"),
    ]


def test_tax_is_charged_and_reversed_in_the_month_of_the_act(story: Story) -> None:
    story.more()
    assert taxes("03", "12") == [
        ("08", "19 % VAT", "26.60", "0.00", "26.60"),
        ("09", "19 % VAT", "57.00", "19.00", "38.00"),
        ("10", "19 % VAT", "28.50", "0.00", "28.50"),
        ("11", "19 % VAT", "2.85", "28.50", "-25.65"),
    ]
    (kept,) = balances_at(at("12-01T00:00"), [JournalAccount.TAX])
    assert -kept.units == sum(each.net for each in taxes_by_month(period("03", "12"))) == 6745


def test_revenue_is_by_customer_in_the_month_of_the_act(story: Story) -> None:
    story.more()
    assert revenue("03", "12") == [
        ("04", "Acme", "0.00", "40.00", "40.00"),
        ("08", "Acme", "150.00", "0.00", "150.00"),
        ("09", "Acme", "200.00", "0.00", "200.00"),
        ("09", "Beta", "15.00", "0.00", "15.00"),
        ("10", "Acme", "150.00", "0.00", "150.00"),
        ("11", "Acme", "-135.00", "0.00", "-135.00"),
    ]


def test_revenue_has_every_account_of_income() -> None:
    assert set(COLUMNS.values()) == {account for account, rule in CHART.items() if rule.type == AccountType.INCOME}


def test_fees_and_lines_that_are_added_by_hand_are_revenue(acme: Workspace, use: Meter) -> None:
    set_fee(acme, "Platform", Decimal("30.00"), None, at("09-01T00:00"), at("10-01T00:00"), OPS, NOW)
    add_line(acme, SEPTEMBER, Decimal("-5.00"), "An outage", OPS, NOW)
    an_invoice(acme, use)
    (row,) = revenue_rows(revenue_by_customer(period("10", "11")))
    assert (row["usage"], row["fees"], row["manual"], row["total"]) == ("150.00", "30.00", "-5.00", "175.00")


def test_later_acts_change_no_earlier_month(story: Story) -> None:
    were = (deferred("03", "11"), taxes("03", "11"), revenue("03", "11"))
    story.more()
    assert (deferred("03", "11"), taxes("03", "11"), revenue("03", "11")) == were


def test_operators_see_them_and_get_them_as_files(story: Story, console: Client) -> None:
    page = reverse("admin:metering_journalposting_deferred_revenue")
    said = words_of(console.get(f"{page}?{MONTHS}"))
    assert "2026-10 $0.00 $50.00 $0.00 $0.00 $20.00 $30.00" in said
    page = reverse("admin:metering_journalposting_tax")
    assert "2026-09 19 % VAT $57.00 $19.00 $38.00" in words_of(console.get(f"{page}?{MONTHS}"))
    page = reverse("admin:metering_journalposting_revenue")
    said = words_of(console.get(f"{page}?{MONTHS}"))
    assert "2026-09 Beta $15.00 $0.00 $0.00 $0.00 $0.00 $0.00 $0.00 $15.00" in said
    assert "2026-09 All, USD $215.00 $0.00 $0.00 $0.00 $0.00 $0.00 $0.00 $215.00" in said
    assert "2026-08 codex-mini 2 $315.00" in said, "from metered usage"
    assert "2026-08-14 2 $315.00" in said
    answer = console.get(f"{page}?{MONTHS}&format=csv")
    assert b"2026-09" in answer.getvalue()  # type: ignore[attr-defined]
    assert answer["Content-Disposition"] == 'attachment; filename="revenue-2026-03-to-2026-10.csv"'


@pytest.mark.parametrize("report", ["deferred_revenue", "tax", "revenue"])
def test_they_are_empty_in_words_and_refuse_months_that_are_none(console: Client, report: str) -> None:
    page = reverse(f"admin:metering_journalposting_{report}")
    assert any(
        word in words_of(console.get(page)) for word in ("No credit was ever bought.", "No tax was", "Nothing was earned")
    )
    assert "is not a month" in words_of(console.get(f"{page}?first=2026-13&last=2026-13"))
    assert "The last month is before the first." in words_of(console.get(f"{page}?first=2026-03&last=2026-02"))
    assert "Choose at most 36 months." in words_of(console.get(f"{page}?first=2023-01&last=2026-01"))
