"""Payments that a customer's bank asks back, as Stripe tells of them. What follows is a person's decision."""

from datetime import datetime

from django.db import transaction

from metering.money import cents_text
from metering.payments.models import Dispute, Payment
from metering.payments.stripe_edge import edge
from workspaces import audit

ACTOR = "stripe"


def take_dispute(dispute_id: str, now: datetime) -> bool:
    """Keeps the dispute as it is at Stripe now; False when the payment is none of ours."""
    claim = edge().retrieve_dispute(dispute_id)
    payment = Payment.objects.filter(intent_id=claim.intent).select_related("workspace").first()
    if payment is None:
        return False
    with transaction.atomic():
        before = Dispute.objects.select_for_update().filter(stripe_id=claim.id).first()
        if before is not None and before.status == claim.status:
            return True
        now_is = {"amount": claim.amount, "currency": claim.currency, "reason": claim.reason, "status": claim.status}
        Dispute.objects.update_or_create(
            stripe_id=claim.id,
            defaults={"payment": payment, "opened_at": claim.opened_at, "updated_at": now, **now_is},
        )
        shown = now_is | {"amount": cents_text(claim.amount)}
        audit.record(ACTOR, "payment.disputed", payment.public_id, payment.workspace, now=now, dispute=claim.id, **shown)
    return True
