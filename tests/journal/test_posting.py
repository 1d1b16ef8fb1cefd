"""An entry is posted once, whole and for ever, and moves the balances with it: the database refuses the rest."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from django.db import IntegrityError, connection, transaction

from metering.errors import PeriodLocked
from metering.journal.accounts import CHART, JournalAccount
from metering.journal.balances import balance_of_account, trial_balance
from metering.journal.entries import EntryDraft, Kind, Posting, Subaccount, between, credit, debit
from metering.journal.models import (
    NOT_ABOVE_ZERO,
    NOT_BELOW_ZERO,
    JournalBalance,
    JournalEntry,
    JournalPosting,
    LockedPeriod,
)
from metering.journal.post import post, post_many, posted_under
from tests.kit.factories import NOW, make_workspace
from workspaces.models import Workspace

pytestmark = pytest.mark.django_db
A = JournalAccount
OCTOBER_2 = datetime(2026, 10, 2, 9, tzinfo=UTC)


def an_entry(
    workspace: Workspace,
    document: str = "inv_1",
    amount: str = "150.00",
    happened_at: datetime = OCTOBER_2,
    currency: str = "USD",
    postings: list[Posting] | None = None,
    is_news: bool = False,
) -> EntryDraft:
    """Usage that is invoiced, unless other postings are given."""
    sale = between(Decimal(amount), Subaccount(A.RECEIVABLE, document), Subaccount(A.REVENUE_USAGE))
    sides = sale if postings is None else postings
    return EntryDraft(Kind.INVOICE_FINALIZED, workspace.pk, document, currency, happened_at, "ops", sides, is_news=is_news)


def balances(workspace: Workspace) -> dict[tuple[str, str, str], int]:
    return {
        (each.account, each.part, each.currency): each.balance for each in JournalBalance.objects.filter(workspace=workspace)
    }


def test_an_entry_moves_the_balance_of_its_accounts_and_of_their_parts(acme: Workspace) -> None:
    post(an_entry(acme), NOW)
    post(an_entry(acme, "inv_2", "20.50"), NOW)
    assert balances(acme) == {
        ("receivable", "", "USD"): 17050,
        ("receivable", "inv_1", "USD"): 15000,
        ("receivable", "inv_2", "USD"): 2050,
        ("revenue_usage", "", "USD"): -17050,
    }
    assert balance_of_account(acme.pk, A.RECEIVABLE, "USD") == Decimal("170.50")
    assert balance_of_account(acme.pk, A.RECEIVABLE, "USD", "inv_2") == Decimal("20.50")
    assert balance_of_account(acme.pk, A.REVENUE_USAGE, "USD") == Decimal("170.50")
    assert balance_of_account(acme.pk, A.SURPLUS, "USD") == 0


def test_an_entry_says_what_when_whose_and_who(acme: Workspace) -> None:
    post(an_entry(acme), NOW)
    entry = JournalEntry.objects.get()
    assert entry.public_id.startswith("jrn_")
    assert (entry.kind, entry.key, entry.document) == ("invoice_finalized", "invoice_finalized:inv_1", "inv_1")
    assert (entry.happened_at, entry.booked_at, entry.actor, entry.workspace) == (OCTOBER_2, NOW, "ops", acme)
    assert posted_under("invoice_finalized:inv_1") == [
        Posting(A.RECEIVABLE, Decimal("150.00"), "inv_1", acme.pk),
        Posting(A.REVENUE_USAGE, Decimal("-150.00"), "", acme.pk),
    ]
    assert posted_under("invoice_finalized:inv_2") == []


def test_what_was_posted_is_not_posted_again_and_the_rest_of_the_call_is(acme: Workspace) -> None:
    post(an_entry(acme), NOW)
    post_many([an_entry(acme, "inv_2", "1.00"), an_entry(acme, amount="999.00"), an_entry(acme, "inv_3", "2.00")], NOW)
    assert list(JournalEntry.objects.order_by("pk").values_list("document", flat=True)) == ["inv_1", "inv_2", "inv_3"]
    assert balances(acme)["receivable", "", "USD"] == 15300


def test_a_thousand_entries_of_many_workspaces_are_one_statement(acme: Workspace, django_assert_num_queries: object) -> None:
    others = [make_workspace(f"Customer {number}") for number in range(3)]
    entries = [an_entry(others[number % 3], f"inv_{number}", "0.01") for number in range(1_000)]
    with django_assert_num_queries(1):  # type: ignore[operator]
        post_many(entries, NOW)
    assert [balances(each)["receivable", "", "USD"] for each in others] == [334, 333, 333]
    assert trial_balance()["accounts"] == [
        {"account": "receivable", "currency": "USD", "balance": "10.00"},
        {"account": "revenue_usage", "currency": "USD", "balance": "-10.00"},
    ]


def test_an_act_that_moves_nothing_leaves_no_entry(acme: Workspace) -> None:
    post(an_entry(acme, amount="0.00"), NOW)
    assert not JournalEntry.objects.exists()


def test_two_acts_of_one_call_cannot_have_one_key(acme: Workspace) -> None:
    with pytest.raises(ValueError, match="under one key"):
        post_many([an_entry(acme), an_entry(acme)], NOW)


def test_each_currency_has_its_own_smallest_unit_and_its_own_balance(acme: Workspace) -> None:
    post(an_entry(acme, "inv_1", "150.00"), NOW)
    post(an_entry(acme, "inv_2", "150", currency="JPY"), NOW)
    post(an_entry(acme, "inv_3", "1.234", currency="KWD"), NOW)
    kept = balances(acme)
    assert [kept["receivable", "", currency] for currency in ("USD", "JPY", "KWD")] == [15000, 150, 1234]
    with pytest.raises(ValueError, match=r"1\.5 JPY is not a whole number of the smallest unit of JPY"):
        post(an_entry(acme, "inv_4", "1.5", currency="JPY"), NOW)
    assert trial_balance()["accounts"] == [
        {"account": "receivable", "currency": "JPY", "balance": "150"},
        {"account": "receivable", "currency": "KWD", "balance": "1.234"},
        {"account": "receivable", "currency": "USD", "balance": "150.00"},
        {"account": "revenue_usage", "currency": "JPY", "balance": "-150"},
        {"account": "revenue_usage", "currency": "KWD", "balance": "-1.234"},
        {"account": "revenue_usage", "currency": "USD", "balance": "-150.00"},
    ]


def test_an_account_with_parts_is_posted_with_one_and_another_without() -> None:
    with pytest.raises(ValueError, match="receivable is posted with a part"):
        debit(A.RECEIVABLE, Decimal(1))
    with pytest.raises(ValueError, match="bad_debt is posted without a part"):
        debit(A.BAD_DEBT, Decimal(1), "inv_1")


def refused(constraint: str) -> "pytest.RaisesExc[IntegrityError]":
    def is_it(error: IntegrityError) -> bool:
        return getattr(getattr(error.__cause__, "diag", None), "constraint_name", None) == constraint

    return pytest.RaisesExc(IntegrityError, check=is_it)


def test_an_entry_that_does_not_add_up_is_refused(acme: Workspace) -> None:
    odd = [debit(A.RECEIVABLE, Decimal("150.00"), "inv_1"), credit(A.REVENUE_USAGE, Decimal("149.99"))]
    with refused("entries_add_up_to_nothing"), transaction.atomic():
        post(an_entry(acme, postings=odd), NOW)
    assert not JournalEntry.objects.exists()
    assert balances(acme) == {}


def test_an_entry_that_adds_up_only_over_two_currencies_is_refused(acme: Workspace) -> None:
    post(an_entry(acme), NOW)
    entry = JournalEntry.objects.get()
    row = {"entry": entry, "workspace": acme, "account": "bad_debt"}
    with refused("entries_add_up_to_nothing"), transaction.atomic():
        JournalPosting.objects.bulk_create(
            [JournalPosting(**row, currency="USD", amount=1), JournalPosting(**row, currency="JPY", amount=-1)]
        )


def test_nothing_is_added_to_an_entry_afterwards(acme: Workspace) -> None:
    post(an_entry(acme), NOW)
    row = {"entry": JournalEntry.objects.get(), "workspace": acme, "currency": "USD"}
    with refused("entries_are_posted_whole"), transaction.atomic():
        JournalPosting.objects.bulk_create(
            [
                JournalPosting(**row, account="bad_debt", amount=5),
                JournalPosting(**row, account="receivable", part="inv_1", amount=-5),
            ]
        )
    assert balances(acme)["receivable", "inv_1", "USD"] == 15000


def test_an_entry_without_amounts_is_refused_at_the_commit(acme: Workspace) -> None:
    with refused("an_entry_moves_something"), transaction.atomic():
        JournalEntry.objects.create(
            workspace=acme, kind=Kind.PAYOUT, key="k", document="d", happened_at=NOW, booked_at=NOW, actor="ops"
        )
        with connection.cursor() as cursor:
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")


@pytest.mark.parametrize("account", [each for each, rule in CHART.items() if rule.bounded])
def test_no_more_goes_out_of_an_account_than_is_there(acme: Workspace, account: JournalAccount) -> None:
    """Of one part, however much the others have."""
    comes, goes = (debit, credit) if CHART[account].is_debit else (credit, debit)
    for part, amount in (("one", "10.00"), ("other", "500.00")):
        sides = [comes(account, Decimal(amount), part), goes(A.BAD_DEBT, Decimal(amount))]
        post(an_entry(acme, part, postings=sides), NOW)
    with pytest.raises(IntegrityError, match=r"no_(claim|debt)_falls_below_zero"), transaction.atomic():
        post(
            an_entry(acme, "more", postings=[goes(account, Decimal("10.01"), "one"), comes(A.BAD_DEBT, Decimal("10.01"))]), NOW
        )
    assert balance_of_account(acme.pk, account, "USD", "one") == Decimal("10.00")
    post(an_entry(acme, "all", postings=[goes(account, Decimal("10.00"), "one"), comes(A.BAD_DEBT, Decimal("10.00"))]), NOW)
    assert balance_of_account(acme.pk, account, "USD", "one") == 0
    assert balance_of_account(acme.pk, account, "USD") == Decimal("500.00")


def test_the_chart_and_the_checks_of_the_database_name_the_same_accounts() -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint"
            " WHERE conrelid = 'metering_journalbalance'::regclass AND contype = 'c'"
        )
        checks = dict(cursor.fetchall())
    for name, accounts in (("no_claim_falls_below_zero", NOT_BELOW_ZERO), ("no_debt_falls_below_zero", NOT_ABOVE_ZERO)):
        named = {each.value for each in A if f"'{each.value}'" in checks[name]}
        assert named == set(accounts)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE metering_journalentry SET actor = 'me'",
        "UPDATE metering_journalposting SET amount = 1",
        "DELETE FROM metering_journalposting",
        "DELETE FROM metering_journalentry",
        "UPDATE metering_journalbalance SET balance = 1",
        "DELETE FROM metering_journalbalance",
        "INSERT INTO metering_journalbalance SELECT workspace_id, account, 'x', currency, 0 FROM metering_journalbalance",
        "UPDATE metering_lockedperiod SET ends_at = starts_at",
        "DELETE FROM metering_lockedperiod",
        "TRUNCATE metering_journalbalance",
        "TRUNCATE metering_lockedperiod",
        "TRUNCATE metering_journalentry CASCADE",
    ],
)
def test_what_was_posted_is_never_changed_or_removed(acme: Workspace, statement: str) -> None:
    post(an_entry(acme), NOW)
    lock_august()
    before = (balances(acme), JournalEntry.objects.values().get(), list(JournalPosting.objects.values()))
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")  # a table with checks still to come cannot be emptied
        cursor.execute("SET LOCAL omixa.may_truncate = ''")
        with pytest.raises(IntegrityError), transaction.atomic():
            cursor.execute(statement)
    assert (balances(acme), JournalEntry.objects.values().get(), list(JournalPosting.objects.values())) == before


def lock_august() -> None:
    start, end = datetime(2026, 8, 1, tzinfo=UTC), datetime(2026, 9, 1, tzinfo=UTC)
    LockedPeriod.objects.create(starts_at=start, ends_at=end, locked_at=NOW, locked_by="ops", entries=0, sha256="0" * 64)


def test_nothing_is_posted_into_a_locked_month_or_before_it(acme: Workspace) -> None:
    lock_august()
    for day in (datetime(2026, 8, 31, 23, 59, 59, 999_999, tzinfo=UTC), datetime(2026, 7, 1, tzinfo=UTC)):
        with pytest.raises(PeriodLocked), transaction.atomic():
            post(an_entry(acme, happened_at=day), NOW)
    assert not JournalEntry.objects.exists()
    post(an_entry(acme, happened_at=datetime(2026, 9, 1, tzinfo=UTC)), NOW)
    assert balances(acme)["receivable", "", "USD"] == 15000


def test_news_from_outside_of_a_locked_month_is_booked_in_the_first_open_one(acme: Workspace) -> None:
    lock_august()
    post(an_entry(acme, happened_at=datetime(2026, 8, 30, 12, tzinfo=UTC), is_news=True), NOW)
    post(an_entry(acme, "inv_2", is_news=True), NOW)
    days = dict(JournalEntry.objects.values_list("document", "happened_at"))
    assert days == {"inv_1": datetime(2026, 9, 1, tzinfo=UTC), "inv_2": OCTOBER_2}


def test_a_trial_balance_of_a_day_has_what_happened_until_then(acme: Workspace) -> None:
    post(an_entry(acme, "inv_1", "150.00", OCTOBER_2), NOW)
    post(an_entry(acme, "inv_2", "1.00", datetime(2026, 11, 3, tzinfo=UTC)), NOW)
    assert trial_balance(OCTOBER_2)["accounts"][0]["balance"] == "150.00"
    assert trial_balance(datetime(2026, 10, 1, tzinfo=UTC)) == {"ok": True, "accounts": []}
    assert trial_balance(datetime(2026, 12, 1, tzinfo=UTC)) == trial_balance()
