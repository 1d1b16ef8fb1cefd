"""Alerts about thresholds of budgets and levels of balances. Each crossing is a row, written once by the transaction that
crossed it; claiming the row here writes the mail, the notification and that it is done in one transaction.
"""

from collections.abc import Callable
from datetime import datetime
from hashlib import sha256

from django.db import transaction

from metering.limits.models import EACH, BalanceCrossing, ThresholdCrossing
from metering.money import exact_text, plain_text
from metering.notifications.announce import announce
from metering.payments.mails.outbox import add_notice, send_soon
from omixa_billing.instants import instant_text
from workspaces.models import Workspace

AT_ONCE = 10  # crossings in a transaction: the first are delivered while the next are written
# A budget of each user may be crossed by thousands in a day: so many are mailed, all are announced.
MAILS_OF_EACH = 10


def send_crossings(now: datetime) -> dict[str, int]:
    """Until none waits. What another worker has claimed is left to it. Counts by kind."""
    return {"budgets": _each_batch(_budgets, now), "balances": _each_batch(_balances, now)}


def _each_batch(work: Callable[[datetime], int], now: datetime) -> int:
    done = 0
    while True:
        with transaction.atomic():
            count = work(now)
            if count:
                send_soon()
        done += count
        if count < AT_ONCE:
            return done


def _budgets(now: datetime) -> int:
    waiting = ThresholdCrossing.objects.filter(notified_at__isnull=True).select_related("budget__workspace")
    claimed = list(waiting.select_for_update(skip_locked=True, of=("self",)).order_by("pk")[:AT_ONCE])
    for crossing in claimed:
        _alert_of_budget(crossing, now)
    ThresholdCrossing.objects.filter(pk__in=[each.pk for each in claimed]).update(notified_at=now)
    return len(claimed)


def _alert_of_budget(crossing: ThresholdCrossing, now: datetime) -> None:
    budget = crossing.budget
    data = {
        "budget_id": budget.public_id,
        "scope": budget.scope,
        "scope_id": budget.scope_id or None,
        "scope_value": crossing.scope_value or None,
        "window": budget.window,
        "window_start": instant_text(crossing.start),
        "threshold": crossing.threshold,
        "spent": exact_text(crossing.spent),
        "limit": plain_text(crossing.limit),
        "currency": "USD",
        "mode": budget.mode,
        "crossed_at": instant_text(crossing.crossed_at),
    }
    key = f"{budget.public_id}:{short_name(crossing.scope_value)}:{instant_text(crossing.start)}:{crossing.threshold}"
    announce(budget.workspace, "budget.threshold_reached", f"budget.threshold_reached:{key}", data, now)
    before = _mailed_before(crossing) if budget.scope_id == EACH else 0
    if before < MAILS_OF_EACH:
        context = {name: "" if value is None else str(value) for name, value in data.items()}
        context |= {"last": "yes" if before == MAILS_OF_EACH - 1 else ""}
        add_notice(budget.workspace, "budget_threshold", f"budget_threshold:{key}", context, now)


def _mailed_before(crossing: ThresholdCrossing) -> int:
    """How many others crossed the same threshold of the same window before this one, as far as it matters."""
    same = {name: getattr(crossing, name) for name in ("budget_id", "start", "threshold")}
    return ThresholdCrossing.objects.filter(**same, pk__lt=crossing.pk)[:MAILS_OF_EACH].count()


def _balances(now: datetime) -> int:
    waiting = BalanceCrossing.objects.filter(notified_at__isnull=True).select_related("workspace")
    claimed = list(waiting.select_for_update(skip_locked=True, of=("self",)).order_by("pk")[:AT_ONCE])
    for crossing in claimed:
        _alert_of_balance(crossing.workspace, crossing, now)
    BalanceCrossing.objects.filter(pk__in=[each.pk for each in claimed]).update(notified_at=now)
    return len(claimed)


def _alert_of_balance(workspace: Workspace, crossing: BalanceCrossing, now: datetime) -> None:
    level, balance = plain_text(crossing.level), exact_text(crossing.balance)
    data = {"level": level, "balance": balance, "currency": "USD", "crossed_at": instant_text(crossing.crossed_at)}
    key = f"{workspace.public_id}:{level}:{crossing.newest_grant}"
    announce(workspace, "balance.threshold_reached", f"balance.threshold_reached:{key}", data, now)
    context = {"balance": balance[:-10], "level": level}
    add_notice(workspace, "balance_low", f"balance_low:{key}", context, now)


def short_name(name: str) -> str:
    """A key, a model or an end user in a key of limited length."""
    return sha256(name.encode()).hexdigest()[:32] if name else ""
