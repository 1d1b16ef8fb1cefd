"""What an event of Stripe's leads to. Its state is fetched again, so that late, repeated and reordered ones do no harm."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from metering.payments.accounts.methods import refresh_method, save_method_of_session, save_method_of_setup
from metering.payments.collecting.attempts import apply_intent_event, payment_of_intent, sync_attempt
from metering.payments.disputes.claims import sync_dispute
from metering.payments.models import PaymentAttempt
from metering.payments.provider.current import provider
from metering.payments.refunds.external import record_refund


def handle(kind: str, object_id: str, about: dict[str, Any], now: datetime) -> bool:
    """Acts on an event; False for one that is not of a kind, or not of a payment, that this product knows."""
    for prefix, act in HANDLERS:
        if kind.startswith(prefix):
            return act(object_id, about, now)
    return False


def _intent(object_id: str, about: dict[str, Any], now: datetime) -> bool:
    intent = provider().look_up_payment(object_id)
    attempt = PaymentAttempt.objects.filter(idempotency_key=intent.metadata.get("omixa_attempt", "")).first()
    if attempt is None:
        return False
    apply_intent_event(attempt, intent, now)
    return True


def id_in(reference: Any) -> str:
    """An event has an id, or the object itself."""
    return str(reference["id"] if isinstance(reference, dict) else reference or "")


def _session(object_id: str, about: dict[str, Any], now: datetime) -> bool:
    attempt = PaymentAttempt.objects.filter(session_id=object_id).first()
    if attempt is not None:
        sync_attempt(attempt, now)
        return True
    if about.get("mode") != "setup":
        return False
    save_method_of_session(object_id, now)
    return True


def _setup(object_id: str, about: dict[str, Any], now: datetime) -> bool:
    return save_method_of_setup(object_id, now)


def _method(object_id: str, about: dict[str, Any], now: datetime) -> bool:
    refresh_method(object_id, now)
    return True


def _refund(object_id: str, about: dict[str, Any], now: datetime) -> bool:
    return record_refund(provider().look_up_refund(object_id), now)


def _charge_failed(object_id: str, about: dict[str, Any], now: datetime) -> bool:
    """A charge that failed, also of a payment that had succeeded: a bank debit that was returned."""
    intent = id_in(about.get("payment_intent"))
    return bool(intent) and _intent(intent, about, now)


def _charge_refunded(object_id: str, about: dict[str, Any], now: datetime) -> bool:
    """A refund of whatever was given back, in case that its own event does not come."""
    intent = id_in(about.get("payment_intent"))
    if payment_of_intent(intent, now) is None:
        return False
    for found in provider().refunds_of(intent):
        _refund(found.id, about, now)
    return True


def _dispute(object_id: str, about: dict[str, Any], now: datetime) -> bool:
    return sync_dispute(object_id, now)


HANDLERS: list[tuple[str, Callable[[str, dict[str, Any], datetime], bool]]] = [
    ("payment_intent.", _intent),
    ("checkout.session.", _session),
    ("setup_intent.succeeded", _setup),
    ("payment_method.", _method),
    ("refund.", _refund),
    ("charge.refund.", _refund),
    ("charge.refunded", _charge_refunded),
    ("charge.failed", _charge_failed),
    # Created, updated, closed, and funds_withdrawn and funds_reinstated.
    ("charge.dispute.", _dispute),
]
