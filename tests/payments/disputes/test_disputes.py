"""What a person must decide: disputes and surplus money are kept, notified once, and shown until they are over."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.core import mail

from metering.invoicing.models import Invoice
from metering.payments.collecting.collect import payment_page
from metering.payments.mails.models import Notice
from metering.payments.mails.sending import send_waiting
from metering.payments.models import Dispute, Payment, PaymentAttempt
from metering.payments.refunds import attention, refunds
from metering.payments.refunds.surplus import keep_surplus_as_credit
from metering.payments.webhooks.inbox import handle_waiting
from metering.payments.webhooks.models import WebhookEvent
from tests.kit.factories import NOW
from tests.kit.paying import send_event
from tests.kit.stripe_server import StripeServer
from workspaces.models import AuditEntry, Workspace

pytestmark = pytest.mark.django_db
LATER = NOW + timedelta(hours=1)
OPERATORS = ["ops@omixa.example", "cfo@omixa.example"]


@pytest.fixture(autouse=True)
def _operators(settings: Any) -> None:
    settings.OPERATOR_EMAILS = OPERATORS


def handle(moment: Any = NOW) -> dict[str, int]:
    return handle_waiting(moment)


def kept() -> list[tuple[Decimal, str, str]]:
    return [(each.amount, each.reason, each.status) for each in Dispute.objects.all()]


def operator_mails() -> list[tuple[str, list[str]]]:
    """What the operators were sent, once all mails are sent."""
    for _ in range(2):
        send_waiting(LATER)
    return [(each.subject, each.to) for each in mail.outbox if each.to == OPERATORS]


def test_a_dispute_that_comes_before_its_payment_brings_the_payment_along(
    stripe: StripeServer, debit: dict[str, Any], invoice: Invoice
) -> None:
    stripe.settle(debit["id"])
    event = send_event(stripe, "charge.dispute.created", stripe.dispute(debit["id"]))
    assert handle() == {"handled": 1, "ignored": 0, "failed": 0}
    event.refresh_from_db()
    invoice.refresh_from_db()
    assert (event.status, invoice.status, Payment.objects.get().amount) == ("handled", "paid", Decimal("150.00"))
    assert kept() == [(Decimal("150.00"), "fraudulent", "needs_response")]
    send_event(stripe, "payment_intent.succeeded", debit)
    handle(LATER)
    assert (Payment.objects.count(), PaymentAttempt.objects.get().status) == (1, "succeeded")


def test_one_of_a_payment_under_way_is_tried_again(stripe: StripeServer, debit: dict[str, Any]) -> None:
    event = send_event(stripe, "charge.dispute.created", stripe.dispute(debit["id"]))
    assert handle() == {"handled": 0, "ignored": 0, "failed": 1}
    event.refresh_from_db()
    assert (event.status, event.error) == ("failed", f"PaymentTooEarly: The payment {debit['id']} is processing.")
    stripe.settle(debit["id"])
    assert handle(LATER)["handled"] == 1
    assert len(kept()) == 1


def test_one_of_a_stranger_is_ignored(stripe: StripeServer, invoice: Invoice) -> None:
    strange = stripe.make("payment_intent", "pi_", status="succeeded", amount=100, currency="usd", customer=None)
    send_event(stripe, "charge.dispute.created", stripe.dispute(strange["id"]))
    nobodys = stripe.dispute(strange["id"])
    nobodys["payment_intent"] = None
    send_event(stripe, "charge.dispute.created", nobodys)
    assert handle() == {"handled": 0, "ignored": 2, "failed": 0}
    assert (kept(), Payment.objects.count(), operator_mails()) == ([], 0, [])


def test_another_amount_or_reason_is_kept_as_well(stripe: StripeServer, debit: dict[str, Any]) -> None:
    stripe.settle(debit["id"])
    dispute = stripe.dispute(debit["id"])
    for change in ({}, {"amount": 9000}, {"reason": "duplicate"}, {}, {"status": "under_review"}):
        dispute.update(change)
        send_event(stripe, "charge.dispute.updated", dispute)
        handle()
    assert kept() == [(Decimal("90.00"), "duplicate", "under_review")]
    trail = AuditEntry.objects.filter(action="payment.disputed").order_by("id")
    assert [(each.detail["amount"], each.detail["reason"], each.detail["status"]) for each in trail] == [
        ("150.00", "fraudulent", "needs_response"),
        ("90.00", "fraudulent", "needs_response"),
        ("90.00", "duplicate", "needs_response"),
        ("90.00", "duplicate", "under_review"),
    ]


def test_operators_are_told_of_a_dispute_once(stripe: StripeServer, debit: dict[str, Any]) -> None:
    stripe.settle(debit["id"])
    dispute = stripe.dispute(debit["id"])
    for _ in range(3):
        send_event(stripe, "charge.dispute.created", dispute)
    handle()
    assert operator_mails() == [("A payment of Acme is disputed", OPERATORS)]
    body = next(each.body for each in mail.outbox if each.to == OPERATORS)
    assert "The bank of Acme asks for 150.00 USD of a payment back. It says: fraudulent." in body
    assert f"/admin/metering/payment/{Payment.objects.get().pk}/change/" in body
    assert Dispute.objects.unresolved().count() == 1
    dispute["status"] = "won"
    send_event(stripe, "charge.dispute.closed", dispute)
    handle(LATER)
    assert (Dispute.objects.unresolved().count(), operator_mails()[1:]) == (0, [("A dispute of Acme is won", OPERATORS)])


@pytest.mark.parametrize(
    ("status", "running"),
    [("needs_response", 1), ("warning_under_review", 1), ("won", 0), ("lost", 0), ("warning_closed", 0), ("prevented", 0)],
)
def test_which_disputes_run(stripe: StripeServer, debit: dict[str, Any], status: str, running: int) -> None:
    stripe.settle(debit["id"])
    send_event(stripe, "charge.dispute.created", stripe.dispute(debit["id"], status))
    handle()
    assert (Dispute.objects.unresolved().count(), len(operator_mails())) == (running, 1)


def a_surplus(stripe: StripeServer, acme: Workspace, invoice: Invoice) -> Payment:
    """The customer paid on a page what was already paid."""
    payment_page(invoice, NOW)
    (session,) = stripe.of("checkout.session")
    Invoice.objects.filter(pk=invoice.pk).update(status="void")
    stripe.complete(session["id"])
    send_event(stripe, "checkout.session.completed", {"id": session["id"], "mode": "payment"})
    handle()
    return Payment.objects.get()


def test_operators_are_told_of_a_surplus_once_and_see_it_until_it_is_given_back(
    stripe: StripeServer, acme: Workspace, invoice: Invoice
) -> None:
    payment = a_surplus(stripe, acme, invoice)
    assert (payment.surplus, list(attention.surpluses())) == (
        f"150.00 were due on the void invoice {invoice.number}.",
        [payment],
    )
    assert operator_mails() == [("150.00 USD of a payment of Acme settle nothing", OPERATORS)]
    body = next(each.body for each in mail.outbox if each.to == OPERATORS)
    assert "Refund 150.00 USD of it, or keep it as credit." in body
    refunds.refund(payment.pk, Decimal("100.00"), "twice", "ops", NOW)
    assert list(attention.surpluses()) == [payment]
    refunds.refund(payment.pk, Decimal("50.00"), "twice", "ops", NOW)
    assert (list(attention.surpluses()), len(operator_mails())) == ([], 1)


def test_operators_are_told_of_a_surplus_that_comes_back_though_the_rest_is_credit(
    stripe: StripeServer, acme: Workspace, invoice: Invoice
) -> None:
    payment = a_surplus(stripe, acme, invoice)
    assert len(operator_mails()) == 1
    made = refunds.refund(payment.pk, Decimal("40.00"), "twice", "ops", NOW)
    keep_surplus_as_credit(payment.pk, "they asked", "ops", NOW)
    assert (list(attention.surpluses()), len(operator_mails())) == ([], 1)
    failed = stripe.objects[str(made.stripe_id)]
    failed.update(status="failed", failure_reason="closed account")
    send_event(stripe, "refund.updated", failed)
    handle()
    assert list(attention.surpluses()) == [payment]
    assert [subject for subject, _ in operator_mails()][1:] == ["40.00 USD of a payment of Acme settle nothing"]
    body = [each.body for each in mail.outbox if each.to == OPERATORS][-1]
    assert "Refund 40.00 USD of it.\n" in body


def test_without_operators_nobody_is_told(stripe: StripeServer, acme: Workspace, invoice: Invoice, settings: Any) -> None:
    settings.OPERATOR_EMAILS = []
    payment = a_surplus(stripe, acme, invoice)
    send_event(stripe, "charge.dispute.created", stripe.dispute(str(payment.intent_id)))
    handle()
    send_waiting(LATER)
    assert Notice.objects.filter(kind__startswith="payment_").count() == 0
    assert (len(kept()), WebhookEvent.objects.filter(status="handled").count()) == (1, 2)
