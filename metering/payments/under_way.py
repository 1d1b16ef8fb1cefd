"""Whether Stripe may still take money for an invoice."""

from datetime import datetime

import structlog

from metering.errors import PaymentUnderWay
from metering.invoicing.models import Invoice
from metering.payments.attempts import PAYMENT_PAGE, close_page
from metering.payments.models import PaymentAttempt
from metering.payments.stripe_edge import StripeRefused, StripeUnavailable

log = structlog.get_logger(__name__)


def close_pages(invoice_id: int, now: datetime) -> None:
    """Ends the invoice's open payment page. Where Stripe does not do it, the attempt stays under way."""
    attempts = PaymentAttempt.objects.filter(invoice=invoice_id, channel=PAYMENT_PAGE, status__in=PaymentAttempt.UNSETTLED)
    for attempt in attempts:
        try:
            close_page(attempt, now)
        except (StripeUnavailable, StripeRefused) as error:
            log.warning("page_not_closed", attempt=attempt.idempotency_key, error=str(error))


def refuse_under_way(invoice: Invoice) -> None:
    """Raises PaymentUnderWay. Nothing else may lower an invoice while a payment of all that is due is on its way."""
    attempt = invoice.attempts.filter(status__in=PaymentAttempt.UNSETTLED).first()
    if attempt is not None:
        raise PaymentUnderWay(
            f"A payment of the invoice {invoice} is under way ({attempt.idempotency_key}): wait for its outcome."
        )
