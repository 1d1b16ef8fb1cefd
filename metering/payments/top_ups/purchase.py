"""Buying credits: on a payment page, or from the saved method.

A top-up and its one attempt are written in one transaction, so that after a crash the recovery finds it.
"""

from datetime import datetime
from decimal import Decimal

import structlog
from django.conf import settings
from django.db import transaction

from metering.errors import NoPaymentMethod, SandboxBuysNothing
from metering.money import cents_text, is_whole_cents
from metering.payments.accounts.customers import account_of, ensure_customer
from metering.payments.collecting.attempts import begin_for_top_up, sync_attempt
from metering.payments.idempotency import once, remembered
from metering.payments.models import PaymentAccount, PaymentAttempt, TopUp
from metering.payments.provider.current import provider
from metering.payments.provider.errors import ProviderUnavailable
from metering.payments.top_ups.daily_bound import check_bound_of_the_day
from omixa_billing.api.errors import InvalidParameter
from workspaces import audit
from workspaces.access.still_allowed import check_may_still_pay
from workspaces.closed import refuse_closed
from workspaces.models import APIKey, User, Workspace

log = structlog.get_logger(__name__)
PAGE, SAVED = "page", "saved"
CHANNELS = {PAGE: PaymentAttempt.Channel.PAYMENT_PAGE, SAVED: PaymentAttempt.Channel.SAVED_METHOD}


def check_purchase(workspace: Workspace, amount: Decimal, method: str) -> None:
    """Raises SandboxBuysNothing, WorkspaceClosed, InvalidParameter, NoPaymentMethod and StripeNotConfigured before anything
    is made.
    """
    refuse_sandbox(workspace)
    refuse_closed(workspace)
    provider()
    least, most = settings.TOP_UP_MINIMUM, settings.TOP_UP_MAXIMUM
    if not is_whole_cents(amount) or not least <= amount <= most:
        raise InvalidParameter(f"A top-up is {cents_text(least)} to {cents_text(most)} USD, in whole cents.", param="amount")
    if method == SAVED and not account_of(workspace).method_id:
        raise NoPaymentMethod()


def refuse_sandbox(workspace: Workspace) -> None:
    """Raises SandboxBuysNothing."""
    if workspace.sandbox:
        raise SandboxBuysNothing("This workspace is a sandbox: nothing in it costs money, so it needs no credit.")


def begin_top_up(
    account: PaymentAccount, amount: Decimal, method: str, actor: str, now: datetime, automatic: bool = False
) -> TopUp:
    """The top-up and its attempt, pending: both or neither. `pay_top_up` asks Stripe for its money."""
    workspace = account.workspace
    with transaction.atomic():
        made = TopUp.objects.create(
            workspace=workspace,
            amount=amount,
            currency=workspace.currency,
            automatic=automatic,
            created_at=now,
            created_by=actor,
        )
        begin_for_top_up(made, CHANNELS[method], account, now)
        audit.record(actor, "credit.top_up", made.public_id, workspace, now=now, amount=cents_text(amount))
    return made


def pay_top_up(top_up: TopUp, now: datetime) -> TopUp:
    """Opens its page, or charges the saved method; the top-up as it is then. Repeating it changes nothing.

    While Stripe does not answer the top-up stays pending, and the next run takes it up.
    """
    attempt = top_up.attempts.first()
    if top_up.status == TopUp.Status.PENDING and attempt is not None:
        try:
            sync_attempt(attempt, now)
        except ProviderUnavailable as error:
            log.warning("top_up_waits", top_up=top_up.public_id, error=str(error))
        top_up.refresh_from_db()
    return top_up


def buy_credit(
    workspace: Workspace,
    amount: Decimal,
    method: str,
    key: str,
    actor: str,
    now: datetime,
    user: User | None = None,
    maker: APIKey | None = None,
) -> TopUp:
    """The top-up of this `Idempotency-Key`, as it is by now: made and charged once, however often it is asked for.

    Who asks for it is `user`, a person, or `maker`, an admin key. Raises what `check_purchase`, `once` and
    `check_may_still_pay` raise, TooManyTopUps, and ProviderUnavailable while nothing is made.
    """
    asked = {"top_up": {"amount": amount, "method": method}}
    made = remembered(workspace, key, asked)
    if made is None:
        check_purchase(workspace, amount, method)
        customer = ensure_customer(workspace, now)

        def make_checked() -> str:
            check_may_still_pay(workspace, user, maker)
            check_purchase(workspace, amount, method)  # the method may be gone meanwhile
            check_bound_of_the_day(workspace.pk, now)  # `once` holds the workspace
            account = PaymentAccount.objects.select_related("workspace").get(pk=customer.pk)
            return begin_top_up(account, amount, method, actor, now).public_id

        made = once(workspace, key, asked, make_checked, now)
    return pay_top_up(TopUp.objects.select_related("workspace").get(public_id=made), now)
