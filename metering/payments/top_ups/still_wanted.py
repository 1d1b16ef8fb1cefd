"""Whether a charge that was begun some time ago is still wanted. What was not charged then may be done otherwise by now.

A process died, or Stripe did not answer: the next run finds the intention, minutes or days old, and looks again at everything
that it was begun for.
"""

from datetime import datetime, timedelta
from decimal import Decimal

from django.db import transaction

from metering.payments.balance.balance import balance_of
from metering.payments.models import PaymentAccount, PaymentAttempt, TopUp
from metering.payments.provider.current import is_configured
from omixa_billing.api.errors import Refusal
from workspaces.access.still_allowed import check_may_still_pay
from workspaces.models import APIKey, User

# Credit that was asked for longer ago is not charged any more: who wanted it has seen that nothing came.
LASTS = timedelta(hours=1)
NOTHING_CHARGED = "Nothing was charged."


def unwanted_because(attempt: PaymentAttempt, now: datetime) -> str:
    """Why a saved method is not charged for this attempt any more, for its customer; empty where it still is."""
    account = PaymentAccount.objects.select_related("workspace").filter(workspace=attempt.workspace_id).first()
    if account is None or account.method_id != attempt.method_id:
        return f"{NOTHING_CHARGED} The payment method was changed meanwhile."
    top_up = attempt.top_up
    if top_up is None:
        return ""
    reason = _unwanted(top_up, account, now)
    return f"{NOTHING_CHARGED} {reason}" if reason else ""


def wants_top_up(account: PaymentAccount, left: Decimal) -> bool:
    """Whether the account's automatic top-up is due with so much left."""
    if account.top_up_below is None or account.top_up_amount is None or left >= account.top_up_below:
        return False
    if account.workspace.sandbox or account.top_ups_stopped_at is not None:
        return False
    return bool(account.method_id and is_configured())


def _unwanted(top_up: TopUp, account: PaymentAccount, now: datetime) -> str:
    if account.workspace.closed_at is not None:
        return "The workspace was closed."
    if now - top_up.created_at > LASTS:
        return "It was asked for too long ago."
    later = TopUp.objects.filter(workspace=top_up.workspace_id, pk__gt=top_up.pk).exclude(status=TopUp.Status.FAILED)
    if later.exists():
        return "Credit was bought meanwhile."
    if top_up.automatic:
        wanted = wants_top_up(account, balance_of(account.workspace, now).left)
        return "" if wanted else "The automatic top-up is not wanted any more."
    return "" if _may_still_buy(top_up, account) else "The key or person that asked for it may not buy credit any more."


def _may_still_buy(top_up: TopUp, account: PaymentAccount) -> bool:
    """Whether the key or the person that the top-up names may still buy; a command and a job are neither."""
    maker = APIKey.objects.filter(workspace=account.workspace, public_id=top_up.created_by).first()
    user = None if maker else User.objects.filter(email=top_up.created_by).first()
    try:
        with transaction.atomic():
            check_may_still_pay(account.workspace, user, maker)
    except Refusal:
        return False
    return not account.workspace.sandbox
