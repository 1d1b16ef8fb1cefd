"""Budgets as people and programs set them: made, changed and deleted, each counted from the usage there is at that moment."""

import zoneinfo
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db import transaction

from metering.limits.accounts import ensure_account, lock_account
from metering.limits.budgets.compare import count_budget
from metering.limits.models import EACH, Budget
from metering.money import ONE_PICO, exact_text
from omixa_billing.api.errors import InvalidParameter
from workspaces import audit
from workspaces.models import APIKey, Workspace
from workspaces.names import is_storable

MOST = Decimal("1000000000000")
USUAL_THRESHOLDS = (50, 80, 100)
MOST_THRESHOLDS, LARGEST_THRESHOLD = 10, 1000
MOST_BUDGETS = 1_000  # of a workspace: each decision looks at all of them
CHANGEABLE = ("limit", "mode", "thresholds", "window", "time_zone")


def set_budget(
    workspace: Workspace,
    scope: str,
    scope_id: str | None,
    window: str,
    limit: Decimal,
    *,
    actor: str,
    now: datetime,
    mode: str = Budget.Mode.HARD,
    time_zone: str = "UTC",
    thresholds: list[int] | None = None,
) -> Budget:
    """A new budget; or the one for the same scope, window and mode with this limit. Raises InvalidParameter."""
    budget = Budget(
        workspace=workspace,
        scope=scope,
        scope_id=scope_id or "",
        window=window,
        time_zone=time_zone,
        limit=limit,
        mode=mode,
        thresholds=list(USUAL_THRESHOLDS) if thresholds is None else thresholds,
        created_at=now,
    )
    check(budget)
    ensure_account(workspace.pk)
    with transaction.atomic():
        lock_account(workspace.pk)
        same = {name: getattr(budget, name) for name in ("workspace", "scope", "scope_id", "window", "mode")}
        standing = Budget.objects.filter(**same).first()
        if standing is not None:
            return _change(standing, {"limit": limit, "time_zone": time_zone, "thresholds": budget.thresholds}, actor, now)
        if Budget.objects.filter(workspace=workspace).count() >= MOST_BUDGETS:
            raise InvalidParameter(f"A workspace has at most {MOST_BUDGETS:,} budgets.")
        budget.save(force_insert=True)
        count_budget(budget, now)
        audit.record(actor, "budget.created", budget.public_id, workspace, now=now, **described(budget))
    return budget


def change_budget(budget: Budget, changes: dict[str, Any], *, actor: str, now: datetime) -> Budget:
    """The budget with these of CHANGEABLE. Holds that are live count on. Raises InvalidParameter."""
    with transaction.atomic():
        lock_account(budget.workspace_id)
        return _change(Budget.objects.get(pk=budget.pk), changes, actor, now)


def _change(budget: Budget, changes: dict[str, Any], actor: str, now: datetime) -> Budget:
    before = described(budget)
    for name in CHANGEABLE:
        if name in changes:
            setattr(budget, name, changes[name])
    check(budget)
    after = described(budget)
    changed = {name: after[name] for name in after if after[name] != before[name]}
    if changed:
        same = Budget.objects.filter(
            workspace=budget.workspace_id,
            scope=budget.scope,
            scope_id=budget.scope_id,
            window=budget.window,
            mode=budget.mode,
        )
        if same.exclude(pk=budget.pk).exists():
            raise InvalidParameter("There is a budget for the same scope, window and mode: change that one.", param="window")
        budget.save()
        count_budget(budget, now)
        audit.record(
            actor,
            "budget.changed",
            budget.public_id,
            budget.workspace,
            now=now,
            **{name: f"{before[name]} → {value}" for name, value in changed.items()},
        )
    return budget


def delete_budget(budget: Budget, *, actor: str, now: datetime) -> None:
    with transaction.atomic():
        lock_account(budget.workspace_id)
        audit.record(actor, "budget.deleted", budget.public_id, budget.workspace, now=now, **described(budget))
        budget.delete()


def check(budget: Budget) -> None:
    """Raises InvalidParameter for what no budget can be."""
    for name, values in (("scope", Budget.Scope), ("window", Budget.Window), ("mode", Budget.Mode)):
        if getattr(budget, name) not in values.values:
            raise InvalidParameter(f"{name} is one of {', '.join(values.values)}.", param=name)
    _check_scope(budget)
    limit = budget.limit
    if not limit.is_finite() or not 0 <= limit <= MOST or limit != limit.quantize(ONE_PICO):
        raise InvalidParameter(f"The limit is from 0 to {MOST:,} USD, with at most twelve decimals.", param="limit")
    if budget.time_zone not in zoneinfo.available_timezones():
        raise InvalidParameter("The time zone is a name of the IANA list, such as Europe/Berlin.", param="time_zone")
    found = budget.thresholds
    if len(found) > MOST_THRESHOLDS or any(not 1 <= each <= LARGEST_THRESHOLD for each in found):
        raise InvalidParameter(
            f"Thresholds are at most {MOST_THRESHOLDS} percentages from 1 to {LARGEST_THRESHOLD}.", param="thresholds"
        )
    budget.thresholds = sorted(set(found))


def _check_scope(budget: Budget) -> None:
    scope, name = budget.scope, budget.scope_id
    if scope == Budget.Scope.WORKSPACE:
        if name:
            raise InvalidParameter("A budget of the workspace has no scope_id.", param="scope_id")
        return
    if not name or len(name) > 512 or not is_storable(name):
        raise InvalidParameter(f"scope_id names the {scope}; for a model or a user, {EACH} means each.", param="scope_id")
    if scope == Budget.Scope.KEY and not APIKey.objects.filter(workspace=budget.workspace, public_id=name).exists():
        raise InvalidParameter(f"This workspace has no key {name}.", param="scope_id")


def described(budget: Budget) -> dict[str, Any]:
    """As the audit trail shows it."""
    return {
        "scope": f"{budget.scope} {budget.scope_id}".strip(),
        "window": budget.window,
        "time_zone": budget.time_zone,
        "limit": exact_text(budget.limit),
        "mode": budget.mode,
        "thresholds": ", ".join(map(str, budget.thresholds)),
    }
