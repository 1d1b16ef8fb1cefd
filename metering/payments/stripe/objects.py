"""How Stripe's answers become what `provider/objects.py` describes. Amounts are Decimals; on the wire, cents or the like."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from metering.money import from_smallest_unit, in_smallest_unit
from metering.payments.provider.objects import Claim, Intent, Method, ProviderRefund, Session, Setup

# Of a PaymentIntent: Stripe's words as ours.
STATUSES = {
    "succeeded": "succeeded",
    "processing": "processing",
    "canceled": "canceled",
    "requires_payment_method": "declined",
    "requires_action": "unconfirmed",
}


def wire(amount: Decimal, currency: str) -> int:
    """The currency's smallest unit, such as whole cents; a fraction of it is a bug."""
    return in_smallest_unit(amount, currency.upper())


def ours(units: int | None, currency: str) -> Decimal:
    return from_smallest_unit(units or 0, currency.upper())


def id_of(reference: Any) -> str:
    """Stripe gives an id, or the object itself where it was expanded."""
    return "" if reference is None else str(getattr(reference, "id", reference))


def object_metadata(found: Any) -> dict[str, str]:
    metadata = getattr(found, "metadata", None)
    return {} if metadata is None else {str(name): str(value) for name, value in metadata.to_dict().items()}


def intent_of(found: Any, status: str = "", code: str = "", message: str = "") -> Intent:
    error = getattr(found, "last_payment_error", None)
    tried = error is not None
    if not status:
        status = STATUSES.get(found.status, "pending")
        if status == "declined" and not tried and found.status == "requires_payment_method":
            status = "pending"
    if error is not None and not code:
        code = str(getattr(error, "decline_code", None) or getattr(error, "code", None) or "")
        message = str(getattr(error, "message", None) or "")
    charge = getattr(found, "latest_charge", None)  # its id only, unless it was asked for
    return Intent(
        id=str(found.id),
        status=status,
        amount=ours(found.amount, found.currency),
        currency=str(found.currency).upper(),
        received=ours(getattr(found, "amount_received", 0), found.currency),
        customer=id_of(getattr(found, "customer", None)),
        method=id_of(getattr(found, "payment_method", None)),
        code=code,
        message=message,
        metadata=object_metadata(found),
        created=created_at(found),
        charged=created_at(charge),
        kind=str(getattr(getattr(charge, "payment_method_details", None), "type", "") or ""),
    )


def session_of(found: Any) -> Session:
    return Session(
        id=str(found.id),
        status=str(found.status),
        url=str(getattr(found, "url", None) or ""),
        mode=str(found.mode),
        customer=id_of(found.customer),
        intent=id_of(getattr(found, "payment_intent", None)),
        setup_intent=id_of(getattr(found, "setup_intent", None)),
        metadata=object_metadata(found),
    )


def setup_of(found: Any) -> Setup:
    method = id_of(found.payment_method) if found.status == "succeeded" else ""
    return Setup(id=str(found.id), method=method, created=created_at(found))


def method_of(found: Any) -> Method:
    kind = str(found.type)
    detail = getattr(found, kind, None)
    return Method(
        id=str(found.id),
        kind=kind,
        customer=id_of(getattr(found, "customer", None)),
        brand=str(getattr(detail, "brand", None) or getattr(detail, "bank_name", None) or ""),
        last_four=str(getattr(detail, "last4", None) or ""),
        expires_year=getattr(detail, "exp_year", None),
        expires_month=getattr(detail, "exp_month", None),
    )


def created_at(found: Any) -> datetime | None:
    return datetime.fromtimestamp(found.created, UTC) if getattr(found, "created", None) else None


def refund_of(found: Any) -> ProviderRefund:
    return ProviderRefund(
        id=str(found.id),
        status=str(found.status),
        amount=ours(found.amount, str(getattr(found, "currency", None) or "usd")),
        intent=id_of(getattr(found, "payment_intent", None)),
        message=str(getattr(found, "failure_reason", None) or ""),
        created=created_at(found),
        metadata=object_metadata(found),
    )


def claim_of(found: Any) -> Claim:
    return Claim(
        id=found.id,
        status=found.status,
        reason=found.reason,
        amount=ours(found.amount, found.currency),
        currency=found.currency.upper(),
        intent=id_of(getattr(found, "payment_intent", None)),
        opened_at=datetime.fromtimestamp(found.created, UTC),
        fee=_fee_of(found),
    )


def _fee_of(dispute: Any) -> Decimal:
    """The fee by the balance transactions, which are in the account's currency, less what Stripe gave back of it."""
    moved = getattr(dispute, "balance_transactions", None) or []
    return sum((ours(each.fee, each.currency) for each in moved), Decimal("0.00"))
