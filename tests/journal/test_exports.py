"""The journal as text: by the day of the act, understood by Beancount, and of a locked month the same for ever."""

import csv
import io
import json
from collections import defaultdict
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from beancount import loader
from beancount.core.data import Transaction
from django.core.management import CommandError, call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext

from metering.credits import ledger
from metering.errors import PeriodLocked, PeriodNotLockable
from metering.invoicing.models import Invoice
from metering.journal.accounts import JournalAccount
from metering.journal.balances import trial_balance
from metering.journal.export import HEADER, beancount_name, exported, journal_rows
from metering.journal.lock import changed_since_locked, lock_period
from metering.journal.models import LockedPeriod
from metering.payments.collecting.manual import mark_paid
from metering.payments.collecting.record import record_payment
from metering.payments.models import Payment
from metering.payments.provider.objects import Intent
from metering.payments.refunds.reversals import issue_credit_note
from metering.periods import Period
from metering.reconcile.journal import journal_differences
from tests.kit.billing import NOVEMBER, OCTOBER, OPS, SEPTEMBER, Meter, agree, an_invoice, at
from tests.kit.factories import NOW
from tests.kit.spoiled import spoil
from workspaces.models import AuditEntry, Workspace

pytestmark = pytest.mark.django_db
IN_OCTOBER, IN_NOVEMBER = NOW, at("11-05T09:00")
EVER = Period(datetime(2026, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC))


def run(command: str, *arguments: str) -> str:
    out = io.StringIO()
    call_command(command, *arguments, stdout=out)
    return out.getvalue()


@pytest.fixture
def story(acme: Workspace, use: Meter) -> Invoice:
    """In October a gift of 20.00 and an invoice of 150.00 and 19 % tax, paid in November and credited in part."""
    agree(acme, {'VAT "19"': "19"})
    ledger.grant(acme, "goodwill", Decimal("20.00"), 'Ada "the" \\ boss', IN_OCTOBER)
    invoice = an_invoice(acme, use)
    mark_paid(invoice.pk, "transfer 17", OPS, IN_NOVEMBER)
    issue_credit_note(invoice.pk, {invoice.lines.get().public_id: Decimal("10.00")}, "an outage", "balance", OPS, IN_NOVEMBER)
    return invoice


def read(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_the_csv_has_the_postings_by_the_day_of_the_act(story: Invoice, acme: Workspace) -> None:
    text = "".join(exported(EVER, "csv"))
    assert text.splitlines()[0].split(",") == HEADER
    rows = [(row["day"], row["kind"], row["account"], row["part"], row["debit"], row["credit"]) for row in read(text)]
    payment, number = Payment.objects.get().public_id, story.public_id
    gift, bought = (grant.public_id for grant in acme.credit_grants.order_by("pk"))
    note = story.credit_notes.get().public_id
    assert rows == [
        ("2026-10-15", "credit_granted", "goodwill_given", "", "20.00", ""),
        ("2026-10-15", "credit_granted", "credit_goodwill", gift, "", "20.00"),
        ("2026-10-15", "invoice_finalized", "receivable", number, "178.50", ""),
        ("2026-10-15", "invoice_finalized", "revenue_usage", "", "", "150.00"),
        ("2026-10-15", "invoice_finalized", "tax", '19 % VAT "19"', "", "28.50"),
        ("2026-10-15", "credit_used", "receivable", number, "", "20.00"),
        ("2026-10-15", "credit_used", "credit_goodwill", gift, "20.00", ""),
        ("2026-11-05", "payment_received", "money_bank", payment, "158.50", ""),
        ("2026-11-05", "payment_received", "receivable", number, "", "158.50"),
        ("2026-11-05", "credit_note", "revenue_usage", "", "10.00", ""),
        ("2026-11-05", "credit_note", "tax", '19 % VAT "19"', "1.90", ""),
        ("2026-11-05", "credit_note", "owed_to_customer", note, "", "11.90"),
        ("2026-11-05", "credit_granted", "owed_to_customer", note, "11.90", ""),
        ("2026-11-05", "credit_granted", "credit_bought", bought, "", "11.90"),
    ]


def test_a_month_has_only_what_happened_in_it_and_months_add_up(story: Invoice) -> None:
    october, november = ("".join(exported(month, "csv")) for month in (OCTOBER, NOVEMBER))
    assert (len(read(october)), len(read(november))) == (7, 7)
    assert october + november.partition("\n")[2] == "".join(exported(EVER, "csv"))


def test_it_is_read_day_by_day(story: Invoice) -> None:
    """What is read of later days is not held in memory while earlier ones are sent."""
    both = list(journal_rows(Period(OCTOBER.start, NOVEMBER.end)))
    with CaptureQueriesContext(connection) as asked:
        rows = journal_rows(Period(OCTOBER.start, NOVEMBER.end))
        assert next(rows) == both[0]
        first_day = len(asked)
        assert list(rows) == both[1:]
    days = {row[3].date() for row in both}
    assert (len(days), first_day, len(asked)) == (2, 2, 3), "which days have entries, and each of them"


def test_an_operators_own_numbers_of_accounts_stand_beside_ours(story: Invoice, settings: Any) -> None:
    settings.JOURNAL_ACCOUNTS = {"receivable": "1400", "tax": "1776"}
    numbers = {row["account"]: row["account_number"] for row in read("".join(exported(EVER, "csv")))}
    assert (numbers["receivable"], numbers["tax"], numbers["revenue_usage"]) == ("1400", "1776", "")
    assert '1970-01-01 open Assets:Receivable\n  number: "1400"\n' in "".join(exported(EVER, "beancount"))


def test_beancount_reads_it_without_an_error_and_comes_to_the_same_balances(story: Invoice, tmp_path: Path) -> None:
    ledger_file = tmp_path / "journal.beancount"
    ledger_file.write_text("".join(exported(EVER, "beancount")))
    entries, errors, _ = loader.load_file(str(ledger_file))
    assert errors == []
    transactions = [entry for entry in entries if isinstance(entry, Transaction)]
    assert [f"{each.date}" for each in transactions] == ["2026-10-15"] * 3 + ["2026-11-05"] * 3
    assert transactions[0].meta["actor"] == 'Ada "the" \\ boss'
    sums: dict[str, Decimal] = defaultdict(Decimal)
    for each in transactions:
        for posting in each.postings:
            sums[posting.account] += posting.units.number
    ours = {beancount_name(JournalAccount(each["account"])): Decimal(each["balance"]) for each in trial_balance()["accounts"]}
    assert dict(sums) == ours
    assert sum(ours.values()) == 0


def test_an_exported_month_stays_as_it_is_whatever_becomes_of_its_documents(story: Invoice, acme: Workspace) -> None:
    before = {name: "".join(exported(OCTOBER, name)) for name in ("csv", "beancount")}
    lock_period(OCTOBER, OPS, IN_NOVEMBER)
    issue_credit_note(story.pk, None, "all of it", "outside", OPS, IN_NOVEMBER, reference="transfer 18")
    acme.name = "Acme Two"
    acme.save()
    assert {name: "".join(exported(OCTOBER, name)) for name in before} == before
    assert (changed_since_locked(), list(journal_differences())) == ([], [])


def test_a_payment_that_is_heard_of_after_the_month_was_locked_is_booked_in_the_next(
    story: Invoice, acme: Workspace, stripe: Any
) -> None:
    lock_period(OCTOBER, OPS, IN_NOVEMBER)
    attempt = story.attempts.create(
        workspace=acme, number=1, amount=5, idempotency_key="k", customer_id="c", started_at=IN_OCTOBER
    )
    intent = Intent("pi_late", "succeeded", Decimal("5.00"), "USD", charged=IN_OCTOBER, created=IN_OCTOBER)
    payment = record_payment(attempt, intent, IN_NOVEMBER)
    (row, _) = [row for row in read("".join(exported(EVER, "csv"))) if row["document"] == payment.public_id]
    assert (payment.received_at, row["day"], row["booked_at"]) == (IN_OCTOBER, "2026-11-01", "2026-11-05T09:00:00Z")


def test_a_person_books_nothing_into_a_locked_month(story: Invoice, acme: Workspace) -> None:
    lock_period(OCTOBER, OPS, IN_NOVEMBER)
    with pytest.raises(PeriodLocked):
        ledger.grant(acme, "goodwill", Decimal("1.00"), OPS, IN_OCTOBER)
    ledger.grant(acme, "goodwill", Decimal("1.00"), OPS, IN_NOVEMBER)


def test_a_month_is_locked_once_it_has_ended_and_with_it_those_before(story: Invoice) -> None:
    with pytest.raises(PeriodNotLockable, match="2026-11 ends at 2026-12-01T00:00:00Z"):
        lock_period(NOVEMBER, OPS, IN_NOVEMBER)
    locked = lock_period(OCTOBER, OPS, IN_NOVEMBER)
    assert (locked.entries, locked.locked_by, str(locked)) == (3, OPS, "2026-10")
    for month in (OCTOBER, SEPTEMBER):
        with pytest.raises(PeriodNotLockable, match="2026-10 was locked at 2026-11-05T09:00:00Z"):
            lock_period(month, OPS, IN_NOVEMBER)
    entry = AuditEntry.objects.get(action="period.locked")
    assert (entry.target, entry.workspace, entry.detail["entries"]) == ("2026-10", None, 3)


def test_a_locked_month_that_was_changed_is_found(story: Invoice) -> None:
    locked = lock_period(OCTOBER, OPS, IN_NOVEMBER)
    spoil("UPDATE metering_journalentry SET actor = 'me' WHERE kind = 'invoice_finalized'")
    (found,) = journal_differences()
    assert (found["check"], found["month"]) == ("locked_months_stay_as_they_are", "2026-10")
    assert found["expected"] == f"3 entries, {locked.sha256}" != found["found"]


def test_the_commands_print_what_they_found(story: Invoice) -> None:
    assert json.loads(run("trial_balance")) == trial_balance()
    then = json.loads(run("trial_balance", "--at", "2026-10-31T00:00:00Z"))
    assert then == {
        "ok": True,
        "accounts": [
            {"account": "receivable", "currency": "USD", "balance": "158.50"},
            {"account": "credit_goodwill", "currency": "USD", "balance": "0.00"},
            {"account": "tax", "currency": "USD", "balance": "-28.50"},
            {"account": "revenue_usage", "currency": "USD", "balance": "-150.00"},
            {"account": "goodwill_given", "currency": "USD", "balance": "20.00"},
        ],
    }
    october = run("export_journal", "--from", "2026-10", "--to", "2026-10")
    assert october == "".join(exported(OCTOBER, "csv"))
    assert run("export_journal", "--format", "beancount", "--to", "2026-11").count(" * ") == 6
    locked = json.loads(run("lock_period", "2026-10"))
    assert locked == {
        "month": "2026-10",
        "locked_at": locked["locked_at"],
        "entries": 3,
        "sha256": LockedPeriod.objects.get().sha256,
    }


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["export_journal", "--format", "pdf"], r"exported as one of csv, beancount\."),
        (["export_journal", "--from", "2026-11", "--to", "2026-10"], "first month is after the last"),
        (["export_journal", "--from", "October"], "'October' is not a month"),
        (["trial_balance", "--at", "yesterday"], "yesterday"),
        (["lock_period", "2099-01"], "2099-01 ends at"),
    ],
)
def test_what_cannot_be_asked_is_refused_in_a_sentence(db: None, arguments: list[str], sentence: str) -> None:
    with pytest.raises(CommandError, match=sentence):
        run(*arguments)


def test_a_trial_balance_that_does_not_hold_says_so(story: Invoice) -> None:
    spoil("UPDATE metering_journalbalance SET balance = balance + 1 WHERE account = 'tax' AND part = ''")
    assert not trial_balance()["ok"]
    with pytest.raises(SystemExit):
        run("trial_balance")
