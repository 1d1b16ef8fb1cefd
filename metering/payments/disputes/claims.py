"""Finding out which payment of ours a bank asks back, or took back without asking."""

from datetime import datetime

from metering.payments.collecting.attempts import payment_of_intent
from metering.payments.disputes.disputes import keep_dispute
from metering.payments.provider.current import provider


def sync_dispute(dispute_id: str, now: datetime) -> bool:
    """Keeps the dispute as it is at Stripe now; False when the payment is none of ours. Raises PaymentTooEarly."""
    claim = provider().look_up_dispute(dispute_id)
    payment = payment_of_intent(claim.intent, now)
    if payment is None:
        return False
    keep_dispute(claim, payment.pk, now)
    return True
