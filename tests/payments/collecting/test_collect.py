"""Open invoices are collected: once, exactly what is due, by whatever channel, and declines are answers."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import connection

from metering.errors import InvoiceNotOpen, PaymentInProgress
from metering.invoicing.models import Invoice
from metering.payments.collecting.attempts import apply_intent_event, recover_attempts, sync_attempt
from metering.payments.collecting.collect import collect_due, collect_invoice, payment_page
from metering.payments.collecting.manual import mark_paid
from metering.payments.mails.models import Notice
from metering.payments.models import Dunning, Payment, PaymentAttempt
from metering.payments.provider.current import provider
from metering.reconcile.invoices import invoice_differences
from tests.kit.billing import Meter, an_invoice
from tests.kit.factories import NOW, make_workspace
from tests.kit.paying import with_method
from tests.kit.stripe_server import BANK, DECLINED, GOOD, StripeServer
from workspaces.models import Workspace

pytestmark = pytest.mark.django_db
LATER = NOW + timedelta(hours=1)


def state(invoice: Invoice) -> tuple[str, str, str]:
    invoice.refresh_from_db()
    return invoice.status, str(invoice.amount_paid), str(invoice.amount_due)


def attempts(invoice: Invoice) -> list[tuple[int, str, str]]:
    return [(each.number, each.status, each.code) for each in invoice.attempts.order_by("number")]


def test_an_invoice_is_collected_from_the_saved_method(stripe: StripeServer, acme: Workspace, invoice: Invoice) -> None:
    with_method(acme, stripe)
    assert collect_due(NOW) == {"succeeded": 1, "processing": 0, "declined": 0, "failed": 0}
    assert state(invoice) == ("paid", "150.00", "0.00")
    (sent,) = [request for request in stripe.requests if request.path == "/v1/payment_intents" and request.method == "POST"]
    assert (sent.key, sent.params["amount"]) == (f"invoice-{invoice.public_id}-attempt-1", "15000")
    assert sent.params["metadata"] == {
        "omixa_attempt": sent.key,
        "omixa_invoice": invoice.public_id,
        "omixa_workspace": acme.public_id,
    }
    (payment,) = Payment.objects.all()
    assert (payment.amount, payment.invoice, payment.intent_id) == (Decimal("150.00"), invoice, stripe.succeeded()[0]["id"])
    assert collect_due(LATER) == {"succeeded": 0, "processing": 0, "declined": 0, "failed": 0}
    assert invoice_differences() == []


def test_without_a_method_or_without_stripe_nothing_is_collected(
    stripe: StripeServer, acme: Workspace, invoice: Invoice, settings: object
) -> None:
    assert collect_invoice(invoice.pk, NOW) is None
    with_method(acme, stripe)
    settings.STRIPE_SECRET_KEY = ""  # type: ignore[attr-defined]
    assert collect_invoice(invoice.pk, NOW) is None
    assert PaymentAttempt.objects.count() == 0


def test_a_decline_is_kept_with_its_reason_and_the_next_attempt_has_the_next_number(
    stripe: StripeServer, acme: Workspace, invoice: Invoice
) -> None:
    account = with_method(acme, stripe, DECLINED)
    assert collect_due(NOW)["declined"] == 1
    assert (state(invoice), attempts(invoice)) == (("open", "0.00", "150.00"), [(1, "declined", "insufficient_funds")])
    assert invoice.attempts.get().message == "Your card has insufficient funds."
    assert collect_due(LATER) == {"succeeded": 0, "processing": 0, "declined": 0, "failed": 0}  # dunning has it now
    assert Dunning.objects.get().next_retry_at == NOW + timedelta(days=3)
    account.method_id = stripe.save_method(str(account.customer_id), GOOD)
    account.save()
    collect_invoice(invoice.pk, LATER)
    assert attempts(invoice) == [(1, "declined", "insufficient_funds"), (2, "succeeded", "")]
    assert Dunning.objects.get().state == "settled"
    kinds = list(Notice.objects.order_by("id").values_list("kind", flat=True))
    assert kinds == ["payment_failed", "invoice_paid"]


def test_a_bank_debit_is_waited_for(stripe: StripeServer, acme: Workspace, invoice: Invoice) -> None:
    with_method(acme, stripe, BANK)
    assert collect_due(NOW)["processing"] == 1
    with pytest.raises(PaymentInProgress):
        mark_paid(invoice.pk, "transfer", "ops", NOW)
    with pytest.raises(PaymentInProgress):
        payment_page(invoice, NOW)
    assert recover_attempts(LATER) == {"settled": 0, "waiting": 1, "unavailable": 0, "failed": 0}
    stripe.settle(stripe.of("payment_intent")[0]["id"])
    assert recover_attempts(LATER) == {"settled": 1, "waiting": 0, "unavailable": 0, "failed": 0}
    assert state(invoice) == ("paid", "150.00", "0.00")


def test_a_bank_debit_that_fails_is_a_decline(stripe: StripeServer, acme: Workspace, invoice: Invoice) -> None:
    with_method(acme, stripe, BANK)
    collect_due(NOW)
    stripe.settle(stripe.of("payment_intent")[0]["id"], succeeded=False)
    recover_attempts(LATER)
    assert (state(invoice)[0], attempts(invoice)) == ("open", [(1, "declined", "debit_not_authorized")])


def test_a_page_is_used_again_while_it_is_open_and_paid_once(stripe: StripeServer, invoice: Invoice) -> None:
    page = payment_page(invoice, NOW)
    assert payment_page(invoice, LATER) == page
    (session,) = stripe.of("checkout.session")
    stripe.complete(session["id"])
    assert recover_attempts(LATER)["settled"] == 1
    assert state(invoice) == ("paid", "150.00", "0.00")
    with pytest.raises(InvoiceNotOpen):
        payment_page(invoice, LATER)


def test_an_expired_page_is_followed_by_a_new_one(stripe: StripeServer, invoice: Invoice) -> None:
    first = payment_page(invoice, NOW)
    provider().close_page(stripe.of("checkout.session")[0]["id"])
    assert payment_page(invoice, LATER) != first
    assert [status for _, status, _ in attempts(invoice)] == ["canceled", "started"]


def test_an_open_page_is_closed_before_the_saved_method_is_charged(
    stripe: StripeServer, acme: Workspace, invoice: Invoice
) -> None:
    payment_page(invoice, NOW)
    with_method(acme, stripe)
    collect_invoice(invoice.pk, LATER)
    assert [status for _, status, _ in attempts(invoice)] == ["canceled", "succeeded"]
    assert (stripe.of("checkout.session")[0]["status"], len(stripe.succeeded())) == ("expired", 1)


def test_a_page_paid_meanwhile_stands_and_the_method_is_not_charged(
    stripe: StripeServer, acme: Workspace, invoice: Invoice
) -> None:
    payment_page(invoice, NOW)
    stripe.complete(stripe.of("checkout.session")[0]["id"])
    with_method(acme, stripe)
    collect_invoice(invoice.pk, LATER)
    assert (state(invoice), len(stripe.succeeded())) == (("paid", "150.00", "0.00"), 1)


def test_a_second_payment_of_a_paid_invoice_is_kept_as_a_surplus(
    stripe: StripeServer, acme: Workspace, invoice: Invoice
) -> None:
    with_method(acme, stripe)
    attempt = collect_invoice(invoice.pk, NOW)
    assert attempt is not None
    twice = provider().charge_saved_method(attempt.request, "another key")
    apply_intent_event(attempt, twice, LATER)
    apply_intent_event(attempt, twice, LATER)
    assert state(invoice) == ("paid", "150.00", "0.00")
    surplus = Payment.objects.get(invoice=None)
    assert surplus.surplus == f"0.00 were due on the paid invoice {invoice.number}."
    assert Payment.objects.count() == 2


def test_a_method_that_stripe_refuses_is_a_decline(stripe: StripeServer, acme: Workspace, invoice: Invoice) -> None:
    account = with_method(acme, stripe)
    account.method_id = "pm_gone"
    account.save()
    assert collect_due(NOW)["declined"] == 1
    assert attempts(invoice) == [(1, "declined", "resource_missing")]


def test_one_workspaces_failure_does_not_stop_the_others(
    stripe: StripeServer, acme: Workspace, invoice: Invoice, use: Meter
) -> None:
    other = make_workspace("Beta")
    second = an_invoice(other, use)
    with_method(acme, stripe)
    with_method(other, stripe)
    stripe.fail_at(1, "die_before")
    stripe.fail_at(2, "die_before")  # looking for what was made
    assert collect_due(NOW) == {"succeeded": 1, "processing": 0, "declined": 0, "failed": 1}
    assert (state(invoice)[0], state(second)[0]) == ("open", "paid")
    assert recover_attempts(LATER)["settled"] == 1
    assert state(invoice)[0] == "paid"


def test_a_500_that_stripe_repeats_ends_the_attempt_and_the_next_one_collects(
    stripe: StripeServer, acme: Workspace, invoice: Invoice
) -> None:
    with_method(acme, stripe)
    stripe.fail_at(1, "error_500_before")
    assert collect_due(NOW)["failed"] == 1
    assert recover_attempts(NOW + timedelta(minutes=5))["waiting"] == 1
    assert recover_attempts(NOW + timedelta(minutes=11))["settled"] == 1
    assert collect_due(LATER)["succeeded"] == 1
    assert [status for _, status, _ in attempts(invoice)] == ["canceled", "succeeded"]
    assert len(stripe.succeeded()) == 1


def test_a_pruned_key_is_not_asked_again(stripe: StripeServer, acme: Workspace, invoice: Invoice) -> None:
    with_method(acme, stripe)
    stripe.fail_at(1, "die_after")
    stripe.fail_at(2, "die_before")
    assert collect_due(NOW)["failed"] == 1
    stripe.prune_keys()
    stripe.search_sees_new = False
    assert recover_attempts(NOW + timedelta(days=2))["settled"] == 1
    assert (state(invoice), len(stripe.of("payment_intent"))) == (("paid", "150.00", "0.00"), 1)


def test_paying_by_hand_needs_an_open_invoice_and_makes_a_payment(invoice: Invoice) -> None:
    assert mark_paid(invoice.pk, " transfer 4711 ", "ops@omixa.example", NOW).status == "paid"
    payment = Payment.objects.get()
    assert (payment.method, payment.reference, payment.amount) == ("by_hand", "transfer 4711", Decimal("150.00"))
    with pytest.raises(InvoiceNotOpen):
        mark_paid(invoice.pk, "again", "ops@omixa.example", NOW)


def test_pursuing_a_settled_attempt_asks_nothing(stripe: StripeServer, acme: Workspace, invoice: Invoice) -> None:
    with_method(acme, stripe)
    attempt = collect_invoice(invoice.pk, NOW)
    assert attempt is not None
    asked = len(stripe.requests)
    assert sync_attempt(attempt, LATER).status == "succeeded"
    assert len(stripe.requests) == asked


@pytest.mark.django_db(transaction=True)
def test_four_workers_at_once_make_one_payment(stripe: StripeServer, acme: Workspace, invoice: Invoice) -> None:
    with_method(acme, stripe)

    def work(_: int) -> None:
        try:
            collect_invoice(invoice.pk, NOW)
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))
    assert (state(invoice), len(stripe.succeeded()), Payment.objects.count()) == (("paid", "150.00", "0.00"), 1, 1)
