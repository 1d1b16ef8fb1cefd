"""What was owed at the end of any day, by how long it was overdue."""

from datetime import date
from decimal import Decimal

import pytest

from metering.journal.accounts import JournalAccount
from metering.journal.balances import trial_balance
from metering.journal.entries import EntryDraft, Kind, Subaccount, between
from metering.journal.post import post
from metering.reports.ageing import BANDS, Ageing, ageing, ageing_rows, band_of
from tests.kit.billing import OPS, at
from tests.reports.story import Story
from workspaces.models import Workspace

pytestmark = pytest.mark.django_db
BEFORE_MORE = [date(2026, 8, 1), date(2026, 9, 1), date(2026, 9, 20), date(2026, 10, 2), date(2026, 10, 20)]


def words(report: Ageing) -> list[tuple[str, ...]]:
    return [
        (
            row.workspace.name if row.workspace else row.currency,
            *(f"{row.amount(band):.2f}" for band in BANDS),
            f"{row.total:.2f}",
        )
        for row in [*report.rows, *report.totals]
    ]


def receivable_at(instant: str) -> str:
    found = {each["account"]: each["balance"] for each in trial_balance(at(instant))["accounts"]}
    return str(found.get("receivable", "0.00"))


def test_what_is_owed_grows_older_until_it_is_paid_credited_or_written_off(story: Story) -> None:
    assert words(ageing(date(2026, 8, 1))) == [], "July was paid from credit"
    assert words(ageing(date(2026, 9, 1))) == [
        ("Acme", "323.60", "0.00", "0.00", "0.00", "0.00", "323.60"),
        ("Beta", "15.00", "0.00", "0.00", "0.00", "0.00", "15.00"),
        ("USD", "338.60", "0.00", "0.00", "0.00", "0.00", "338.60"),
    ]
    assert words(ageing(date(2026, 10, 2))) == [
        ("Acme", "178.50", "204.60", "0.00", "0.00", "0.00", "383.10"),
        ("Beta", "0.00", "15.00", "0.00", "0.00", "0.00", "15.00"),
        ("USD", "178.50", "219.60", "0.00", "0.00", "0.00", "398.10"),
    ]
    assert words(ageing(date(2027, 1, 15))) == [
        ("Acme", "0.00", "0.00", "0.00", "178.50", "0.00", "178.50"),
        ("Beta", "0.00", "0.00", "0.00", "0.00", "15.00", "15.00"),
        ("USD", "0.00", "0.00", "0.00", "178.50", "15.00", "193.50"),
    ]
    story.more()
    assert words(ageing(date(2027, 1, 15))) == [], "voided and written off"


def test_it_adds_up_to_the_receivable_of_that_day(story: Story) -> None:
    story.more()
    for day, total in zip(BEFORE_MORE, ["0.00", "338.60", "219.60", "398.10", "193.50"], strict=True):
        sums = [f"{each.total:.2f}" for each in ageing(day).totals] or ["0.00"]
        assert sums == [total] == [receivable_at(f"{day:%m-%d}T23:59:59.999999")]


def test_the_report_of_an_old_day_stays_as_it_was(story: Story) -> None:
    were = [ageing(day) for day in BEFORE_MORE]
    story.more()
    assert [ageing(day) for day in BEFORE_MORE] == were


def test_it_takes_three_statements_however_many_owe(story: Story, django_assert_num_queries: object) -> None:
    with django_assert_num_queries(3):  # type: ignore[operator]
        ageing(date(2026, 10, 2))


@pytest.mark.parametrize(
    ("days", "band"),
    [
        *((-30, "not_due"), (0, "not_due"), (1, "days_1_30"), (30, "days_1_30"), (31, "days_31_60"), (60, "days_31_60")),
        *((61, "days_61_90"), (90, "days_61_90"), (91, "over_90"), (4_000, "over_90")),
    ],
)
def test_which_band_a_number_of_days_is_in(days: int, band: str) -> None:
    assert band_of(days) == band


def test_each_currency_has_its_own_rows_and_total(acme: Workspace) -> None:
    for document, amount, currency in [("inv_1", "1200", "JPY"), ("inv_2", "7.50", "USD")]:
        owed, earned = Subaccount(JournalAccount.RECEIVABLE, document), Subaccount(JournalAccount.REVENUE_USAGE)
        sides = between(Decimal(amount), owed, earned)
        entry = EntryDraft(Kind.INVOICE_FINALIZED, acme.pk, document, currency, at("10-02T09:00"), OPS, sides)
        post(entry, at("10-02T09:00"))
    assert [(each.currency, str(each.total)) for each in ageing(date(2026, 10, 2)).rows] == [("JPY", "1200"), ("USD", "7.50")]
    assert [(each.currency, str(each.total)) for each in ageing(date(2026, 10, 2)).totals] == [("JPY", "1200"), ("USD", "7.50")]


def test_money_with_a_value_date_before_its_invoice_is_below_zero_until_then(acme: Workspace, story: Story) -> None:
    paid = between(
        Decimal("50.00"),
        Subaccount(JournalAccount.MONEY_BANK, "pay_1"),
        Subaccount(JournalAccount.RECEIVABLE, story.september.public_id),
    )
    post(EntryDraft(Kind.PAYMENT_RECEIVED, acme.pk, "pay_1", "USD", at("09-28T00:00"), OPS, paid), at("10-20T09:00"))
    (acme_row, *_) = ageing(date(2026, 9, 30)).rows
    assert [(each.number, each.units) for each in acme_row.items] == [
        (story.august.number, 20460),
        (story.september.number, -5000),
    ]
    assert receivable_at("09-30T23:59:59") == "169.60"
    assert [f"{each.total:.2f}" for each in ageing(date(2026, 9, 30)).totals] == ["169.60"]


def test_the_file_has_a_row_for_each_invoice(story: Story) -> None:
    rows = list(ageing_rows(ageing(date(2026, 10, 2))))
    assert [
        (row["workspace"], row["number"], row["due_on"], row["days_overdue"], row["band"], row["amount"]) for row in rows
    ] == [
        ("Acme", story.august.number, "2026-10-01", "1", "days_1_30", "204.60"),
        ("Acme", story.september.number, "2026-10-31", "0", "not_due", "178.50"),
        ("Beta", story.beta_august.number, "2026-10-01", "1", "days_1_30", "15.00"),
    ]
    assert rows[0]["as_of"] == "2026-10-02"
    assert rows[0]["workspace_id"] == story.acme.public_id
    assert rows[0]["invoice_id"] == story.august.public_id
