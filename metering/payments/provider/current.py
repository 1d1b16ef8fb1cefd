"""The provider that money moves through here: Stripe, where it is set up. Without it invoices are marked as paid by hand."""

from django.conf import settings

from metering.errors import StripeNotConfigured
from metering.payments.provider.protocol import PaymentProvider
from metering.payments.stripe import client


def is_configured() -> bool:
    return bool(settings.STRIPE_SECRET_KEY)


def provider() -> PaymentProvider:
    """Raises StripeNotConfigured."""
    if not is_configured():
        raise StripeNotConfigured("Payments by Stripe are not set up here: set STRIPE_SECRET_KEY.")
    return client.stripe_edge()
