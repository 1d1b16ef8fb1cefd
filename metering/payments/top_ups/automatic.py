"""Credits that buy themselves when the balance runs low, and the mail that says that it does."""

from datetime import datetime

import structlog
from django.db import transaction
from django.db.models import Q

from metering.jobs.progress import Progress, unheard
from metering.limits.models import LimitAccount
from metering.money import cents_text, exact_text
from metering.payments.balance.balance import Balance, balance_of
from metering.payments.clock import ticking
from metering.payments.mails.outbox import add_notice
from metering.payments.models import PaymentAccount, PaymentAttempt, TopUp
from metering.payments.provider.calls import AFTER_REFUSAL
from metering.payments.top_ups import purchase
from metering.payments.top_ups.daily_bound import bought_today
from metering.payments.top_ups.still_wanted import wants_top_up
from omixa_billing.instants import Clock, instant_text
from workspaces.locks import lock_workspace

log = structlog.get_logger(__name__)
ACTOR = "metering.top_up_balances"


def top_up_low(now: datetime | Clock, progress: Progress = unheard) -> dict[str, int]:
    """Looks at every workspace that wants a notice, or to be topped up. Counts of topped_up, notified and failed."""
    clock = ticking(now)
    counts = {"topped_up": 0, "notified": 0, "failed": 0}
    wanted = Q(top_up_below__isnull=False) | Q(low_balance__isnull=False)
    accounts = list(PaymentAccount.objects.filter(wanted).select_related("workspace").order_by("pk"))
    for done, account in enumerate(accounts):
        progress(done, len(accounts))
        try:
            moment = clock()
            balance = balance_of(account.workspace, moment)
            counts["notified"] += _notify_if_low(account, balance, moment)
            counts["topped_up"] += _top_up_if_low(account, balance, moment)
        except Exception:
            log.exception("top_up_failed", workspace_id=account.workspace.public_id)
            counts["failed"] += 1
    progress(len(accounts), len(accounts))
    return counts


def _top_up_if_low(account: PaymentAccount, balance: Balance, now: datetime) -> bool:
    """One at a time, so many a day, never after a decline until a person has looked."""
    if not wants_top_up(account, balance.left):
        return False
    made = _begin_if_low(account.pk, account.workspace_id, now)
    return made is not None and purchase.pay_top_up(made, now).status == TopUp.Status.PAID


def _begin_if_low(account_id: int, workspace_id: int, now: datetime) -> TopUp | None:
    """Looked at again with the workspace held, for another run may have bought, been declined or been stopped."""
    with transaction.atomic():
        lock_workspace(workspace_id)
        account = PaymentAccount.objects.select_related("workspace").get(pk=account_id)
        pending = TopUp.objects.filter(workspace=workspace_id, automatic=True, status=TopUp.Status.PENDING)
        if pending.exists():  # the payments' recovery ends it
            return None
        if bought_today(workspace_id, True, now) >= account.top_ups_per_day or _was_refused_just_now(workspace_id, now):
            return None
        if not wants_top_up(account, balance_of(account.workspace, now).left):
            return None
        assert account.top_up_amount is not None  # noqa: S101 - it is wanted
        return purchase.begin_top_up(account, account.top_up_amount, purchase.SAVED, ACTOR, now, automatic=True)


def _was_refused_just_now(workspace_id: int, now: datetime) -> bool:
    """Stripe refused the last one to us: it would refuse the next one too."""
    refused = PaymentAttempt.objects.filter(
        workspace=workspace_id,
        top_up__automatic=True,
        status=PaymentAttempt.Status.CANCELED,
        settled_at__gt=now - AFTER_REFUSAL,
    )
    return refused.exclude(code="").exists()


def _notify_if_low(account: PaymentAccount, balance: Balance, now: datetime) -> bool:
    """Once per crossing: the balance has to be above the level again before the next mail. Of a prepaid workspace the level is
    noted with the fall itself, and alerted to like the others (`alerts/crossings.py`).
    """
    if account.low_balance is None or LimitAccount.objects.filter(pk=account.workspace_id, balance__isnull=False).exists():
        return False
    accounts = PaymentAccount.objects.filter(pk=account.pk)
    if balance.left >= account.low_balance:
        accounts.filter(low_balance_told_at__isnull=False).update(low_balance_told_at=None)
        return False
    with transaction.atomic():
        if not accounts.filter(low_balance_told_at__isnull=True).update(low_balance_told_at=now):
            return False
        context = {"balance": exact_text(balance.left)[:-10], "level": cents_text(account.low_balance)}
        key = f"balance_low:{account.workspace.public_id}:{instant_text(now)}"
        add_notice(account.workspace, "balance_low", key, context, now)
        return True
