"""What a workspace wants done when its balance runs low."""

from datetime import datetime
from decimal import Decimal

from django.conf import settings
from django.db import transaction

from metering.money import cents_text
from metering.payments.accounts.customers import account_of
from metering.payments.models import PaymentAccount
from metering.payments.top_ups.purchase import refuse_sandbox
from omixa_billing.api.errors import InvalidParameter
from workspaces import audit
from workspaces.access.still_allowed import check_may_still_pay
from workspaces.closed import refuse_closed
from workspaces.models import User, Workspace

MOST_PER_DAY = 20


def save_preferences(
    workspace: Workspace,
    low_balance: Decimal | None,
    top_up_below: Decimal | None,
    top_up_amount: Decimal | None,
    top_ups_per_day: int,
    actor: str,
    now: datetime,
    user: User | None = None,
) -> PaymentAccount:
    """None of a level switches it off. Automatic top-ups that a decline stopped may continue.

    `user` is the person who asks for it. Raises what `check_may_still_pay` raises, InvalidParameter, and SandboxBuysNothing
    for automatic top-ups of a sandbox.
    """
    if top_up_below is not None:
        refuse_sandbox(workspace)
    if (top_up_below is None) != (top_up_amount is None):
        raise InvalidParameter("Automatic top-ups need a level and an amount.", param="top_up_amount")
    least, most = settings.TOP_UP_MINIMUM, settings.TOP_UP_MAXIMUM
    if top_up_amount is not None and not least <= top_up_amount <= most:
        raise InvalidParameter(f"A top-up is {cents_text(least)} to {cents_text(most)} USD.", param="top_up_amount")
    if not 1 <= top_ups_per_day <= MOST_PER_DAY:
        raise InvalidParameter(f"At most {MOST_PER_DAY} automatic top-ups a day.", param="top_ups_per_day")
    with transaction.atomic():
        check_may_still_pay(workspace, user)
        refuse_closed(workspace)
        account = PaymentAccount.objects.select_for_update().get(pk=account_of(workspace).pk)
        account.low_balance, account.low_balance_told_at = low_balance, None
        account.top_up_below, account.top_up_amount = top_up_below, top_up_amount
        account.top_ups_per_day = top_ups_per_day
        account.top_ups_stopped_at, account.top_up_stopped = None, ""
        account.save()
        levels = {"low_balance": low_balance, "top_up_below": top_up_below, "top_up_amount": top_up_amount}
        written = {name: None if level is None else cents_text(level) for name, level in levels.items()}
        audit.record(actor, "top_ups.changed", workspace.public_id, workspace, now=now, per_day=top_ups_per_day, **written)
        return account
