"""Payments that a customer's bank asks back, as Stripe tells of them. What follows is a person's decision."""

from datetime import datetime
from decimal import Decimal

from django.db import transaction

from metering.money import cents_text
from metering.payments.announced import announce_dispute
from metering.payments.collecting.attempts import apply_intent_event
from metering.payments.models import Dispute, Payment, PaymentAttempt
from metering.payments.provider.current import provider
from metering.payments.provider.objects import Claim
from metering.payments.refunds.attention import notify_of_dispute
from workspaces import audit
from workspaces.locks import lock_workspace

ACTOR = "stripe"


class DisputeTooEarly(Exception):
    """About a payment of ours that Stripe does not call succeeded yet: the webhook is handled again later."""


def sync_dispute(dispute_id: str, now: datetime) -> bool:
    """Keeps the dispute as it is at Stripe now; False when the payment is none of ours. Raises DisputeTooEarly."""
    claim = provider().look_up_dispute(dispute_id)
    payment = _payment_of(claim, now)
    if payment is None:
        return False
    _keep(claim, payment, now)
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


def _keep(claim: Claim, payment: Payment, now: datetime) -> None:
    with transaction.atomic():
        lock_workspace(payment.workspace_id)
        dispute = Dispute.objects.filter(stripe_id=claim.id).first()
        if dispute is not None and _facts_of(dispute) == _facts_of(claim):
            return
        new = dispute is None
        dispute = dispute or Dispute(stripe_id=claim.id, payment=payment, opened_at=claim.opened_at)
        dispute.amount, dispute.reason, dispute.status = _facts_of(claim)
        dispute.currency, dispute.updated_at = claim.currency, now
        dispute.save()
        claim_facts = {
            "amount": cents_text(claim.amount),
            "currency": claim.currency,
            "reason": claim.reason,
            "status": claim.status,
        }
        audit.record(ACTOR, "payment.disputed", payment.public_id, payment.workspace, now=now, dispute=claim.id, **claim_facts)
        if new:
            notify_of_dispute(dispute, now)
            announce_dispute(dispute, now)


def _facts_of(about: Dispute | Claim) -> tuple[Decimal, str, str]:
    return about.amount, about.reason, about.status
