"""Budgets as people and programs set them: made, changed and deleted, each counted from the usage there is at that moment."""

import zoneinfo
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db import transaction
from django.db.models import QuerySet

from metering.limits.accounts import ensure_account, lock_account
from metering.limits.budgets.compare import count_budget
from metering.limits.errors import BudgetDeleted
from metering.limits.models import EACH, Budget
from metering.money import ONE_PICO, exact_text
from omixa_billing.api.errors import InvalidParameter
from workspaces import audit
from workspaces.access.still_allowed import check_still_allowed
from workspaces.closed import refuse_closed
from workspaces.models import APIKey, User, Workspace
from workspaces.names import is_storable

MOST = Decimal("1000000000000")
USUAL_THRESHOLDS = (50, 80, 100)
MOST_THRESHOLDS, LARGEST_THRESHOLD = 10, 1000
MOST_BUDGETS = 1_000  # of a workspace: each decision looks at all of them
THERE_IS_ONE = "There is a budget for the same scope, window and mode: change"
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
    replaces: bool = True,
    user: User | None = None,
    maker: APIKey | None = None,
) -> Budget:
    """A new budget; where there is one for the same scope, window and mode, `replaces` gives that one this limit.

    Who asks for it is `user`, a person, or `maker`, an admin key. Raises InvalidParameter, WorkspaceClosed, and what
    `check_still_allowed` raises.
    """
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
    with transaction.atomic():
        check_still_allowed(workspace, user, maker)  # before the account is made, which waits for all who decide
    ensure_account(workspace.pk)
    with _locked(workspace, user, maker):
        refuse_closed(workspace)
        standing = _same(budget).first()
        if standing is not None and not replaces:
            raise InvalidParameter(f"{THERE_IS_ONE} {standing.public_id}.", param="window")
        if standing is not None:
            return _change(standing, {"limit": limit, "time_zone": time_zone, "thresholds": budget.thresholds}, actor, now)
        if Budget.objects.filter(workspace=workspace).count() >= MOST_BUDGETS:
            raise InvalidParameter(f"A workspace has at most {MOST_BUDGETS:,} budgets.")
        budget.save(force_insert=True)
        count_budget(budget, now)
        audit.record(actor, "budget.created", budget.public_id, workspace, now=now, **described(budget))
    return budget


def change_budget(
    budget: Budget,
    changes: dict[str, Any],
    *,
    actor: str,
    now: datetime,
    user: User | None = None,
    maker: APIKey | None = None,
) -> Budget:
    """The budget with these of CHANGEABLE. Holds that are live count on. Raises as `set_budget`, and BudgetDeleted."""
    with _locked(budget.workspace, user, maker):
        refuse_closed(budget.workspace)
        return _change(_standing(budget), changes, actor, now)


def delete_budget(budget: Budget, *, actor: str, now: datetime, user: User | None = None, maker: APIKey | None = None) -> None:
    """Raises BudgetDeleted, and what `check_still_allowed` raises."""
    with _locked(budget.workspace, user, maker):
        standing = _standing(budget)
        audit.record(actor, "budget.deleted", budget.public_id, budget.workspace, now=now, **described(standing))
        standing.delete()


@contextmanager
def _locked(workspace: Workspace, user: User | None, maker: APIKey | None) -> Iterator[None]:
    """The workspace's limits, for a person or an admin key that still may change them; they are part of managing keys."""
    with transaction.atomic():
        check_still_allowed(workspace, user, maker)
        lock_account(workspace.pk)
        yield


def _standing(budget: Budget) -> Budget:
    found = Budget.objects.select_related("workspace").filter(pk=budget.pk).first()
    if found is None:
        raise BudgetDeleted("This budget was deleted meanwhile.")
    return found


def _same(budget: Budget) -> QuerySet[Budget]:
    """Those that one more like this would stand beside: at most one."""
    same = {name: getattr(budget, name) for name in ("workspace", "scope", "scope_id", "window", "mode")}
    return Budget.objects.filter(**same).exclude(pk=budget.pk)


def _change(budget: Budget, changes: dict[str, Any], actor: str, now: datetime) -> Budget:
    before = described(budget)
    for name in CHANGEABLE:
        if name in changes:
            setattr(budget, name, changes[name])
    check(budget)
    after = described(budget)
    changed = {name: after[name] for name in after if after[name] != before[name]}
    if changed:
        if (other := _same(budget).first()) is not None:
            raise InvalidParameter(f"{THERE_IS_ONE} {other.public_id}.", param="window")
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
    """The budget as the audit trail shows it."""
    return {
        "scope": f"{budget.scope} {budget.scope_id}".strip(),
        "window": budget.window,
        "time_zone": budget.time_zone,
        "limit": exact_text(budget.limit),
        "mode": budget.mode,
        "thresholds": ", ".join(map(str, budget.thresholds)),
    }
