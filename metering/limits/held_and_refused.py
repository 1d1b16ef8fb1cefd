"""What people are shown of limits, beside budgets: what is held now, and which requests were refused and why."""

from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from django.db.models import Count, Max, Sum

from metering.limits.holds import REFUSED_FOR
from metering.limits.models import Hold, HoldStatus, RefusedRequests
from workspaces.models import Workspace

MOST_REFUSED = 100
# Short, for columns; clients hear sentences (gateway/answers.py).
WHY = {
    "key_revoked": "Key revoked",
    "key_frozen": "Key frozen",
    "key_expired": "Key expired",
    "wrong_kind_of_key": "Wrong kind of key",
    "workspace_suspended": "Workspace suspended",
    "model_not_allowed": "Model not allowed",
    "unpriced": "Model without a price",
    "balance_used_up": "Prepaid balance used up",
    "budget_reached": "Budget used up",
}


class HeldNow(NamedTuple):
    """Requests that run, and what they may cost at most in exact USD."""

    requests: int
    usd: Decimal


class RefusedKind(NamedTuple):
    """Requests of one key for one model that were refused for one reason; `budget` is a public id, or empty."""

    key_id: str
    key_name: str
    model: str
    reason: str
    why: str
    budget: str
    requests: int
    last_at: datetime


def held_now(workspace: Workspace) -> HeldNow:
    found = Hold.objects.filter(workspace=workspace, status=HoldStatus.LIVE).aggregate(requests=Count("pk"), usd=Sum("amount"))
    return HeldNow(found["requests"], found["usd"] or Decimal(0))


def refused_lately(workspace: Workspace, now: datetime, key: str | None = None) -> list[RefusedKind]:
    """Refused requests that are still kept, the latest first, at most MOST_REFUSED kinds."""
    kinds = ("key__public_id", "key__name", "model", "reason", "budget")
    found = RefusedRequests.objects.filter(workspace=workspace, hour__gte=now - REFUSED_FOR)
    if key is not None:
        found = found.filter(key__public_id=key)
    rows = found.values_list(*kinds).annotate(requests=Sum("requests"), last=Max("last_at")).order_by("-last", *kinds)
    return [
        RefusedKind(key_id, name, model, reason, WHY.get(reason, reason), budget, requests, last)
        for key_id, name, model, reason, budget, requests, last in rows[:MOST_REFUSED]
    ]
