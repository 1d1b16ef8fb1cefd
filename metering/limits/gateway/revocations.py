"""Keys and workspaces about which the answer changed: gateways may remember for long, and a revocation still acts at once."""

from typing import Any

from django.db.models import Q

from omixa_billing.api.errors import InvalidParameter
from omixa_billing.instants import instant_text
from workspaces.models import AccessChange, Gateway

AT_ONCE = 1_000


def cursor_of(since: str | None) -> int | None:
    """The number of the last change that the gateway has seen; None for one that begins. Raises InvalidParameter."""
    if since is None or since == "":
        return None
    if not since.isascii() or not since.isdigit() or len(since) > 18:
        raise InvalidParameter("since is the cursor of the answer before.", param="since")
    return int(since)


def newest_change() -> int:
    return AccessChange.objects.order_by("-id").values_list("id", flat=True).first() or 0


def changes_since(cursor: int | None, gateway: Gateway) -> dict[str, Any]:
    """Those after the cursor, and the next one; a gateway that begins hears where it stands, and nothing of before.

    A gateway that was away for longer than changes are kept, or sends the cursor of another one, gets `reset`: forget all.
    """
    newest = newest_change()
    if cursor is None:
        return _answer([], newest, False)
    oldest = AccessChange.objects.order_by("id").values_list("id", flat=True).first()
    if cursor > newest or (oldest is not None and cursor < oldest - 1):
        return _answer([], newest, True)
    bound = Q(workspace_id__in=gateway.bound_to) if gateway.bound_to else Q()
    found = AccessChange.objects.filter(bound, id__gt=cursor).order_by("id").select_related("workspace", "key")
    rows = list(found[:AT_ONCE])
    changes = [
        {
            "key_id": None if row.key is None else row.key.public_id,
            "workspace_id": row.workspace.public_id,
            "changed_at": instant_text(row.changed_at),
        }
        for row in rows
    ]
    return _answer(changes, rows[-1].pk if len(rows) == AT_ONCE else newest, False)


def _answer(changes: list[dict[str, Any]], cursor: int, reset: bool) -> dict[str, Any]:
    return {"changes": changes, "cursor": str(cursor), "reset": reset}
