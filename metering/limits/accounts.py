"""The row that is a workspace's lock for all its limits, and what of a prepaid balance is free.

What changes what is spent or held has it locked until the commit: authorising, settling, expiry, a new budget. A workspace
without the row has no limits and waits for nothing. The row is made once, alone: decisions and settlements hold the lock of
limits shared, so that none of them is in progress in the belief that there are no limits.
"""

from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_CEILING, Decimal

from django.db import connection, transaction

from metering.limits.models import IS_LIVE, LimitAccount
from omixa_billing.advisory_locks import AdvisoryLock, lock, share
from workspaces.models import Workspace


def ensure_account(workspace_id: int) -> None:
    """Makes the row where it is missing. Best outside of a transaction: it waits for all who decide or settle."""
    if LimitAccount.objects.filter(pk=workspace_id).exists():
        return
    with transaction.atomic():
        lock(AdvisoryLock.LIMITS)
        LimitAccount.objects.get_or_create(workspace_id=workspace_id)


def lock_account(workspace_id: int) -> LimitAccount | None:
    """The account, read under the lock; None for a workspace without limits, which gets none until the transaction ends."""
    share(AdvisoryLock.LIMITS)
    return LimitAccount.objects.select_for_update().filter(pk=workspace_id).first()


def held_of_balance(workspace: Workspace) -> Decimal:
    """What live holds hold of a prepaid balance, exact USD with tax; nothing of another."""
    account = LimitAccount.objects.filter(pk=workspace.pk).first()
    return Decimal(0) if account is None else account.held


@dataclass(frozen=True, slots=True)
class Spendable:
    """What a prepaid workspace has left in exact USD, what a dollar of usage takes of it, and until when that holds."""

    left: Decimal
    factor: Decimal
    valid_until: datetime | None


def set_balance(account: LimitAccount, found: Spendable | None, now: datetime) -> None:
    """The balance as it was worked out under the account's lock; None for a workspace that is not prepaid."""
    account.balance = None if found is None else found.left
    account.factor = Decimal(1) if found is None else _stored(found.factor)
    account.valid_until = None if found is None else found.valid_until
    account.balanced_at = now
    account.held = Decimal(0) if found is None else _count_held(account)
    account.save(update_fields=["balance", "factor", "valid_until", "balanced_at", "held"])


HELD = f"""
WITH live AS (
    UPDATE metering_hold SET balance_held = amount * %(factor)s
    WHERE workspace_id = %(workspace)s AND {IS_LIVE} AND balance_held <> amount * %(factor)s
    RETURNING id
)
SELECT coalesce(sum(amount * %(factor)s), 0) FROM metering_hold WHERE workspace_id = %(workspace)s AND {IS_LIVE}
"""  # noqa: S608 - constants


def _count_held(account: LimitAccount) -> Decimal:
    """What live holds hold of it at today's factor, those of before it was prepaid included."""
    with connection.cursor() as cursor:
        cursor.execute(HELD, {"factor": account.factor, "workspace": account.pk})
        held: Decimal = cursor.fetchone()[0]
    return held


def _stored(factor: Decimal) -> Decimal:
    """Eight places, rounded up: a dollar of usage never takes less than it will cost."""
    return factor.quantize(Decimal("0.00000001"), rounding=ROUND_CEILING)
