"""A payment by card, one that takes days, and the journal that is to agree afterwards."""

from collections.abc import Iterator
from typing import Any

import pytest

from metering.invoicing.models import Invoice
from metering.payments.collecting.collect import collect_due, collect_invoice
from metering.payments.models import Payment
from metering.reconcile.journal import journal_differences
from tests.kit.factories import NOW
from tests.kit.paying import with_method
from tests.kit.stripe_server import BANK, StripeServer
from workspaces.models import Workspace


@pytest.fixture
def debit(stripe: StripeServer, acme: Workspace, invoice: Invoice) -> dict[str, Any]:
    """A bank debit of the invoice, on its way."""
    with_method(acme, stripe, BANK)
    collect_due(NOW)
    (intent,) = stripe.of("payment_intent")
    return intent


@pytest.fixture
def paid(stripe: StripeServer, acme: Workspace, invoice: Invoice) -> Payment:
    """150.00 for the invoice, by card."""
    with_method(acme, stripe)
    collect_invoice(invoice.pk, NOW)
    return Payment.objects.get()


@pytest.fixture
def journal_agrees(db: None) -> Iterator[None]:
    yield
    assert list(journal_differences()) == []
