"""Notifying programs of money that moved, in the transaction that records it: each movement once."""

from datetime import datetime
from typing import Any

from metering.money import cents_text
from metering.notifications.announce import announce
from metering.payments.models import Dispute, Payment, PaymentAttempt, Refund, TopUp
from metering.payments.top_ups.as_json import top_up_json
from omixa_billing.instants import instant_text


def announce_payment(payment: Payment, now: datetime) -> None:
    key = f"payment.succeeded:{payment.public_id}"
    announce(payment.workspace, "payment.succeeded", key, payment_json(payment), now)


def announce_decline(attempt: PaymentAttempt, now: datetime) -> None:
    data = payment_attempt_json(attempt)
    key = f"payment.failed:{data['invoice_id'] or data['top_up_id']}:{attempt.number}"
    announce(attempt.workspace, "payment.failed", key, data, now)


def announce_refund(refund: Refund, now: datetime) -> None:
    """Once the money is on its way back, and not when that is only asked for."""
    key = f"payment.refunded:{refund.public_id}"
    announce(refund.payment.workspace, "payment.refunded", key, refund_json(refund), now)


def announce_dispute(dispute: Dispute, now: datetime) -> None:
    """When it is opened."""
    payment = dispute.payment
    announce(payment.workspace, "payment.disputed", f"payment.disputed:{dispute.stripe_id}", dispute_json(dispute), now)


def announce_chargeback(dispute: Dispute, now: datetime) -> None:
    """Each time that it is lost: a bank may pay again, and take the money once more."""
    key = f"payment.charged_back:{dispute.stripe_id}:{instant_text(now)}"
    announce(dispute.payment.workspace, "payment.charged_back", key, dispute_json(dispute), now)


def announce_dispute_won(dispute: Dispute, now: datetime) -> None:
    key = f"payment.dispute_won:{dispute.stripe_id}:{instant_text(now)}"
    announce(dispute.payment.workspace, "payment.dispute_won", key, dispute_json(dispute), now)


def announce_top_up(top_up: TopUp, now: datetime) -> None:
    key = f"top_up.succeeded:{top_up.public_id}"
    announce(top_up.workspace, "top_up.succeeded", key, top_up_json(top_up), now)


def payment_json(payment: Payment) -> dict[str, Any]:
    return {
        "object": "payment",
        "id": payment.public_id,
        "invoice_id": payment.invoice.public_id if payment.invoice else None,
        "credit_id": payment.grant.public_id if payment.grant else None,
        "amount": cents_text(payment.amount),
        "refunded": cents_text(payment.refunded),
        "currency": payment.currency,
        "method": payment.method,
        "reference": payment.reference,
        "received_at": instant_text(payment.received_at),
    }


def payment_attempt_json(attempt: PaymentAttempt) -> dict[str, Any]:
    return {
        "object": "payment_attempt",
        "invoice_id": attempt.invoice.public_id if attempt.invoice else None,
        "top_up_id": attempt.top_up.public_id if attempt.top_up else None,
        "number": attempt.number,
        "amount": cents_text(attempt.amount),
        "currency": attempt.currency,
        "status": attempt.status,
        "code": attempt.code or None,
        "message": attempt.message,
        "settled_at": instant_text(attempt.settled_at),
    }


def refund_json(refund: Refund) -> dict[str, Any]:
    return {
        "object": "refund",
        "id": refund.public_id,
        "payment_id": refund.payment.public_id,
        "credit_note_id": refund.credit_note.public_id if refund.credit_note else None,
        "amount": cents_text(refund.amount),
        "currency": refund.currency,
        "status": refund.status,
        "reason": refund.reason,
        "settled_at": instant_text(refund.settled_at),
    }


def dispute_json(dispute: Dispute) -> dict[str, Any]:
    return {
        "object": "dispute",
        "id": dispute.stripe_id,
        "payment_id": dispute.payment.public_id,
        "amount": cents_text(dispute.amount),
        "currency": dispute.currency,
        "reason": dispute.reason,
        "status": dispute.status,
        "charged_back": cents_text(dispute.charged_back),
        "reference": dispute.reference or None,
        "opened_at": instant_text(dispute.opened_at),
    }
