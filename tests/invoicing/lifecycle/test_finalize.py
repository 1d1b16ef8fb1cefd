"""From draft to open to paid: numbers without gaps, copies of what is printed, and a database that refuses changes."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import IntegrityError, connection, transaction

from metering.errors import InvoiceNotDraft, InvoiceNotOpen, MonthNotEnded, NothingToBill
from metering.invoicing.lifecycle import freeze
from metering.invoicing.lifecycle.close import close_workspace
from metering.invoicing.lifecycle.finalize import finalize
from metering.invoicing.models import Invoice, InvoiceLine
from metering.invoicing.numbering import InvoiceSequence
from metering.payments.collecting.manual import mark_paid
from metering.rollups.models import DailyRollup
from omixa_billing.api.errors import InvalidParameter
from tests.kit.billing import AUGUST, SEPTEMBER, Meter, at, closed, finalized, tokens
from tests.kit.concurrent import at_once
from tests.kit.factories import NOW, make_key, make_workspace
from workspaces.models import APIKey, AuditEntry, Workspace

pytestmark = pytest.mark.django_db
ANNA = "anna@omixa.example"
# At 1.50 USD per million.
MILLION = tokens(input=1_000_000)


def test_finalizing_numbers_opens_and_copies_what_is_printed(use: Meter, key: APIKey, acme: Workspace) -> None:
    use(key, "09-14T10:00", usage=MILLION)
    (draft,) = closed()
    invoice = finalize(draft.pk, ANNA, NOW)
    invoice.refresh_from_db()
    assert (invoice.status, invoice.number) == ("open", "OMX-2026-00001")
    assert (invoice.finalized_at, invoice.due_at, invoice.paid_at) == (NOW, NOW + timedelta(days=14), None)
    assert invoice.seller == {"name": "Omixa Cloud", "address": "", "tax_id": ""}
    assert invoice.buyer == {
        "name": "Acme",
        "email": "bills@acme.example",
        "address": "",
        "tax_id": "",
        "workspace_id": acme.public_id,
    }
    entry = AuditEntry.objects.get(action="invoice.finalized")
    assert (entry.actor, entry.target, entry.workspace) == (ANNA, invoice.public_id, acme)
    assert entry.detail == {"number": "OMX-2026-00001", "total": "1.50"}


def test_finalizing_takes_in_what_arrived_since_the_draft(use: Meter, key: APIKey) -> None:
    use(key, "09-14T10:00", usage=MILLION)
    (draft,) = closed()
    use(key, "09-20T10:00", usage=MILLION)
    assert finalize(draft.pk, ANNA, NOW).subtotal_exact == Decimal("3")


def test_an_invoice_is_finalized_once(use: Meter, key: APIKey) -> None:
    use(key, "09-14T10:00", usage=MILLION)
    (invoice,) = finalized()
    with pytest.raises(InvoiceNotDraft):
        finalize(invoice.pk, ANNA, NOW)
    assert InvoiceSequence.objects.get().last == 1
    assert AuditEntry.objects.filter(action="invoice.finalized").count() == 1


def test_a_draft_with_nothing_left_is_refused_and_closing_again_removes_it(use: Meter, key: APIKey) -> None:
    use(key, "09-14T10:00", usage=MILLION)
    (draft,) = closed()
    DailyRollup.objects.all().delete()
    with pytest.raises(NothingToBill):
        finalize(draft.pk, ANNA, NOW)
    assert not InvoiceSequence.objects.exists()
    assert closed() == []
    assert not Invoice.objects.exists()


def test_a_draft_is_not_finalized_as_of_a_time_within_its_month(use: Meter, key: APIKey) -> None:
    use(key, "09-14T10:00", usage=MILLION)
    (draft,) = closed()
    with pytest.raises(MonthNotEnded):
        finalize(draft.pk, ANNA, at("09-30T00:00"))
    draft.refresh_from_db()
    assert draft.status == "draft"


def test_numbers_start_again_each_year_of_issue(use: Meter, key: APIKey) -> None:
    use(key, "08-14T10:00", "09-14T10:00", usage=MILLION)
    (august,) = finalized(AUGUST)
    (september,) = finalized(SEPTEMBER, NOW.replace(year=2027, month=1))
    assert (august.number, september.number) == ("OMX-2026-00001", "OMX-2027-00001")


def test_a_rolled_back_finalization_leaves_no_gap(use: Meter, key: APIKey) -> None:
    use(key, "08-14T10:00", "09-14T10:00", usage=MILLION)
    with transaction.atomic():
        assert finalized(AUGUST)[0].number == "OMX-2026-00001"
        transaction.set_rollback(True)
    (september,) = finalized()
    assert september.number == "OMX-2026-00001"


@pytest.mark.django_db(transaction=True)
def test_numbers_have_no_gap_when_many_are_given_at_once_and_some_die(use: Meter, acme: Workspace) -> None:
    workspaces = [make_workspace(f"Workspace {n}") for n in range(12)]
    for workspace in workspaces:
        use(make_key(workspace), "09-14T10:00", usage=MILLION)

    def dies(workspace: Workspace) -> None:
        with transaction.atomic():
            close_workspace(workspace, SEPTEMBER, NOW, True, "tests")
            raise RuntimeError("killed half way")

    acts = [(lambda one=one: dies(one)) for one in workspaces[::3]]
    acts += [(lambda one=one: close_workspace(one, SEPTEMBER, NOW, True, "tests")) for one in workspaces]
    results = at_once(*acts)
    assert [type(result) for result in results[:4]] == [RuntimeError] * 4
    numbers = sorted(Invoice.objects.values_list("number", flat=True))
    assert numbers == [f"OMX-2026-{n:05d}" for n in range(1, 13)]
    assert InvoiceSequence.objects.get().last == 12


@pytest.mark.django_db(transaction=True)
def test_closing_and_finalizing_at_once_makes_one_invoice(use: Meter, key: APIKey) -> None:
    use(key, "08-14T10:00", "09-14T10:00", "09-15T10:00", usage=MILLION)
    results = at_once(*[lambda: closed(), lambda: finalized(), lambda: finalized(AUGUST)] * 3)
    assert not [result for result in results if isinstance(result, Exception)]
    closed()
    billed = sum(line.amount_exact for line in InvoiceLine.objects.filter(invoice__status__in=["open", "draft"]))
    assert billed == Decimal("4.5")
    assert Invoice.objects.filter(period_start=SEPTEMBER.start).count() == 1
    assert AuditEntry.objects.filter(action="invoice.finalized").count() == InvoiceSequence.objects.get().last


@pytest.mark.django_db(transaction=True)
def test_two_months_finalized_at_once_bill_a_late_event_once(use: Meter, key: APIKey) -> None:
    use(key, "07-14T10:00", "08-14T10:00", "09-14T10:00", usage=MILLION)
    for invoice in closed(AUGUST) + closed(SEPTEMBER):
        assert invoice.status == "draft"
    results = at_once(*[lambda pk=pk: finalize(pk, ANNA, NOW) for pk in Invoice.objects.values_list("pk", flat=True)])
    assert [result.status for result in results] == ["open", "open"]
    assert sum(invoice.subtotal_exact for invoice in Invoice.objects.all()) == Decimal("4.5")


def test_one_failure_while_numbering_leaves_the_draft_as_it_was(
    use: Meter, key: APIKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(key, "09-14T10:00", usage=MILLION)
    closed()

    def dies(*_: object, **__: object) -> None:
        raise ConnectionError("killed half way")

    with monkeypatch.context() as patched:
        patched.setattr(freeze.audit, "record_many", dies)
        with pytest.raises(ExceptionGroup):
            finalized()
    draft = Invoice.objects.get()
    assert (draft.status, draft.number) == ("draft", None)
    assert not InvoiceSequence.objects.exists()
    assert finalized()[0].number == "OMX-2026-00001"


def test_an_open_invoice_is_paid_by_hand_once(use: Meter, key: APIKey, acme: Workspace) -> None:
    use(key, "09-14T10:00", usage=MILLION)
    (invoice,) = finalized()
    paid = mark_paid(invoice.pk, " transfer 4711 ", ANNA, NOW + timedelta(days=1))
    paid.refresh_from_db()
    assert (paid.status, paid.payment_reference, paid.amount_due) == ("paid", "transfer 4711", Decimal(0))
    assert paid.paid_at == NOW + timedelta(days=1)
    with pytest.raises(InvoiceNotOpen, match="OMX-2026-00001 is paid"):
        mark_paid(invoice.pk, "transfer 4712", ANNA, NOW)
    entry = AuditEntry.objects.get(action="invoice.paid")
    assert (entry.actor, entry.workspace, entry.detail["reference"]) == (ANNA, acme, "transfer 4711")


@pytest.mark.parametrize("reference", ["", "   ", "x" * 201])
def test_a_payment_needs_a_reference(use: Meter, key: APIKey, reference: str) -> None:
    use(key, "09-14T10:00", usage=MILLION)
    (invoice,) = finalized()
    with pytest.raises(InvalidParameter):
        mark_paid(invoice.pk, reference, ANNA, NOW)
    invoice.refresh_from_db()
    assert invoice.status == "open"


def test_a_draft_is_not_paid(use: Meter, key: APIKey) -> None:
    use(key, "09-14T10:00", usage=MILLION)
    (draft,) = closed()
    with pytest.raises(InvoiceNotOpen):
        mark_paid(draft.pk, "transfer", ANNA, NOW)


FROZEN = [
    "UPDATE metering_invoice SET total = total + 1",
    "UPDATE metering_invoice SET number = 'OMX-2026-00099'",
    "UPDATE metering_invoice SET buyer = '{}'",
    "UPDATE metering_invoice SET seller = '{}'",
    "UPDATE metering_invoice SET period_start = period_start - interval '1 month'",
    "UPDATE metering_invoice SET due_at = now()",
    "UPDATE metering_invoice SET workspace_id = workspace_id + 1",
    "UPDATE metering_invoice SET status = 'draft', number = NULL",
    "DELETE FROM metering_invoice",
    "UPDATE metering_invoiceline SET amount = amount + 1",
    "UPDATE metering_invoiceline SET description = 'discount'",
    "DELETE FROM metering_invoiceline",
    "INSERT INTO metering_invoiceline (id, public_id, position, kind, description, model, service_tier, component, quantity,"
    " rate_per_million, amount_exact, amount, period_start, period_end, price, invoice_id, language_model_id)"
    " SELECT id + 1000, 'line_x', 99, kind, description, model, service_tier, component, quantity, rate_per_million,"
    " amount_exact, amount, period_start, period_end, price, invoice_id, language_model_id FROM metering_invoiceline LIMIT 1",
]


@pytest.mark.parametrize("statement", FROZEN)
def test_the_database_refuses_to_change_a_finalized_invoice(use: Meter, key: APIKey, statement: str) -> None:
    use(key, "09-14T10:00", usage=MILLION)
    finalized()
    invoices, lines = list(Invoice.objects.values()), list(InvoiceLine.objects.values())
    with pytest.raises(IntegrityError, match=r"invoice OMX-2026-00001 (is finalized|cannot go)"), transaction.atomic():
        run(statement)
    assert (list(Invoice.objects.values()), list(InvoiceLine.objects.values())) == (invoices, lines)


@pytest.mark.parametrize("statement", FROZEN[8:])
def test_a_draft_may_still_change(use: Meter, key: APIKey, statement: str) -> None:
    use(key, "09-14T10:00", usage=MILLION)
    closed()
    if statement == "DELETE FROM metering_invoice":
        assert run("DELETE FROM metering_invoiceline") > 0
    assert run(statement) > 0


@pytest.mark.parametrize(
    ("way", "refused"),
    [
        (["paid"], ["open", "void", "uncollectible", "draft"]),
        (["void"], ["open", "paid", "uncollectible", "draft"]),
        (["uncollectible"], ["draft"]),
        (["uncollectible", "open"], ["draft"]),  # a write-off may be taken back
        (["uncollectible", "paid"], ["open", "void", "draft"]),
        (["uncollectible", "void"], ["open", "paid", "draft"]),
    ],
)
def test_states_move_one_way(use: Meter, key: APIKey, way: list[str], refused: list[str]) -> None:
    use(key, "09-14T10:00", usage=MILLION)
    finalized()
    for status in way:
        paid = ", amount_paid = total, amount_due = 0" if status == "paid" else ""
        run(f"UPDATE metering_invoice SET status = %s, paid_at = now(){paid}", status)
    for status in refused:
        with pytest.raises(IntegrityError), transaction.atomic():
            run("UPDATE metering_invoice SET status = %s", status)


@pytest.mark.parametrize("status", ["paid", "void", "uncollectible"])
def test_a_draft_only_opens(use: Meter, key: APIKey, status: str) -> None:
    use(key, "09-14T10:00", usage=MILLION)
    closed()
    with pytest.raises(IntegrityError), transaction.atomic():
        run("UPDATE metering_invoice SET status = %s, number = 'X'", status)


@pytest.mark.django_db(transaction=True)
def test_a_line_written_during_finalization_comes_too_late(use: Meter, key: APIKey) -> None:
    use(key, "09-14T10:00", usage=MILLION)
    (draft,) = closed()

    with transaction.atomic():
        finalize(draft.pk, ANNA, NOW)
        pool = ThreadPoolExecutor(1)
        waiting = pool.submit(at_once, lambda: run(FROZEN[-1]))
        with pytest.raises(TimeoutError):
            waiting.result(timeout=0.5)
    (result,) = waiting.result(timeout=10)
    pool.shutdown()
    assert isinstance(result, IntegrityError)
    assert InvoiceLine.objects.count() == 1


def run(statement: str, *parameters: str) -> int:
    """How many rows it changed."""
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters or None)
        return cursor.rowcount
