"""Prices that change for a workspace: announced before they begin, and mailed to those who wish so.

Whom a list price concerns: who used the model in the last 90 days and has no price of its own for it. A price of a workspace's
own concerns it alone. Each version is announced to each workspace once; what is new at one look is one mail for each beginning.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from decimal import Decimal

from django.db import transaction
from django.db.models import Q

from metering.alerts.models import AlertSettings
from metering.alerts.withdrawn_changes import announce_withdrawn_changes
from metering.catalogue.coming_prices import ComingPrice, OwnPrices, coming_prices
from metering.notifications.announce import announce
from metering.payments.mails.outbox import add_notice, send_soon
from metering.rollups.models import DailyRollup
from omixa_billing.instants import instant_text
from workspaces.models import Workspace

NOTICE = timedelta(days=30)  # before a price begins
USED_WITHIN = timedelta(days=90)
MOST_IN_A_MAIL = 20  # prices; the models' pages have all


def announce_price_changes(now: datetime) -> dict[str, int]:
    """How many prices begin within NOTICE, how many times one was announced to a workspace for the first time, and how many
    times it was announced that one does not come.
    """
    coming = coming_prices(now, until=now + NOTICE)
    by_workspace = _by_workspace(coming, now)
    workspaces = Workspace.objects.filter(sandbox=False).in_bulk(by_workspace)
    wished = set(AlertSettings.objects.filter(price_changes=True, pk__in=workspaces).values_list("pk", flat=True))
    announced = sum(_announce(workspaces[pk], by_workspace[pk], pk in wished, now) for pk in sorted(workspaces))
    return {"coming": len(coming), "announced": announced, "withdrawn": announce_withdrawn_changes(coming, now)}


def _by_workspace(coming: Sequence[ComingPrice], now: datetime) -> dict[int, list[ComingPrice]]:
    """By the primary keys of those whom each concerns, with as many statements for many prices as for one."""
    models = {each.version.model_id for each in coming}
    used = DailyRollup.objects.filter(Q(model__in=models) | Q(model__alias_of__in=models), day__gte=now - USED_WITHIN)
    users: dict[int, set[int]] = defaultdict(set)
    for model, alias_of, workspace in used.values_list("model_id", "model__alias_of_id", "workspace_id").distinct():
        users[alias_of or model].add(workspace)
    own = OwnPrices(models)
    found: dict[int, list[ComingPrice]] = defaultdict(list)
    for each in coming:
        version = each.version
        concerned = users[version.model_id] - own.staying(version) if version.workspace_id is None else {version.workspace_id}
        for workspace in concerned:
            found[workspace].append(each)
    return found


@transaction.atomic
def _announce(workspace: Workspace, coming: Sequence[ComingPrice], by_mail: bool, now: datetime) -> int:
    new = [each for each in coming if announce(workspace, "price.changing", _key(workspace, each), _data(each), now)]
    if not by_mail:
        return len(new)
    for beginning, prices in _by_beginning(new).items():
        lines = [line for each in prices for line in _lines(each)]
        context = {
            "effective_from": beginning,
            "models": str(len({each.version.model_id for each in prices})),
            "lines": "\n".join(lines[:MOST_IN_A_MAIL]),
            "more": str(len(lines) - MOST_IN_A_MAIL) if len(lines) > MOST_IN_A_MAIL else "",
        }
        add_notice(workspace, "price_changing", f"price_changing:{_key(workspace, prices[0])}", context, now)
        send_soon()
    return len(new)


def _by_beginning(coming: Iterable[ComingPrice]) -> dict[str, list[ComingPrice]]:
    found: dict[str, list[ComingPrice]] = defaultdict(list)
    for each in coming:
        found[str(instant_text(each.version.effective_from))].append(each)
    return found


def _key(workspace: Workspace, coming: ComingPrice) -> str:
    return f"price.changing:{coming.version.public_id}:{workspace.public_id}"


def _data(coming: ComingPrice) -> dict[str, object]:
    version = coming.version
    return {
        "price_id": version.public_id,
        "model": version.model.slug,
        "service_tier": version.service_tier,
        "above_input_tokens": version.above_input_tokens,
        "effective_from": instant_text(version.effective_from),
        "currency": version.currency,
        "rates": [{"component": component.name, "old": _text(old), "new": _text(new)} for component, old, new in coming.steps],
    }


def _text(rate: Decimal | None) -> str | None:
    return None if rate is None else f"{rate:f}"


def _lines(coming: ComingPrice) -> list[str]:
    """One for each rate that changes: `codex-mini (priority) input|1.500000 → 1.800000`."""
    version = coming.version
    tier = "" if version.service_tier == "default" else f" ({version.service_tier})"
    above = f" above {version.above_input_tokens:,} tokens" if version.above_input_tokens else ""
    what = f"{version.model.slug}{tier}{above}"
    return [
        f"{what}, {component.label}|{_text(old) or 'none'} → {_text(new) or 'none'} USD for {component.per_label}"
        for component, old, new in coming.steps
    ]
