"""What goes back to a customer: as it came, once, and never more than was paid."""

from decimal import Decimal
from typing import Any

import pytest

from metering.credits import ledger
from metering.credits.models import CreditGrant
from metering.errors import NothingToCredit, PaymentInProgress
from metering.invoicing.credit_notes.models import CreditNote
from metering.invoicing.models import Invoice
from metering.invoicing.terms.models import BillingTerms
from metering.payments.balance.suspension import update_suspension
from metering.payments.collecting.collect import collect_invoice, payment_page
from metering.payments.collecting.manual import mark_paid
from metering.payments.models import Dunning, Payment, Refund
from metering.payments.provider.objects import ProviderRefund
from metering.payments.refunds import refunds
from metering.payments.refunds.outcomes import apply_refund
from metering.payments.refunds.reversals import issue_credit_note, retry_refund, void_invoice
from metering.reconcile.invoices import invoice_differences
from omixa_billing.api.errors import InvalidParameter
from tests.kit.billing import Meter, an_invoice, finalized, tokens
from tests.kit.concurrent import at_once
from tests.kit.factories import NOW, make_key
from tests.kit.paying import with_method
from tests.kit.stripe_server import BANK, StripeServer
from workspaces.models import AuditEntry, Workspace

pytestmark = pytest.mark.django_db
OPS = "ops@omixa.example"


def credited(invoice: Invoice, amount: str | None = None, settlement: str = "refund", **more: Any) -> CreditNote:
    """A credit note of the invoice's one line, or of all that is left."""
    amounts = None if amount is None else {invoice.lines.get().public_id: Decimal(amount)}
    note = issue_credit_note(invoice.pk, amounts, "an outage", settlement, OPS, NOW, **more)
    invoice.refresh_from_db()
    return note


def went_back(note: CreditNote) -> list[tuple[str, str]]:
    return [(str(each.amount), each.status) for each in note.refunds.order_by("pk")]


def balance(workspace: Workspace) -> list[tuple[str, str]]:
    return [(each.grant.kind, str(each.left)) for each in ledger.remaining_grants(workspace)]


@pytest.fixture
def paid(stripe: StripeServer, acme: Workspace, invoice: Invoice) -> Invoice:
    """150.00, by card."""
    with_method(acme, stripe)
    collect_invoice(invoice.pk, NOW)
    invoice.refresh_from_db()
    assert invoice.status == "paid"
    return invoice


# --- Refunds -----------------------------------------------------------------------------------------------------


def test_a_paid_invoice_is_refunded_in_parts_and_no_further(stripe: StripeServer, paid: Invoice) -> None:
    first, second = credited(paid, "50.00"), credited(paid)
    assert (went_back(first), went_back(second)) == ([("50.00", "succeeded")], [("100.00", "succeeded")])
    assert [refund["amount"] for refund in stripe.of("refund")] == [5000, 10000]
    assert (paid.status, paid.amount_paid, Payment.objects.get().refunded) == ("paid", Decimal("150.00"), Decimal("150.00"))
    assert CreditGrant.objects.count() == 0
    with pytest.raises(NothingToCredit):
        credited(paid)
    assert invoice_differences() == []


def test_a_refund_that_stripe_never_heard_of_is_sent_later(stripe: StripeServer, paid: Invoice) -> None:
    stripe.fail_at(1, "die_before")
    note = credited(paid)
    assert went_back(note) == [("150.00", "started")]
    assert refunds.recover_refunds(NOW) == {"settled": 1, "waiting": 0, "unavailable": 0, "failed": 0}
    assert (went_back(note), len(stripe.of("refund"))) == ([("150.00", "succeeded")], 1)


def test_a_refund_waits_for_no_answer_but_counts_already(stripe: StripeServer, paid: Invoice) -> None:
    stripe.fail_at(1, "die_before")
    credited(paid, "100.00")
    assert [str(refunds.refundable_amount(payment)) for payment in Payment.objects.all()] == ["50.00"]
    assert went_back(credited(paid)) == [("50.00", "succeeded")]


def test_a_refund_that_failed_is_sent_again_and_not_given_to_another_note(stripe: StripeServer, paid: Invoice) -> None:
    note = credited(paid, "100.00")
    refund = note.refunds.get()
    apply_refund(refund, ProviderRefund(str(refund.stripe_id), "failed", refund.amount, "", "closed account"), NOW)
    stripe.of("refund")[0]["amount"] = 0
    assert went_back(note) == [("100.00", "failed")]
    assert went_back(credited(paid)) == [("50.00", "succeeded")]
    assert retry_refund(note.pk, OPS, NOW) == Decimal("100.00")
    assert went_back(note) == [("100.00", "failed"), ("100.00", "succeeded")]
    with pytest.raises(NothingToCredit, match="is missing"):
        retry_refund(note.pk, OPS, NOW)
    assert Payment.objects.get().refunded == Decimal("150.00")


def test_a_line_is_not_refunded_twice(stripe: StripeServer, paid: Invoice) -> None:
    credited(paid, "100.00")
    with pytest.raises(NothingToCredit, match=r"50\.00 are left of the line"):
        credited(paid, "100.00")
    assert [refund["amount"] for refund in stripe.of("refund")] == [10000]


@pytest.mark.django_db(transaction=True)
def test_four_at_once_give_back_what_was_paid(stripe: StripeServer, paid: Invoice) -> None:
    answers = at_once(*[lambda: credited(paid, "60.00")] * 4)
    assert sorted(type(answer).__name__ for answer in answers) == ["CreditNote"] * 2 + ["NothingToCredit"] * 2
    assert [refund["amount"] for refund in stripe.of("refund")] == [6000, 6000]
    assert invoice_differences() == []


def test_what_was_refunded_without_a_note_is_not_refunded_again(stripe: StripeServer, paid: Invoice) -> None:
    refunds.refund(Payment.objects.get().pk, Decimal("30.00"), "goodwill", OPS, NOW)
    for settlement in ("refund", "balance"):
        with pytest.raises(NothingToCredit, match=r"120\.00 of what was paid .* did not go back yet: not 150\.00"):
            credited(paid, settlement=settlement)
    assert CreditNote.objects.count() == 0
    credited(paid, "30.00", "outside", reference="the refund of 30.00")
    assert went_back(credited(paid)) == [("120.00", "succeeded")]
    assert [refund["amount"] for refund in stripe.of("refund")] == [3000, 12000]


def test_money_that_came_by_hand_is_not_asked_of_stripe(stripe: StripeServer, invoice: Invoice) -> None:
    mark_paid(invoice.pk, "transfer 17", OPS, NOW)
    with pytest.raises(NothingToCredit, match=r"0\.00 of it were paid through Stripe") as refused:
        credited(invoice)
    assert refused.value.param == "settlement"
    assert (CreditNote.objects.count(), Refund.objects.count(), stripe.requests) == (0, 0, [])


# --- Outside, and as credit --------------------------------------------------------------------------------------


def test_money_given_back_by_hand_says_where_it_is_found(invoice: Invoice) -> None:
    mark_paid(invoice.pk, "transfer 17", OPS, NOW)
    note = credited(invoice, settlement="outside", reference="transfer 18")
    (refund,) = note.refunds.all()
    assert (refund.amount, refund.status, refund.reason, refund.reference, refund.stripe_id) == (
        Decimal("150.00"),
        "succeeded",
        "an outage",
        "transfer 18",
        None,
    )
    entry = AuditEntry.objects.get(action="credit_note.settled_outside")
    assert (entry.target, entry.detail["reference"], entry.detail["amount"]) == (note.public_id, "transfer 18", "150.00")
    assert invoice_differences() == []


def test_a_card_payment_given_back_outside_is_not_refunded_too(stripe: StripeServer, paid: Invoice) -> None:
    note = credited(paid, "100.00", "outside", reference="transfer 18")
    assert (went_back(note), stripe.of("refund")) == ([("100.00", "succeeded")], [])
    assert note.refunds.values_list("reference", "stripe_id").get() == ("transfer 18", None)
    assert went_back(credited(paid)) == [("50.00", "succeeded")]


def test_money_may_be_kept_as_credit(stripe: StripeServer, acme: Workspace, paid: Invoice) -> None:
    note = credited(paid, "40.00", "balance")
    assert (note.settlement, balance(acme), stripe.of("refund")) == ("balance", [("purchased", "40.00")], [])
    grant = CreditGrant.objects.get()
    assert (grant.source, grant.expires_at, grant.note) == (f"credit_note:{note.public_id}", None, f"Credit note {note.number}")
    assert went_back(credited(paid)) == [("110.00", "succeeded")]


def test_credits_come_back_as_credit_and_money_as_money(stripe: StripeServer, acme: Workspace, use: Meter) -> None:
    ledger.grant(acme, "goodwill", Decimal("60.00"), OPS, NOW)
    invoice = an_invoice(acme, use)
    with_method(acme, stripe)
    collect_invoice(invoice.pk, NOW)
    invoice.refresh_from_db()
    assert (invoice.credits_applied, invoice.amount_paid) == (Decimal("60.00"), Decimal("90.00"))
    note = credited(invoice)
    assert (note.given_back, went_back(note), balance(acme)) == (
        Decimal("150.00"),
        [("90.00", "succeeded")],
        [("purchased", "60.00")],
    )
    assert invoice_differences() == []


def test_an_invoice_paid_by_credits_alone_comes_back_as_credit(acme: Workspace, use: Meter) -> None:
    ledger.grant(acme, "purchased", Decimal("150.00"), OPS, NOW)
    use(make_key(acme), "09-14T10:00", usage=tokens(input=100_000_000))
    (invoice,) = finalized()
    assert invoice.status == "paid"
    note = credited(invoice, settlement="refund")
    assert (note.settlement, balance(acme)) == ("balance", [("purchased", "150.00")])


# --- What is in progress -------------------------------------------------------------------------------------------


def test_nothing_is_voided_or_credited_under_a_payment(stripe: StripeServer, acme: Workspace, invoice: Invoice) -> None:
    with_method(acme, stripe, BANK)
    collect_invoice(invoice.pk, NOW)
    with pytest.raises(PaymentInProgress):
        void_invoice(invoice.pk, "mistake", OPS, NOW)
    with pytest.raises(PaymentInProgress):
        credited(invoice)
    invoice.refresh_from_db()
    assert (invoice.status, invoice.amount_due, CreditNote.objects.count()) == ("open", Decimal("150.00"), 0)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("turn", range(4))
def test_an_invoice_is_either_collected_or_void(stripe: StripeServer, acme: Workspace, invoice: Invoice, turn: int) -> None:
    with_method(acme, stripe)
    acts = [lambda: collect_invoice(invoice.pk, NOW), lambda: void_invoice(invoice.pk, "mistake", OPS, NOW)]
    at_once(*(acts if turn % 2 else acts[::-1]))
    invoice.refresh_from_db()
    paid = len(stripe.succeeded())
    assert (invoice.status, paid, Payment.objects.count()) in (("paid", 1, 1), ("void", 0, 0))
    assert invoice_differences() == []


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("turn", range(4))
def test_what_is_collected_and_credited_at_once_is_no_more_than_is_due(
    stripe: StripeServer, acme: Workspace, invoice: Invoice, turn: int
) -> None:
    with_method(acme, stripe)
    acts = [lambda: collect_invoice(invoice.pk, NOW), lambda: credited(invoice, "50.00", "refund")]
    at_once(*(acts if turn % 2 else acts[::-1]))
    invoice.refresh_from_db()
    taken = sum(intent["amount"] for intent in stripe.succeeded()) - sum(each["amount"] for each in stripe.of("refund"))
    notes = list(CreditNote.objects.values_list("total", flat=True))
    assert (invoice.status, taken, notes) in (
        ("paid", 10_000, [Decimal("50.00")]),
        ("paid", 15_000, []),  # the payment was in progress
    )
    assert invoice_differences() == []


def test_an_open_payment_page_is_closed_first(stripe: StripeServer, invoice: Invoice) -> None:
    payment_page(invoice, NOW)
    void_invoice(invoice.pk, "mistake", OPS, NOW)
    invoice.refresh_from_db()
    assert (invoice.status, stripe.of("checkout.session")[0]["status"]) == ("void", "expired")


def test_a_page_that_cannot_be_closed_stops_it(stripe: StripeServer, invoice: Invoice) -> None:
    payment_page(invoice, NOW)
    stripe.fail_at(1, "die_before")
    with pytest.raises(PaymentInProgress):
        void_invoice(invoice.pk, "mistake", OPS, NOW)
    with pytest.raises(InvalidParameter):
        void_invoice(invoice.pk, "", OPS, NOW)
    invoice.refresh_from_db()
    assert (invoice.status, stripe.of("checkout.session")[0]["status"]) == ("open", "open")


@pytest.mark.parametrize("act", [void_invoice, lambda pk, *rest: issue_credit_note(pk, None, rest[0], "", *rest[1:])])
def test_what_is_given_up_or_credited_is_dunned_no_further(acme: Workspace, invoice: Invoice, act: Any) -> None:
    BillingTerms.objects.create(workspace=acme, suspend_when_past_due=True)
    Dunning.objects.create(invoice=invoice, state=Dunning.State.PAST_DUE, began_at=NOW, past_due_at=NOW)
    update_suspension(acme.pk, NOW)
    acme.refresh_from_db()
    assert acme.suspended_at == NOW
    act(invoice.pk, "mistake", OPS, NOW)
    acme.refresh_from_db()
    assert (acme.suspended_at, Dunning.objects.get().state) == (None, "settled")
