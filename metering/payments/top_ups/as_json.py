"""A top-up as the API prints it, and as programs are notified of it."""

from typing import Any

from metering.money import cents_text
from metering.payments.models import TopUp
from omixa_billing.instants import instant_text


def top_up_json(top_up: TopUp) -> dict[str, Any]:
    return {
        "object": "top_up",
        "id": top_up.public_id,
        "status": top_up.status,
        "amount": cents_text(top_up.amount),
        "currency": top_up.currency,
        "automatic": top_up.automatic,
        "payment_page": top_up_url(top_up),
        "message": top_up.message,
        "credit_id": top_up.grant.public_id if top_up.grant else None,
        "created_at": instant_text(top_up.created_at),
        "settled_at": instant_text(top_up.settled_at),
    }


def top_up_url(top_up: TopUp) -> str | None:
    """Where it can be paid; None when it is settled or charged."""
    if top_up.status != TopUp.Status.PENDING:
        return None
    urls = top_up.attempts.filter(status="started").values_list("session_url", flat=True)
    return urls.first() or None
