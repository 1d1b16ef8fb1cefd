"""The method that a workspace saved on the provider's own page, and what becomes of it."""

from datetime import datetime, timedelta

import structlog
from django.db import transaction

from metering.payments.accounts.customers import ensure_customer
from metering.payments.mails.outbox import add_notice
from metering.payments.models import PaymentAccount
from metering.payments.provider.current import provider
from metering.payments.provider.keys import call_with_key
from metering.payments.provider.objects import Method, Setup
from workspaces import audit
from workspaces.access.still_allowed import check_may_still_pay
from workspaces.members.current import link_for
from workspaces.models import User, Workspace

log = structlog.get_logger(__name__)
ACTOR = "stripe"
DAYS_BEFORE_EXPIRY = 30
BILLING_PAGE = "/billing"


def setup_page(workspace: Workspace, now: datetime, user: User | None = None) -> str:
    """The address of Stripe's page that saves a method. An open one is used again.

    `user` is the person who asks for it. Raises ProviderUnavailable, and what `check_may_still_pay` raises.
    """
    check_may_still_pay(workspace, user)
    account = ensure_customer(workspace, now)
    assert account.customer_id is not None  # noqa: S101 - just ensured
    if account.setup_session_id:
        session = provider().look_up_page(account.setup_session_id)
        if session.status == "open":
            return session.url
        save_method_of_session(session.id, now)
    customer = account.customer_id
    done, back = link_for(workspace, BILLING_PAGE, saved="1"), link_for(workspace, BILLING_PAGE)
    name = f"setup-{workspace.public_id}-after-{account.setup_session_id or 'none'}"
    session = call_with_key(name, lambda key: provider().open_setup_page(customer, done, back, key), now)
    latest = PaymentAccount.objects.filter(pk=account.pk, setup_session_id=account.setup_session_id)
    latest.update(setup_session_id=session.id)
    return session.url


def save_method_of_session(session_id: str, now: datetime) -> None:
    """Keeps the method that a completed page saved. A session of nobody here is left alone."""
    session = provider().look_up_page(session_id)
    if session.mode == "setup" and session.status == "complete":
        save_method_of_setup(session.setup_intent, now)


def save_method_of_setup(setup_id: str, now: datetime) -> bool:
    """Keeps the method that a setup saved, maybe days after its page, as when a bank account had to be verified.

    News that is late or repeated does not bring back an older method, nor one that its customer has no more. False where
    there is nothing to keep.
    """
    setup = provider().look_up_setup(setup_id)
    if not setup.method:
        return False
    method = provider().look_up_method(setup.method)
    account = PaymentAccount.objects.filter(customer_id=method.customer).select_related("workspace").first()
    if account is None or method.id == account.method_id:
        return account is not None
    if not (_is_newer(account, setup) or _is_of_latest_page(account, setup)):
        log.info("setup_is_late", workspace_id=account.workspace.public_id, setup=setup.id)
        return True
    provider().set_default_method(method.customer, method.id)
    store_method(account, method, now, setup.created)
    return True


def _is_newer(account: PaymentAccount, setup: Setup) -> bool:
    """Than the setup of the method in place; true where none ever was."""
    if account.method_set_up_at is None:
        return not account.method_id
    return setup.created is not None and setup.created > account.method_set_up_at


def _is_of_latest_page(account: PaymentAccount, setup: Setup) -> bool:
    latest = account.setup_session_id
    return bool(latest) and provider().look_up_page(latest).setup_intent == setup.id


def store_method(account: PaymentAccount, method: Method, now: datetime, set_up_at: datetime | None = None) -> None:
    """Makes invoices be collected from the method; automatic top-ups that a decline stopped may continue.

    With `set_up_at` it is a new one, unless a newer one came in meanwhile; without, it is news of the one in place. What only
    says the same again, as Stripe's events may, changes nothing. What is dunned is charged by the next run.
    """
    with transaction.atomic():
        current = PaymentAccount.objects.select_for_update().get(pk=account.pk)
        is_late = set_up_at and current.method_set_up_at and set_up_at < current.method_set_up_at
        is_of_another = set_up_at is None and current.method_id != method.id
        if is_late or is_of_another or _method_facts(current) == _method_facts(method):
            return
        PaymentAccount.objects.filter(pk=account.pk).update(
            method_id=method.id,
            method_kind=method.kind,
            method_set_up_at=set_up_at or current.method_set_up_at,
            brand=method.brand,
            last_four=method.last_four,
            expires_year=method.expires_year,
            expires_month=method.expires_month,
            top_ups_stopped_at=None,
            top_up_stopped="",
        )
        facts = f"{method.brand} {method.last_four}"
        audit.record(ACTOR, "payment_method.saved", method.id, account.workspace, now=now, facts=facts)


def _method_facts(saved: PaymentAccount | Method) -> tuple[str, str, int | None, int | None]:
    method_id = saved.method_id if isinstance(saved, PaymentAccount) else saved.id
    return method_id, saved.last_four, saved.expires_year, saved.expires_month


def refresh_method(method_id: str, now: datetime) -> None:
    """A saved method changed at Stripe, or was taken away there."""
    account = PaymentAccount.objects.filter(method_id=method_id).select_related("workspace").first()
    if account is None:
        return
    method = provider().look_up_method(method_id)
    if method.customer == account.customer_id:
        store_method(account, method, now)
        return
    with transaction.atomic():
        forgotten = {"method_id": "", "method_kind": "", "brand": "", "last_four": ""}
        PaymentAccount.objects.filter(pk=account.pk, method_id=method_id).update(
            **forgotten, expires_year=None, expires_month=None
        )
        audit.record(ACTOR, "payment_method.removed", method_id, account.workspace, now=now)


def notify_expiring_cards(now: datetime) -> int:
    """One mail per card and expiry, a month ahead; how many cards that are."""
    soon = now + timedelta(days=DAYS_BEFORE_EXPIRY)
    expiring = [
        account
        for account in PaymentAccount.objects.exclude(method_id="").exclude(expires_year=None).select_related("workspace")
        if (account.expires_year, account.expires_month) <= (soon.year, soon.month)
    ]
    for account in expiring:
        month = f"{account.expires_year}-{account.expires_month:02}"
        context = {"brand": account.brand, "last_four": account.last_four, "month": month}
        key = f"card_expiring:{account.workspace.public_id}:{account.method_id}:{month}"
        add_notice(account.workspace, "card_expiring", key, context, now)
    return len(expiring)
