"""A payment that may go back."""

import pytest

from metering.invoicing.models import Invoice
from metering.payments.collecting.collect import collect_invoice
from metering.payments.models import Payment
from tests.kit.factories import NOW
from tests.kit.paying import with_method
from tests.kit.stripe_server import StripeServer
from workspaces.models import Workspace


@pytest.fixture
def paid(stripe: StripeServer, acme: Workspace, invoice: Invoice) -> Payment:
    """150.00 for the invoice, by card."""
    with_method(acme, stripe)
    collect_invoice(invoice.pk, NOW)
    return Payment.objects.get()
