"""What Stripe is asked for an attempt. Kept with the attempt, so that asking again is asking the same."""

from typing import Any

from django.conf import settings

from metering.payments.models import PaymentAttempt
from metering.payments.stripe.objects import wire
from workspaces.members.current import link_for


def charge_of(attempt: PaymentAttempt) -> dict[str, Any]:
    """The attempt's saved method, without its owner."""
    return {
        "amount": wire(attempt.amount, attempt.currency),
        "currency": attempt.currency.lower(),
        "customer": attempt.customer_id,
        "payment_method": attempt.method_id,
        "payment_method_types": list(settings.STRIPE_PAYMENT_METHODS),
        "off_session": True,
        "confirm": True,
        "metadata": attempt_metadata(attempt),
        "expand": ["latest_charge"],
    }


def page_request(attempt: PaymentAttempt) -> dict[str, Any]:
    name = f"Invoice {attempt.invoice.number}" if attempt.invoice else "Prepaid credit"
    price = {
        "currency": attempt.currency.lower(),
        "unit_amount": wire(attempt.amount, attempt.currency),
        "product_data": {"name": name},
    }
    metadata = attempt_metadata(attempt)
    return {
        "mode": "payment",
        "customer": attempt.customer_id,
        "line_items": [{"quantity": 1, "price_data": price}],
        "metadata": metadata,
        "payment_intent_data": {"metadata": metadata, "description": name},
        "success_url": link_for(attempt.workspace, "/billing", paid="1"),
        "cancel_url": link_for(attempt.workspace, "/billing"),
    }


def attempt_metadata(attempt: PaymentAttempt) -> dict[str, str]:
    """What finds the payment again at Stripe."""
    about = attempt.invoice or attempt.top_up
    assert about is not None  # noqa: S101 - a constraint of the table
    name = "omixa_invoice" if attempt.invoice_id else "omixa_top_up"
    return {"omixa_attempt": attempt.idempotency_key, name: about.public_id, "omixa_workspace": attempt.workspace.public_id}
