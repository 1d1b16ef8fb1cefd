"""Finding out which payment of ours a bank asks back, or took back without asking."""

from datetime import datetime

from metering.payments.collecting.attempts import apply_intent_event
from metering.payments.disputes.disputes import keep_dispute
from metering.payments.models import Payment, PaymentAttempt
from metering.payments.provider.current import provider
from metering.payments.provider.objects import Claim


class DisputeTooEarly(Exception):
    """About a payment of ours that Stripe does not call succeeded yet: the webhook is handled again later."""


def sync_dispute(dispute_id: str, now: datetime) -> bool:
    """Keeps the dispute as it is at Stripe now; False when the payment is none of ours. Raises DisputeTooEarly."""
    claim = provider().look_up_dispute(dispute_id)
    payment = _payment_of(claim, now)
    if payment is None:
        return False
    keep_dispute(claim, payment.pk, now)
    return True


def _payment_of(claim: Claim, now: datetime) -> Payment | None:
    """The disputed payment. One that no other news has brought yet is taken in first."""
    if not claim.intent:
        return None
    payments = Payment.objects.filter(intent_id=claim.intent).select_related("workspace")
    if found := payments.first():
        return found
    intent = provider().look_up_payment(claim.intent)
    attempt = PaymentAttempt.objects.filter(idempotency_key=intent.metadata.get("omixa_attempt", "")).first()
    if attempt is None:
        return None
    apply_intent_event(attempt, intent, now)
    found = payments.first()
    if found is None:
        raise DisputeTooEarly(f"The payment {intent.id} is {intent.status}.")
    return found
