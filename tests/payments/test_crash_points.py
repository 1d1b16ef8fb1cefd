"""Dying at every single call, in every way: in the end one payment of exactly the amount due, and one refund."""

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from metering.invoicing.models import Invoice
from metering.payments import attempts, refunds
from metering.payments.collect import collect_due, payment_page
from metering.payments.models import Payment, PaymentAttempt, Refund
from metering.payments.stripe_edge import StripeUnavailable
from tests.factories import NOW
from tests.payments.conftest import with_method
from tests.payments.stripe_server import WAYS_TO_FAIL, StripeServer
from workspaces.models import Workspace

pytestmark = pytest.mark.django_db
# What the jobs do until nothing is left to do: more rounds than any story needs.
ROUNDS = [timedelta(minutes=5 * number) for number in range(8)]


class Died(BaseException):
    """As if the process were killed: nothing catches it."""


def collect_by_saved_method(stripe: StripeServer, invoice: Invoice) -> None:
    for after in ROUNDS:
        quietly(collect_due, NOW + after)
        quietly(attempts.recover, NOW + after)


def collect_on_a_page(stripe: StripeServer, invoice: Invoice) -> None:
    for after in ROUNDS:
        quietly(payment_page, Invoice.objects.get(pk=invoice.pk), NOW + after)
        standing = invoice.attempts.exclude(session_id="").filter(status="started").first()
        if standing and stripe.objects[standing.session_id]["status"] == "open":
            stripe.complete(standing.session_id)
        quietly(attempts.recover, NOW + after)


def pay_and_refund(stripe: StripeServer, invoice: Invoice) -> None:
    collect_by_saved_method(stripe, invoice)
    payment = Payment.objects.get()
    if not payment.refunds.exists():
        quietly(refunds.refund, payment.pk, Decimal("50.00"), "too much", "ops", NOW)
    for after in ROUNDS:
        quietly(refunds.recover, NOW + after)


# More than any story makes; those beyond its last call find nothing to break.
CALLS, DEATHS = range(1, 8), range(1, 13)
STORIES = [collect_by_saved_method, collect_on_a_page, pay_and_refund]


def quietly(act: Callable[..., Any], *arguments: Any) -> None:
    """A job that fails or is killed is run again later."""
    try:
        act(*arguments)
    except (Died, StripeUnavailable):
        return
    except Exception as error:
        if type(error).__name__ not in ("InvoiceNotOpen", "PaymentUnderWay"):
            raise


def exactly_one_payment(stripe: StripeServer, invoice: Invoice) -> None:
    invoice.refresh_from_db()
    assert [intent["amount"] for intent in stripe.succeeded()] == [15000]
    assert [(each.amount, each.invoice_id, each.surplus) for each in Payment.objects.all()] == [
        (Decimal("150.00"), invoice.pk, "")
    ]
    assert (invoice.status, invoice.amount_paid, invoice.amount_due) == ("paid", Decimal("150.00"), Decimal("0.00"))
    assert not PaymentAttempt.objects.filter(status__in=PaymentAttempt.UNSETTLED).exists()


def exactly_one_refund(stripe: StripeServer) -> None:
    assert [each["amount"] for each in stripe.of("refund")] == [5000]
    assert [(each.amount, each.status) for each in Refund.objects.all()] == [(Decimal("50.00"), "succeeded")]
    assert Payment.objects.get().refunded == Decimal("50.00")


@pytest.mark.parametrize("story", STORIES)
@pytest.mark.parametrize("how", WAYS_TO_FAIL)
@pytest.mark.parametrize("call", CALLS)
def test_stripe_fails_at_every_call(
    stripe: StripeServer, acme: Workspace, invoice: Invoice, story: Callable[..., None], how: str, call: int
) -> None:
    with_method(acme, stripe)
    stripe.fail_at(call, how)
    story(stripe, invoice)
    exactly_one_payment(stripe, invoice)
    if story is pay_and_refund:
        exactly_one_refund(stripe)


@pytest.mark.parametrize("story", STORIES)
@pytest.mark.parametrize("point", DEATHS)
def test_the_process_dies_before_and_after_every_call(
    stripe: StripeServer, acme: Workspace, invoice: Invoice, story: Callable[..., None], point: int, monkeypatch: Any
) -> None:
    """Odd points are just before a call, even ones just after its answer, before anything of it is stored."""
    from metering.payments.stripe_edge import StripeEdge

    with_method(acme, stripe)
    asked, passed = StripeEdge._ask, [0]

    def dying(self: StripeEdge, call: Any) -> Any:
        passed[0] += 1
        if passed[0] * 2 - 1 == point:
            raise Died
        answer = asked(self, call)
        if passed[0] * 2 == point:
            raise Died
        return answer

    monkeypatch.setattr(StripeEdge, "_ask", dying)
    story(stripe, invoice)
    exactly_one_payment(stripe, invoice)
    if story is pay_and_refund:
        exactly_one_refund(stripe)
