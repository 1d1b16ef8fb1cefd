"""Giving invoices up: void, uncollectible, and the reissue of a voided month."""

from decimal import Decimal

import pytest

from metering.credits import ledger
from metering.errors import InvoiceHasPayments, InvoiceNotOpen, InvoiceNotVoid
from metering.invoicing.credit_notes.issue import issue
from metering.invoicing.lifecycle.amount_due import lower_amount_due
from metering.invoicing.lifecycle.finalize import finalize
from metering.invoicing.lifecycle.schedule import close_months_due, due_months
from metering.invoicing.lifecycle.void import mark_uncollectible, reissue, void
from metering.invoicing.locks import lock_invoice
from metering.invoicing.models import Invoice
from metering.reconcile.invoices import invoice_differences
from omixa_billing.api.errors import InvalidParameter
from tests.kit.billing import AUGUST, OCTOBER, SEPTEMBER, Meter, at, closed, credit, finalized, lines_of, tokens
from tests.kit.concurrent import at_once
from tests.kit.factories import NOW
from workspaces.models import APIKey, AuditEntry, Workspace

pytestmark = pytest.mark.django_db
OPS = "ops@omixa.example"
# At 1.50 USD per million.
MILLION = tokens(input=1_000_000)
IN_NOVEMBER = at("11-05T00:00")


@pytest.fixture
def invoice(use: Meter, key: APIKey) -> Invoice:
    """September, 1.50 USD, open."""
    use(key, "09-14T10:00", usage=MILLION)
    (invoice,) = finalized()
    return invoice


def trail(target: str) -> list[str]:
    return list(AuditEntry.objects.filter(target=target).order_by("pk").values_list("action", flat=True))


def test_a_void_invoice_keeps_its_numbers_and_says_why(invoice: Invoice) -> None:
    void(invoice.pk, "  billed to the wrong customer ", OPS, NOW)
    invoice.refresh_from_db()
    assert (invoice.status, invoice.status_reason, invoice.voided_at) == ("void", "billed to the wrong customer", NOW)
    assert (invoice.number, invoice.total, invoice.amount_due) == ("OMX-2026-00001", Decimal("1.50"), Decimal("1.50"))
    assert trail(invoice.public_id) == ["invoice.finalized", "invoice.voided"]
    assert invoice_differences() == []


def test_voiding_wants_a_reason(invoice: Invoice) -> None:
    with pytest.raises(InvalidParameter, match="Say why"):
        void(invoice.pk, "  ", OPS, NOW)
    with pytest.raises(InvalidParameter, match="300"):
        void(invoice.pk, "x" * 301, OPS, NOW)
    invoice.refresh_from_db()
    assert invoice.status == "open"


def test_only_what_is_owed_is_voided(invoice: Invoice, use: Meter, key: APIKey) -> None:
    use(key, "10-01T00:00", usage=MILLION)
    (draft,) = closed(OCTOBER, IN_NOVEMBER)
    with pytest.raises(InvoiceNotOpen, match="draft"):
        void(draft.pk, "mistake", OPS, NOW)
    void(invoice.pk, "mistake", OPS, NOW)
    with pytest.raises(InvoiceNotOpen, match="void"):
        void(invoice.pk, "again", OPS, NOW)
    assert trail(invoice.public_id).count("invoice.voided") == 1


def test_what_was_paid_or_credited_is_credited_instead(invoice: Invoice) -> None:
    (line,) = invoice.lines.all()
    issue(lock_invoice(invoice.pk), {line.public_id: Decimal("0.50")}, "goodwill", "", OPS, NOW)
    with pytest.raises(InvoiceHasPayments, match="issue a credit note"):
        void(invoice.pk, "mistake", OPS, NOW)
    lower_amount_due(lock_invoice(invoice.pk), Decimal("1.00"), "transfer 17", OPS, NOW)
    with pytest.raises(InvoiceHasPayments, match="issue a credit note"):
        void(invoice.pk, "mistake", OPS, NOW)
    invoice.refresh_from_db()
    assert invoice.status == "paid"


def test_the_credits_it_used_are_given_back_once(use: Meter, key: APIKey, acme: Workspace) -> None:
    credit(acme, "1.00", "promotional")
    credit(acme, "0.20", "purchased")
    use(key, "09-14T10:00", usage=MILLION)
    (invoice,) = finalized()
    assert (invoice.total, invoice.amount_due) == (Decimal("0.50"), Decimal("0.30"))
    assert ledger.remaining_grants(acme) == []
    void(invoice.pk, "mistake", OPS, NOW)
    assert [(each.grant.kind, each.left) for each in ledger.remaining_grants(acme)] == [
        ("promotional", Decimal("1.00")),
        ("purchased", Decimal("0.20")),
    ]
    draft = reissue(invoice.pk, OPS, NOW)
    again = finalize(draft.pk, OPS, NOW)
    assert (again.total, again.amount_due) == (Decimal("0.50"), Decimal("0.30"))
    assert ledger.remaining_grants(acme) == []
    assert invoice_differences() == []


def test_an_uncollectible_invoice_stays_owed(invoice: Invoice) -> None:
    mark_uncollectible(invoice.pk, "the customer is insolvent", OPS, NOW)
    invoice.refresh_from_db()
    assert (invoice.status, invoice.status_reason) == ("uncollectible", "the customer is insolvent")
    assert invoice.amount_due == Decimal("1.50")
    with pytest.raises(InvoiceNotOpen):
        mark_uncollectible(invoice.pk, "again", OPS, NOW)
    void(invoice.pk, "it was never theirs", OPS, NOW)
    invoice.refresh_from_db()
    assert (invoice.status, invoice.status_reason) == ("void", "it was never theirs")
    assert trail(invoice.public_id) == ["invoice.finalized", "invoice.uncollectible", "invoice.voided"]


def test_a_voided_month_waits_and_is_reissued_with_what_arrived_since(
    invoice: Invoice, use: Meter, key: APIKey, acme: Workspace
) -> None:
    void(invoice.pk, "mistake", OPS, NOW)
    use(key, "09-20T10:00", usage=MILLION)
    assert due_months(NOW) == []
    draft = reissue(invoice.pk, OPS, NOW)
    assert lines_of(draft) == [("usage", "codex-mini, input", 2_000_000, "3", "3.00")]
    assert (draft.status, draft.public_id != invoice.public_id) == ("draft", True)
    final = finalize(draft.pk, OPS, NOW)
    assert (final.number, final.total) == ("OMX-2026-00002", Decimal("3.00"))
    use(key, "10-02T00:00", usage=MILLION)
    close_months_due(IN_NOVEMBER)
    (october,) = acme.invoices.filter(period_start=OCTOBER.start)
    assert lines_of(october) == [("usage", "codex-mini, input", 1_000_000, "1.5", "1.50")]
    assert invoice_differences() == []


def test_closing_a_voided_month_again_bills_nothing(invoice: Invoice) -> None:
    void(invoice.pk, "we waive it", OPS, NOW)
    assert (finalized(), close_months_due(NOW)["finalized"]) == ([], 0)
    assert [each.status for each in Invoice.objects.all()] == ["void"]


def test_only_a_voided_month_is_reissued_and_once(invoice: Invoice) -> None:
    with pytest.raises(InvoiceNotVoid, match="OMX-2026-00001 is open"):
        reissue(invoice.pk, OPS, NOW)
    void(invoice.pk, "mistake", OPS, NOW)
    draft = reissue(invoice.pk, OPS, NOW)
    with pytest.raises(InvoiceNotVoid, match="is draft"):
        reissue(invoice.pk, OPS, NOW)
    assert trail(draft.public_id) == ["invoice.reissued"]


@pytest.mark.django_db(transaction=True)
def test_two_who_void_at_once_void_once(use: Meter, key: APIKey, acme: Workspace) -> None:
    credit(acme, "1.00")
    use(key, "09-14T10:00", usage=MILLION)
    (invoice,) = finalized()
    answers = at_once(*[lambda: void(invoice.pk, "mistake", OPS, NOW)] * 4)
    assert sorted(type(answer).__name__ for answer in answers) == ["Invoice", *["InvoiceNotOpen"] * 3]
    assert [each.left for each in ledger.remaining_grants(acme)] == [Decimal("1.00")]
    assert trail(invoice.public_id).count("invoice.voided") == 1


def test_what_a_later_invoice_adjusted_is_not_billed_by_the_reissue(use: Meter, key: APIKey) -> None:
    use(key, "08-10T00:00", usage=MILLION)
    (august,) = finalized(AUGUST)
    use(key, "08-11T00:00", "09-10T00:00", usage=MILLION)
    (september,) = finalized()
    assert september.total == Decimal("3.00")
    void(august.pk, "mistake", OPS, NOW)
    again = finalize(reissue(august.pk, OPS, NOW).pk, OPS, NOW)
    assert lines_of(again) == [("usage", "codex-mini, input", 1_000_000, "1.5", "1.50")]
    assert invoice_differences() == []


@pytest.mark.parametrize("reissued_first", [True, False])
def test_a_voided_adjustment_is_billed_once_by_whichever_invoice_comes_first(
    use: Meter, key: APIKey, acme: Workspace, reissued_first: bool
) -> None:
    use(key, "08-10T00:00", usage=MILLION)
    finalized(AUGUST)
    use(key, "08-11T00:00", "09-10T00:00", "10-02T00:00", usage=MILLION)
    (september,) = finalized()
    void(september.pk, "mistake", OPS, NOW)
    if reissued_first:
        finalize(reissue(september.pk, OPS, IN_NOVEMBER).pk, OPS, IN_NOVEMBER)
        finalized(OCTOBER, IN_NOVEMBER)
        expected = {9: "3.00", 10: "1.50"}
    else:
        finalized(OCTOBER, IN_NOVEMBER)
        finalize(reissue(september.pk, OPS, IN_NOVEMBER).pk, OPS, IN_NOVEMBER)
        expected = {9: "1.50", 10: "3.00"}
    standing = acme.invoices.exclude(status="void").filter(period_start__gte=SEPTEMBER.start)
    assert {each.period_start.month: str(each.total) for each in standing} == expected
    assert invoice_differences() == []
