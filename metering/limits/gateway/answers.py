"""Decisions as gateways hear them, and as clients are to hear of a refusal: in OpenAI's shape of errors, ready to send on."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from math import ceil
from typing import Any, NamedTuple

from django.conf import settings

from metering.money import exact_text, plain_text
from omixa_billing.instants import instant_text, parse_instant


class Relayed(NamedTuple):
    """How a client hears of a reason: the status, OpenAI's type of error, and a sentence."""

    status: int
    type: str
    message: str


REASONS = {
    "unknown_key": Relayed(401, "authentication_error", "This API key is unknown. Check that it was copied whole."),
    "key_revoked": Relayed(401, "authentication_error", "This API key was revoked. Use another one."),
    "key_frozen": Relayed(
        403, "permission_error", "This API key is frozen. An owner or admin of its workspace can unfreeze it."
    ),
    "key_expired": Relayed(401, "authentication_error", "This API key has expired. Use another one."),
    "wrong_kind_of_key": Relayed(401, "authentication_error", "This key cannot be used for requests. Use an omx_live_ key."),
    "workspace_suspended": Relayed(403, "permission_error", "This workspace is suspended until its invoice is paid."),
    "model_not_allowed": Relayed(403, "permission_error", "This API key may not use this model."),
    "unpriced": Relayed(403, "permission_error", "This model has no price yet, and this workspace does not use such models."),
    "balance_used_up": Relayed(402, "insufficient_quota", "The prepaid balance does not cover this request. Buy credit first."),
    "budget_reached": Relayed(429, "insufficient_quota", "A budget is used up for this request."),
}


def allowed_json(answer: Mapping[str, Any]) -> dict[str, Any]:
    """`answer` as the database keeps it: amounts as text of any length, instants as PostgreSQL writes them."""
    return {
        "allowed": True,
        "hold_id": answer.get("hold_id"),
        "request_id": answer["request_id"],
        "expires_at": _instant(answer["expires_at"]),
        "key_id": answer["key_id"],
        "workspace_id": answer["workspace_id"],
        "held": exact_text(Decimal(answer["held"])),
        "currency": "USD",
        "max_output_tokens": answer["max_output_tokens"],
        "lowered": answer["max_output_tokens"] < answer["asked_output_tokens"],
        "price_id": answer["price_id"],
        "remaining": _plain(answer["remaining"]),
        "binding": binding_json(answer["binding"]),
        "warnings": answer["warnings"],
        "cache_seconds": settings.AUTHORIZE_CACHE_SECONDS,
    }


def refused_json(verdict: Mapping[str, Any], request_id: str) -> dict[str, Any]:
    """`verdict` has a reason and, as far as they are known, what was binding and whose key it is."""
    reason = verdict["reason"]
    relayed = REASONS[reason]
    binding = binding_json(verdict.get("binding"))
    message = _with_binding(relayed.message, binding) if reason == "budget_reached" else relayed.message
    return {
        "allowed": False,
        "request_id": request_id,
        "key_id": verdict.get("key_id"),
        "workspace_id": verdict.get("workspace_id"),
        "reason": reason,
        "message": message,
        "binding": binding,
        "retry_after": _retry_after(binding, verdict.get("now")),
        "error": {
            "status": relayed.status,
            "body": {"error": {"message": message, "type": relayed.type, "code": reason, "param": None}},
        },
        "cache_seconds": settings.AUTHORIZE_CACHE_SECONDS,
    }


def binding_json(binding: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """The limit that has least left, or that refuses."""
    if binding is None:
        return None
    resets_at = binding["resets_at"]
    return {
        "scope": binding["scope"],
        "id": binding["id"],
        "limit": _plain(binding["limit"]),
        "resets_at": None if resets_at is None else _instant(resets_at),
    }


def _with_binding(message: str, binding: Mapping[str, Any] | None) -> str:
    if binding is None:
        return message
    until = "" if binding["resets_at"] is None else f" It begins again at {binding['resets_at']}."
    return f"The budget of {binding['limit']} USD for this {binding['scope']} is used up.{until}"


def _retry_after(binding: Mapping[str, Any] | None, now: str | None) -> int | None:
    if binding is None or now is None or binding["resets_at"] is None:
        return None
    return max(1, ceil((parse_instant(binding["resets_at"]) - datetime.fromisoformat(now)).total_seconds()))


def _plain(amount: str | None) -> str | None:
    return None if amount is None else plain_text(Decimal(amount))


def _instant(text: str) -> str | None:
    return instant_text(datetime.fromisoformat(text))
