"""Invoices, credit notes, payments and top-ups: each is announced where it happens, once, as the API shows it then."""

from collections import Counter
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from rest_framework.test import APIClient

from metering.invoicing.lifecycle.close import close_workspaces
from metering.invoicing.lifecycle.void import void
from metering.invoicing.models import Invoice
from metering.notifications.models import Notification
from metering.notifications.types import NOTIFICATION_TYPES
from metering.payments.collecting.collect import collect_due, collect_invoice
from metering.payments.collecting.dunning import dun
from metering.payments.collecting.manual import mark_paid
from metering.payments.models import Dispute, Payment, PaymentAttempt, Refund, TopUp
from metering.payments.refunds import refunds
from metering.payments.top_ups import purchase
from metering.payments.webhooks.inbox import handle_waiting
from tests.kit.billing import OPS, SEPTEMBER, Meter, credit, credited, tokens
from tests.kit.factories import NOW, make_key
from tests.kit.paying import send_event, with_method
from tests.kit.stripe_server import DECLINED, StripeServer
from workspaces.keys import issue
from workspaces.models import Workspace

pytestmark = pytest.mark.django_db


def announced() -> list[str]:
    return list(Notification.objects.order_by("pk").values_list("type", flat=True))


def data_of(type: str) -> Any:
    return Notification.objects.get(type=type).data


def shown(workspace: Workspace, path: str) -> Any:
    _, secret = issue.create_key(workspace, "admin", "reads", "tests", NOW)
    answer = APIClient(headers={"authorization": f"Bearer {secret}"}).get(f"/api/v1/{path}")
    assert answer.status_code == 200
    return answer.json()


def listed(workspace: Workspace, path: str) -> Any:
    """As the list has it whose address and whose row's id make the path."""
    of_list, _, public_id = path.partition("/")
    return next(row for row in shown(workspace, of_list)["data"] if row["id"] == public_id)


def test_a_finalized_invoice_is_announced_as_the_api_lists_it(acme: Workspace, invoice: Invoice) -> None:
    assert announced() == ["invoice.finalized"]
    notified = Notification.objects.get()
    assert (notified.workspace, notified.key) == (acme, f"invoice.finalized:{invoice.public_id}")
    assert notified.data == listed(acme, f"invoices/{invoice.public_id}")
    assert (notified.data["status"], notified.data["amount_due"], notified.data["line_count"]) == ("open", "150.00", 1)


def test_closing_a_month_twice_announces_once(acme: Workspace, invoice: Invoice) -> None:
    close_workspaces(SEPTEMBER, NOW, finalize=True)
    close_workspaces(SEPTEMBER, NOW + timedelta(days=1), finalize=True)
    assert announced() == ["invoice.finalized"]


def test_an_invoice_that_credit_pays_is_announced_as_paid_too(acme: Workspace, use: Meter) -> None:
    credit(acme, "500.00")
    use(make_key(acme), "09-14T10:00", usage=tokens(input=100_000_000))
    close_workspaces(SEPTEMBER, NOW, finalize=True)
    assert announced() == ["invoice.finalized", "invoice.paid"]
    paid = data_of("invoice.paid")
    assert paid == listed(acme, f"invoices/{paid['id']}")
    assert (paid["status"], paid["credits_applied"]) == ("paid", "150.00")


def test_a_voided_invoice_is_announced(acme: Workspace, invoice: Invoice) -> None:
    void(invoice.pk, "wrong customer", OPS, NOW)
    assert announced() == ["invoice.finalized", "invoice.voided"]
    assert data_of("invoice.voided") == listed(acme, f"invoices/{invoice.public_id}")
    assert data_of("invoice.voided")["status"] == "void"


def test_a_credit_note_is_announced_and_the_invoice_that_it_pays(acme: Workspace, invoice: Invoice) -> None:
    note = credited(invoice)
    assert announced() == ["invoice.finalized", "invoice.paid", "credit_note.issued"]
    assert data_of("credit_note.issued") == listed(acme, f"credit-notes/{note.public_id}")
    assert data_of("invoice.paid") == listed(acme, f"invoices/{invoice.public_id}")


def test_a_payment_by_hand_is_announced_with_what_it_pays(acme: Workspace, invoice: Invoice) -> None:
    mark_paid(invoice.pk, "transfer 17", OPS, NOW)
    assert announced() == ["invoice.finalized", "invoice.paid", "payment.succeeded"]
    assert data_of("payment.succeeded") == {
        "object": "payment",
        "id": Payment.objects.get().public_id,
        "invoice_id": invoice.public_id,
        "credit_id": None,
        "amount": "150.00",
        "refunded": "0.00",
        "currency": "USD",
        "method": "by_hand",
        "reference": "transfer 17",
        "received_at": "2026-10-15T12:00:00Z",
    }
    assert data_of("invoice.paid") == listed(acme, f"invoices/{invoice.public_id}")


def test_a_collected_invoice_is_announced_once_however_often_it_is_collected(
    stripe: StripeServer, acme: Workspace, invoice: Invoice
) -> None:
    with_method(acme, stripe)
    for _ in range(3):
        collect_due(NOW)
    assert announced() == ["invoice.finalized", "invoice.paid", "payment.succeeded"]
    assert data_of("payment.succeeded")["invoice_id"] == invoice.public_id


def test_declines_are_announced_each_and_the_invoice_when_it_is_past_due(
    stripe: StripeServer, acme: Workspace, invoice: Invoice
) -> None:
    with_method(acme, stripe, DECLINED)
    collect_due(NOW)
    collect_due(NOW)
    for day in (3, 5, 7, 7, 30):
        dun(NOW + timedelta(days=day), collect_invoice)
    assert Counter(announced()) == {"invoice.finalized": 1, "payment.failed": 4, "invoice.past_due": 1}
    assert data_of("invoice.past_due") == listed(acme, f"invoices/{invoice.public_id}")
    first, *_ = Notification.objects.filter(type="payment.failed").order_by("pk")
    attempt = PaymentAttempt.objects.get(number=1)
    assert first.data == {
        "object": "payment_attempt",
        "invoice_id": invoice.public_id,
        "top_up_id": None,
        "number": 1,
        "amount": "150.00",
        "currency": "USD",
        "status": "declined",
        "code": attempt.code,
        "message": attempt.message,
        "settled_at": "2026-10-15T12:00:00Z",
    }
    assert attempt.code
    assert attempt.message


def test_a_refund_is_announced_when_the_money_is_on_its_way_back(
    stripe: StripeServer, acme: Workspace, invoice: Invoice
) -> None:
    with_method(acme, stripe)
    collect_due(NOW)
    payment = Payment.objects.get()
    begun = refunds.begin_refund(payment.pk, Decimal("40.00"), "goodwill", OPS, NOW)
    assert "payment.refunded" not in announced()
    refunds.sync_refund(begun, NOW)
    refunds.recover_refunds(NOW)
    assert announced().count("payment.refunded") == 1
    assert data_of("payment.refunded") == {
        "object": "refund",
        "id": begun.public_id,
        "payment_id": payment.public_id,
        "credit_note_id": None,
        "amount": "40.00",
        "currency": "USD",
        "status": "succeeded",
        "reason": "goodwill",
        "settled_at": "2026-10-15T12:00:00Z",
    }


def test_a_refund_by_hand_is_announced(acme: Workspace, invoice: Invoice) -> None:
    mark_paid(invoice.pk, "transfer 17", OPS, NOW)
    back = refunds.refund(Payment.objects.get().pk, Decimal("10.00"), "goodwill", OPS, NOW, "transfer 18")
    assert back.status == Refund.Status.SUCCEEDED
    assert data_of("payment.refunded")["amount"] == "10.00"


def test_a_dispute_is_announced_when_it_is_opened(stripe: StripeServer, acme: Workspace, invoice: Invoice) -> None:
    with_method(acme, stripe)
    collect_due(NOW)
    disputed = stripe.dispute(str(Payment.objects.get().intent_id))
    for kind in ("created", "updated"):
        send_event(stripe, f"charge.dispute.{kind}", disputed)
        handle_waiting(NOW)
    assert announced().count("payment.disputed") == 1
    dispute = Dispute.objects.get()
    assert data_of("payment.disputed") | {"opened_at": None} == {
        "object": "dispute",
        "id": dispute.stripe_id,
        "payment_id": Payment.objects.get().public_id,
        "amount": "150.00",
        "currency": "USD",
        "reason": "fraudulent",
        "status": "needs_response",
        "opened_at": None,
        "charged_back": "0.00",
        "reference": None,
    }


@pytest.mark.parametrize(
    ("ended", "announced_as", "charged_back"),
    [("lost", "payment.charged_back", "150.00"), ("won", "payment.dispute_won", "0.00")],
)
def test_what_became_of_a_dispute_is_announced_once(
    stripe: StripeServer, acme: Workspace, invoice: Invoice, ended: str, announced_as: str, charged_back: str
) -> None:
    with_method(acme, stripe)
    collect_due(NOW)
    disputed = stripe.dispute(str(Payment.objects.get().intent_id))
    send_event(stripe, "charge.dispute.created", disputed)
    handle_waiting(NOW)
    disputed["status"] = ended
    for _ in range(2):
        send_event(stripe, "charge.dispute.closed", disputed)
        handle_waiting(NOW)
    assert [each for each in announced() if each in ("payment.charged_back", "payment.dispute_won")] == [announced_as]
    notified = data_of(announced_as)
    assert (notified["status"], notified["charged_back"], notified["amount"]) == (ended, charged_back, "150.00")


def test_a_top_up_is_announced_as_the_api_lists_it(stripe: StripeServer, acme: Workspace) -> None:
    with_method(acme, stripe)
    bought = purchase.buy_credit(acme, Decimal("20.00"), purchase.SAVED, "once", OPS, NOW)
    purchase.pay_top_up(TopUp.objects.select_related("workspace").get(pk=bought.pk), NOW)
    assert announced() == ["top_up.succeeded", "payment.succeeded"]
    assert data_of("top_up.succeeded") == shown(acme, f"credits/top-ups/{bought.public_id}")
    assert data_of("payment.succeeded")["credit_id"] == data_of("top_up.succeeded")["credit_id"]


def test_a_top_up_that_is_declined_is_announced_as_a_failed_payment(stripe: StripeServer, acme: Workspace) -> None:
    with_method(acme, stripe, DECLINED)
    bought = purchase.buy_credit(acme, Decimal("20.00"), purchase.SAVED, "once", OPS, NOW)
    assert announced() == ["payment.failed"]
    assert (data_of("payment.failed")["top_up_id"], data_of("payment.failed")["invoice_id"]) == (bought.public_id, None)


def test_what_is_announced_here_is_all_that_money_has_to_tell(acme: Workspace) -> None:
    money = {name for name in NOTIFICATION_TYPES if name.partition(".")[0] in ("invoice", "credit_note", "payment", "top_up")}
    assert money == {
        *("invoice.finalized", "invoice.paid", "invoice.past_due", "invoice.voided", "credit_note.issued"),
        *("payment.succeeded", "payment.failed", "payment.refunded", "payment.disputed", "top_up.succeeded"),
        *("payment.charged_back", "payment.dispute_won"),  # tests/payments/disputes/test_chargebacks.py and ..._by_hand.py
    }
