"""Money in another currency than was asked for settles nothing: it is kept in its own, shown, and goes back as it came."""

from decimal import Decimal
from typing import Any

import pytest
from django.core import mail

from metering.errors import NothingToCredit
from metering.invoicing.models import Invoice
from metering.payments.collecting.attempts import recover_attempts
from metering.payments.collecting.collect import payment_page
from metering.payments.mails.sending import send_waiting
from metering.payments.models import Payment, TopUp
from metering.payments.refunds import attention, refunds
from metering.payments.refunds.surplus import keep_surplus_as_credit
from metering.payments.stripe.objects import ours, wire
from metering.payments.top_ups import purchase
from omixa_billing.api.errors import InvalidParameter
from tests.kit.factories import NOW
from tests.kit.stripe_server import StripeServer
from workspaces.models import Workspace

pytestmark = pytest.mark.django_db


def paid_in(stripe: StripeServer, currency: str, amount: int) -> None:
    """The page is paid, and its payment is in another currency than was asked for."""
    (session,) = stripe.of("checkout.session")
    stripe.complete(session["id"])
    (intent,) = stripe.of("payment_intent")
    intent.update(currency=currency, amount=amount, amount_received=amount)
    recover_attempts(NOW)


def test_yen_do_not_pay_an_invoice_in_dollars(stripe: StripeServer, invoice: Invoice, settings: Any) -> None:
    settings.OPERATOR_EMAILS = ["ops@omixa.example"]
    payment_page(invoice, NOW)
    paid_in(stripe, "jpy", 150)
    payment = Payment.objects.get()
    invoice.refresh_from_db()
    assert (invoice.status, invoice.amount_due, invoice.amount_paid) == ("open", Decimal("150.00"), Decimal("0.00"))
    assert (payment.amount, payment.currency, payment.invoice) == (Decimal("150.00"), "JPY", None)
    assert payment.surplus == f"It came in JPY, and the invoice {invoice.number} is in USD."
    assert list(attention.surpluses()) == [payment]
    send_waiting(NOW)
    (sent,) = [each for each in mail.outbox if each.to == ["ops@omixa.example"]]
    assert "Nothing is due for 150.00 JPY of the payment. It came in JPY, and the invoice" in sent.body


def test_they_go_back_in_yen(stripe: StripeServer, invoice: Invoice) -> None:
    payment_page(invoice, NOW)
    paid_in(stripe, "jpy", 150)
    payment = Payment.objects.get()
    with pytest.raises(NothingToCredit, match="The payment is in JPY, and credit in USD"):
        keep_surplus_as_credit(payment.pk, "x", "ops", NOW)
    with pytest.raises(InvalidParameter, match="JPY has no such fraction"):
        refunds.refund(payment.pk, Decimal("0.50"), "x", "ops", NOW)
    assert refunds.refund(payment.pk, Decimal("150.00"), "x", "ops", NOW).status == "succeeded"
    assert [each["amount"] for each in stripe.of("refund")] == [150]


@pytest.mark.parametrize("currency", ["eur", "jpy"])
def test_no_credit_is_granted_for_another_currency(stripe: StripeServer, acme: Workspace, currency: str) -> None:
    purchase.buy_credit(acme, Decimal("50.00"), purchase.PAGE, "k", "ops", NOW)
    paid_in(stripe, currency, 5000)
    payment, top_up = Payment.objects.get(), TopUp.objects.get()
    assert (payment.grant, payment.currency, top_up.status) == (None, currency.upper(), "failed")
    assert top_up.message == f"It came in {currency.upper()}, and the top-up is in USD."


@pytest.mark.parametrize(
    ("amount", "currency", "units"),
    [("12.34", "usd", 1234), ("1234", "jpy", 1234), ("1.230", "kwd", 1230), ("12.34", "EUR", 1234), ("500", "KRW", 500)],
)
def test_each_currency_has_its_smallest_unit(amount: str, currency: str, units: int) -> None:
    assert (wire(Decimal(amount), currency), ours(units, currency)) == (units, Decimal(amount))
