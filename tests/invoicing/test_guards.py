"""What the database refuses, no matter who asks: invoices that do not add up, credit used twice, emptied tables."""

from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from importlib import import_module
from typing import Any

import pytest
from django.db import IntegrityError, InternalError, connection, transaction

from metering.credits import ledger
from metering.credits.models import CreditEntry, CreditGrant
from metering.invoicing.models import Invoice
from tests.kit.billing import SEPTEMBER, Meter, closed, finalized, tokens
from tests.kit.concurrent import at_once
from tests.kit.factories import NOW
from workspaces.models import APIKey, Workspace

pytestmark = pytest.mark.django_db
OPS = "ops"


def run(statement: str, *parameters: Any) -> int:
    """How many rows it changed."""
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters or None)
        return cursor.rowcount


def refused(statement: str, why: str, *parameters: Any) -> None:
    with pytest.raises(IntegrityError, match=why), transaction.atomic():
        run(statement, *parameters)


@pytest.fixture
def draft(use: Meter, key: APIKey) -> Invoice:
    """150.00, of which 7.00 are to come out of credit."""
    ledger.grant(key.workspace, "goodwill", Decimal("7.00"), OPS, NOW)
    use(key, "09-14T10:00", usage=tokens(input=100_000_000))
    (made,) = closed()
    assert (made.total, made.credits_applied, made.amount_due) == (Decimal("150.00"), Decimal("7.00"), Decimal("143.00"))
    return made


@pytest.fixture
def invoice(draft: Invoice) -> Invoice:
    return finalized()[0]


# --- An invoice adds up ------------------------------------------------------------------------------------------

DUE = "due_is_what_was_not_paid_or_credited"
NOTHING_DUE = "nothing_is_due_on_a_paid_invoice"
NEITHER = "a_draft_or_void_invoice_is_neither_paid_nor_credited"


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ("status = 'paid', amount_due = 0", DUE),
        ("status = 'paid'", NOTHING_DUE),
        ("status = 'paid', amount_due = 0.01, amount_paid = 142.99", NOTHING_DUE),
        ("amount_paid = 1", DUE),
        ("credited = 1", DUE),
        ("status = 'void', amount_paid = 143, amount_due = 0", NEITHER),
        ("status = 'void', credited = 1, amount_due = 142", NEITHER),
        ("status = 'uncollectible', amount_due = 0", DUE),
    ],
)
def test_an_open_invoice_moves_only_by_what_was_paid_or_credited(invoice: Invoice, change: str, why: str) -> None:
    before = Invoice.objects.values().get()
    refused(f"UPDATE metering_invoice SET {change}", why)
    assert Invoice.objects.values().get() == before


@pytest.mark.parametrize(
    "change",
    [
        "status = 'paid', amount_due = 0, amount_paid = 143",
        "status = 'paid', amount_due = 0, amount_paid = 100, credited = 43",
        "status = 'void'",
        "amount_due = 142.99, amount_paid = 0.01",
    ],
)
def test_what_adds_up_is_taken(invoice: Invoice, change: str) -> None:
    assert run(f"UPDATE metering_invoice SET {change}") == 1


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ("total = 151, amount_due = 144", "total_is_subtotal_less_promotional_plus_tax"),
        ("tax = 1", "total_is_subtotal_less_promotional_plus_tax"),
        ("promotional = 1", "total_is_subtotal_less_promotional_plus_tax"),
        ("credits_applied = 8", DUE),
        ("amount_paid = 143, amount_due = 0", NEITHER),
    ],
)
def test_a_draft_adds_up_too(draft: Invoice, change: str, why: str) -> None:
    refused(f"UPDATE metering_invoice SET {change}", why)


@pytest.mark.parametrize("status", ["open", "paid", "void", "uncollectible"])
def test_an_invoice_begins_as_a_draft(acme: Workspace, status: str) -> None:
    month = {"period_start": SEPTEMBER.start, "period_end": SEPTEMBER.end}
    with pytest.raises(IntegrityError, match=f"begins as a draft: OMX-1 was to be written as {status}"), transaction.atomic():
        Invoice.objects.create(workspace=acme, status=status, number="OMX-1", **month)
    assert Invoice.objects.count() == 0


# --- A grant is used up once -------------------------------------------------------------------------------------


@pytest.fixture
def grant(acme: Workspace) -> CreditGrant:
    return ledger.grant(acme, "goodwill", Decimal("10.00"), OPS, NOW)


def entry(grant: CreditGrant, amount: str, kind: str = "reversal") -> CreditEntry:
    return CreditEntry(workspace_id=grant.workspace_id, grant=grant, kind=kind, amount=Decimal(amount), at=NOW)


@pytest.mark.parametrize(("amount", "left"), [("-10.01", "-0.01"), ("0.01", "10.01"), ("-1000000", "-999990.00")])
def test_a_grant_keeps_between_nothing_and_itself(grant: CreditGrant, amount: str, left: str) -> None:
    with pytest.raises(IntegrityError, match=f"is of 10.00: an entry of .* would leave {left}"), transaction.atomic():
        entry(grant, amount).save()
    assert left_of(grant) == Decimal("10.00")


def left_of(grant: CreditGrant) -> Decimal:
    """By the ledger alone: these entries are made past the journal, as the product never does."""
    return sum((each.amount for each in grant.entries.all()), Decimal(0))


def test_a_grant_is_used_up_to_the_cent_and_filled_again(grant: CreditGrant) -> None:
    for amount, left in (("-9.99", "0.01"), ("-0.01", "0.00"), ("10.00", "10.00"), ("-4.00", "6.00")):
        entry(grant, amount).save()
        assert left_of(grant) == Decimal(left)


def test_entries_of_one_statement_are_counted_together(grant: CreditGrant) -> None:
    with pytest.raises(IntegrityError, match="would leave -2"), transaction.atomic():
        CreditEntry.objects.bulk_create([entry(grant, "-6"), entry(grant, "-6")])
    assert left_of(grant) == Decimal("10.00")


def test_another_grants_entries_are_not_counted(grant: CreditGrant, acme: Workspace) -> None:
    ledger.grant(acme, "goodwill", Decimal("5.00"), OPS, NOW)
    with pytest.raises(IntegrityError, match=r"would leave -1\.00"), transaction.atomic():
        entry(grant, "-11.00").save()


@pytest.mark.django_db(transaction=True)
def test_two_who_use_one_grant_at_once_do_not_use_it_twice(grant: CreditGrant) -> None:
    """Neither holds the workspace, which the product always does."""
    with transaction.atomic():
        entry(grant, "-6").save()
        pool = ThreadPoolExecutor(1)
        waiting = pool.submit(at_once, entry(grant, "-6").save)
        with pytest.raises(TimeoutError):
            waiting.result(timeout=0.5)
    (result,) = waiting.result(timeout=10)
    pool.shutdown()
    assert isinstance(result, IntegrityError)
    assert left_of(grant) == Decimal("4.00")


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("level", ["REPEATABLE READ", "SERIALIZABLE"])
def test_credit_is_not_entered_by_who_cannot_see_the_others_entries(grant: CreditGrant, level: str) -> None:
    with transaction.atomic():
        run(f"SET TRANSACTION ISOLATION LEVEL {level}")
        with pytest.raises(InternalError, match="read committed"), transaction.atomic():
            entry(grant, "-6").save()
    assert left_of(grant) == Decimal("10.00")


# --- Nothing is emptied ------------------------------------------------------------------------------------------

NEVER_EMPTIED = import_module("metering.migrations.0008_guards").FROZEN


@pytest.mark.parametrize("setting", ["", "off"])
@pytest.mark.parametrize("table", [*NEVER_EMPTIED, "workspaces_workspace"])
def test_frozen_tables_are_not_emptied(table: str, setting: str) -> None:
    run("SELECT set_config('omixa.may_truncate', %s, true)", setting)
    refused(f"TRUNCATE {table} CASCADE", "is never emptied")
