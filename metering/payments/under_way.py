"""Whether Stripe may still take money for an invoice."""

from metering.errors import PaymentUnderWay
from metering.invoicing.models import Invoice
from metering.payments.models import PaymentAttempt


def refuse_under_way(invoice: Invoice) -> None:
    """Raises PaymentUnderWay. Nothing else may lower an invoice while a payment of all that is due is on its way."""
    attempt = invoice.attempts.filter(status__in=PaymentAttempt.UNSETTLED).first()
    if attempt is not None:
        raise PaymentUnderWay(
            f"A payment of the invoice {invoice} is under way ({attempt.idempotency_key}): wait for its outcome."
        )
