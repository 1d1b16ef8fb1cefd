"""Whether Stripe may still take money for an invoice."""

from datetime import datetime

import structlog

from metering.errors import PaymentInProgress
from metering.invoicing.models import Invoice
from metering.payments.collecting.attempts import cancel_attempt
from metering.payments.models import PaymentAttempt
from metering.payments.provider.errors import ProviderRefused, ProviderUnavailable

log = structlog.get_logger(__name__)


def cancel_payment_in_progress(invoice_id: int, now: datetime) -> None:
    """Ends the invoice's attempt if no money is on its way, such as an open page. Where Stripe does not say so, it stays."""
    for attempt in PaymentAttempt.objects.unsettled().filter(invoice=invoice_id):
        try:
            cancel_attempt(attempt, now)
        except (ProviderUnavailable, ProviderRefused) as error:
            log.warning("attempt_not_closed", attempt=attempt.idempotency_key, error=str(error))


def refuse_payment_in_progress(invoice: Invoice) -> None:
    """Raises PaymentInProgress. Nothing else may lower an invoice while a payment of all that is due is on its way."""
    attempt = invoice.attempts.unsettled().first()
    if attempt is not None:
        raise PaymentInProgress(
            f"A payment of the invoice {invoice} is in progress ({attempt.idempotency_key}): wait for its outcome."
        )
