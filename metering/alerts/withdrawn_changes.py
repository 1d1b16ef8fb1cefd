"""Price changes that were announced and do not happen: announced to those who heard of them, and mailed to those who wish so.

A price can be withdrawn or corrected until it begins, and what holds before it can become the same. A correction that still
changes something is announced by itself, and nothing is said of what it corrects.
"""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import DateTimeField, Exists, OuterRef
from django.db.models.fields.json import KeyTextTransform
from django.db.models.functions import Cast

from metering.alerts.models import AlertSettings
from metering.catalogue.coming_prices import ComingPrice
from metering.notifications.announce import announce
from metering.notifications.models import Notification
from metering.payments.mails.outbox import add_notice, send_soon
from omixa_billing.instants import instant_text
from workspaces.models import Workspace

WITHDRAWN = "price.change_withdrawn"
SCOPE = ("model", "service_tier", "above_input_tokens", "effective_from")


def announce_withdrawn_changes(coming: Sequence[ComingPrice], now: datetime) -> int:
    """How many times a workspace was notified of a change that does not happen. `coming` are those that are announced now."""
    still_to_come = {_scope(each) for each in coming}
    by_workspace: dict[int, list[dict[str, Any]]] = defaultdict(list)
    for workspace_id, data in _waiting(now):
        scope = tuple(data[name] for name in SCOPE)
        if not still_to_come & {(None, *scope), (workspace_id, *scope)}:
            by_workspace[workspace_id].append(data)
    workspaces = Workspace.objects.in_bulk(by_workspace)
    wished = set(AlertSettings.objects.filter(price_changes=True, pk__in=workspaces).values_list("pk", flat=True))
    return sum(_announce(workspaces[pk], by_workspace[pk], pk in wished, now) for pk in sorted(workspaces))


def _waiting(now: datetime) -> list[tuple[int, dict[str, Any]]]:
    """What was announced to workspaces, has not begun, and was not announced to be withdrawn."""
    begins = Cast(KeyTextTransform("effective_from", "data"), DateTimeField())
    price = KeyTextTransform("price_id", "data")
    of_workspace = Notification.objects.filter(type=WITHDRAWN, workspace=OuterRef("workspace"))
    withdrawn = of_workspace.annotate(price=price).filter(price=OuterRef("price"))
    announced = Notification.objects.filter(type="price.changing", workspace__isnull=False)
    waiting = announced.annotate(begins=begins, price=price).filter(~Exists(withdrawn), begins__gt=now)
    return list(waiting.order_by("id").values_list("workspace_id", "data"))


def _scope(coming: ComingPrice) -> tuple[Any, ...]:
    """For whom, of what, from when: the same of a version and of those that correct it."""
    version = coming.version
    begins = instant_text(version.effective_from)
    return version.workspace_id, version.model.slug, version.service_tier, version.above_input_tokens, begins


@transaction.atomic
def _announce(workspace: Workspace, changes: Sequence[dict[str, Any]], by_mail: bool, now: datetime) -> int:
    new = [data for data in changes if announce(workspace, WITHDRAWN, _key(workspace, data), _data(data), now)]
    if new and by_mail:
        lines = dict.fromkeys(_line(data) for data in new)
        add_notice(
            workspace,
            "price_change_withdrawn",
            f"price_change_withdrawn:{_key(workspace, new[0])}",
            {"lines": "\n".join(lines)},
            now,
        )
        send_soon()
    return len(new)


def _key(workspace: Workspace, data: dict[str, Any]) -> str:
    return f"{WITHDRAWN}:{data['price_id']}:{workspace.public_id}"


def _data(data: dict[str, Any]) -> dict[str, Any]:
    return {name: data[name] for name in ("price_id", *SCOPE)}


def _line(data: dict[str, Any]) -> str:
    """`codex-mini (priority)|2026-10-25T12:00:00Z`."""
    tier = "" if data["service_tier"] == "default" else f" ({data['service_tier']})"
    above = f" above {data['above_input_tokens']:,} tokens" if data["above_input_tokens"] else ""
    return f"{data['model']}{tier}{above}|{data['effective_from']}"
