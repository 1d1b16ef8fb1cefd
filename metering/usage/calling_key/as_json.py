"""The key that a request is made with: what it is, what it may ask for, what it has spent, and what its budgets have left.

Beside our own fields `data` has those by which clients of OpenRouter know a key.
"""

from datetime import datetime
from typing import Any

from metering.limits.budgets.as_json import budgets_json
from metering.limits.budgets.standing import budgets_of_key
from metering.limits.gateway.check_key import models_of
from metering.money import exact_text
from metering.usage.calling_key.openrouter import openrouter_key_json
from metering.usage.rows import CURRENCY
from metering.usage.spend import key_spend
from omixa_billing.instants import instant_text
from workspaces.access.authentication import Caller
from workspaces.keys.limits import in_order
from workspaces.models import APIKey


def calling_key_json(caller: Caller, key: APIKey, now: datetime) -> dict[str, Any]:
    spend = key_spend(key, now)
    budgets = list(budgets_of_key(key))
    return {
        "object": "api_key",
        "id": key.public_id,
        "name": key.name,
        "kind": key.kind,
        "scopes": in_order(key.scopes) if key.kind == APIKey.Kind.ADMIN else None,
        "models": models_of(key),
        "workspace": {"id": caller.workspace.public_id, "name": caller.workspace.name},
        "created_at": instant_text(key.created_at),
        "last_used_at": instant_text(key.last_used_at),
        "expires_at": instant_text(key.expires_at),
        "spend_this_month": exact_text(spend.month),
        "currency": CURRENCY,
        "budgets": budgets_json(budgets, now),
        "data": openrouter_key_json(key, spend, budgets, now),
    }
