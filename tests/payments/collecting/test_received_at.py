"""Money is booked in the month in which Stripe took it, however late it is recorded."""

from datetime import UTC, datetime

import pytest

from metering.invoicing.models import Invoice
from metering.payments.collecting.attempts import recover_attempts
from metering.payments.collecting.collect import collect_due, payment_page
from metering.payments.models import Payment
from metering.payments.webhooks.inbox import handle_waiting, store_webhook
from tests.kit.billing import at
from tests.kit.paying import with_method
from tests.kit.stripe_server import BANK, StripeServer
from workspaces.models import Workspace

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("by_webhook", [True, False])
def test_a_debit_is_booked_when_it_came_and_not_when_it_was_begun(
    stripe: StripeServer, acme: Workspace, invoice: Invoice, by_webhook: bool
) -> None:
    with_method(acme, stripe, BANK)
    collect_due(at("10-27T00:00"))
    (intent,) = stripe.of("payment_intent")
    intent["created"] = stripe.objects[intent["latest_charge"]["id"]]["created"] = stamp(at("10-27T00:00"))
    stripe.settle(intent["id"])
    if by_webhook:
        event = stripe.event("payment_intent.succeeded", intent)
        event["created"] = stamp(at("10-31T23:00"))
        store_webhook(*stripe.signed(event), at("11-03T00:00"))
        handle_waiting(at("11-03T00:00"))
    else:
        recover_attempts(at("11-03T00:00"))
    assert Payment.objects.get().received_at == at("10-31T23:00" if by_webhook else "11-03T00:00")


def test_a_card_is_booked_when_it_was_charged(stripe: StripeServer, acme: Workspace, invoice: Invoice) -> None:
    payment_page(invoice, at("10-31T22:00"))
    (session,) = stripe.of("checkout.session")
    stripe.complete(session["id"])
    (intent,) = stripe.of("payment_intent")
    intent["created"] = stamp(at("10-31T22:50"))
    intent["latest_charge"]["created"] = stamp(at("10-31T23:00"))
    recover_attempts(at("11-03T00:00"))
    assert Payment.objects.get().received_at == at("10-31T23:00")
    invoice.refresh_from_db()
    assert invoice.attempts.get().settled_at == at("11-03T00:00")


def stamp(moment: datetime) -> int:
    return int(moment.astimezone(UTC).timestamp())
