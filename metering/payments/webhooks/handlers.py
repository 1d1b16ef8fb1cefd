"""What an event of Stripe's leads to. Its state is fetched anew, so that late, repeated and reordered ones do no harm."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from metering.payments.collecting.attempts import pursue, take_answer
from metering.payments.models import PaymentAttempt, Refund
from metering.payments.refunds import refunds
from metering.payments.refunds.disputes import take_dispute
from metering.payments.stripe.client import edge
from metering.payments.stripe.customers import refresh_method, take_setup, take_setup_session


def handle(kind: str, object_id: str, about: dict[str, Any], now: datetime) -> bool:
    """Acts on an event; False for one that is not of a kind, or not of a payment, that this product knows."""
    for prefix, act in HANDLERS:
        if kind.startswith(prefix):
            return act(object_id, about, now)
    return False


def _intent(object_id: str, about: dict[str, Any], now: datetime) -> bool:
    intent = edge().retrieve_intent(object_id)
    attempt = PaymentAttempt.objects.filter(idempotency_key=intent.metadata.get("omixa_attempt", "")).first()
    if attempt is None:
        return False
    take_answer(attempt, intent, now)
    return True


def _session(object_id: str, about: dict[str, Any], now: datetime) -> bool:
    attempt = PaymentAttempt.objects.filter(session_id=object_id).first()
    if attempt is not None:
        pursue(attempt, now)
        return True
    if about.get("mode") != "setup":
        return False
    take_setup_session(object_id, now)
    return True


def _setup(object_id: str, about: dict[str, Any], now: datetime) -> bool:
    return take_setup(object_id, now)


def _method(object_id: str, about: dict[str, Any], now: datetime) -> bool:
    refresh_method(object_id, now)
    return True


def _refund(object_id: str, about: dict[str, Any], now: datetime) -> bool:
    found = edge().retrieve_refund(object_id)
    refund = Refund.objects.filter(public_id=found.metadata.get("omixa_refund", "")).first()
    if refund is None:
        return refunds.take_foreign(found, now)
    refunds.take_answer(refund, found, now)
    return True


def _dispute(object_id: str, about: dict[str, Any], now: datetime) -> bool:
    return take_dispute(object_id, now)


HANDLERS: list[tuple[str, Callable[[str, dict[str, Any], datetime], bool]]] = [
    ("payment_intent.", _intent),
    ("checkout.session.", _session),
    ("setup_intent.succeeded", _setup),
    ("payment_method.", _method),
    ("refund.", _refund),
    ("charge.refund.", _refund),
    ("charge.dispute.", _dispute),
]
