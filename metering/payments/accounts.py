"""A workspace at Stripe: its customer, and the method it saved on Stripe's own page."""

from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction

from metering.invoicing.parties import buyer
from metering.payments.models import PaymentAccount
from metering.payments.notices import tell
from metering.payments.stripe_edge import edge
from metering.payments.stripe_objects import Method
from workspaces import audit
from workspaces.models import Workspace

ACTOR = "stripe"
DAYS_BEFORE_EXPIRY = 30
BILLING_PAGE = "/billing"


def account_of(workspace: Workspace) -> PaymentAccount:
    account, _ = PaymentAccount.objects.get_or_create(workspace=workspace)
    return account


def ensure_customer(workspace: Workspace) -> PaymentAccount:
    """The workspace's account with a Stripe customer. Two at once, or again after a crash, make one."""
    account = account_of(workspace)
    if account.customer_id:
        return account
    found = edge().find_customers(workspace.public_id)
    party = buyer(workspace)
    email = party["email"].partition(",")[0]
    customer = (
        found[0]
        if found
        else edge().create_customer(workspace.public_id, party["name"], email, f"customer-{workspace.public_id}")
    )
    PaymentAccount.objects.filter(pk=account.pk, customer_id__isnull=True).update(customer_id=customer)
    account.refresh_from_db()
    return account


def setup_page(workspace: Workspace, now: datetime) -> str:
    """The address of Stripe's page that saves a method. An open one is used again."""
    account = ensure_customer(workspace)
    assert account.customer_id is not None  # noqa: S101 - just ensured
    if account.setup_session_id:
        session = edge().retrieve_session(account.setup_session_id)
        if session.status == "open":
            return session.url
        take_setup_session(session.id, now)
    done, back = f"{settings.PUBLIC_URL}{BILLING_PAGE}?saved=1", f"{settings.PUBLIC_URL}{BILLING_PAGE}"
    key = f"setup-{workspace.public_id}-after-{account.setup_session_id or 'none'}"
    session = edge().create_setup_session(account.customer_id, done, back, key)
    PaymentAccount.objects.filter(pk=account.pk).update(setup_session_id=session.id)
    return session.url


def take_setup_session(session_id: str, now: datetime) -> None:
    """Keeps the method that a completed page saved. A session of nobody here is left alone."""
    session = edge().retrieve_session(session_id)
    account = PaymentAccount.objects.filter(customer_id=session.customer).select_related("workspace").first()
    if account is None or session.mode != "setup" or session.status != "complete":
        return
    method_id = edge().method_of_setup(session.setup_intent)
    if not method_id or method_id == account.method_id:
        return
    method = edge().retrieve_method(method_id)
    edge().set_default_method(session.customer, method_id)
    keep_method(account, method, now)


def keep_method(account: PaymentAccount, method: Method, now: datetime) -> None:
    """From now on invoices are collected from it; automatic top-ups that a decline stopped may go on.

    What only says the same again, as Stripe's events may, changes nothing.
    """
    seen = (account.method_id, account.last_four, account.expires_year, account.expires_month)
    if seen == (method.id, method.last_four, method.expires_year, method.expires_month):
        return
    with transaction.atomic():
        PaymentAccount.objects.filter(pk=account.pk).update(
            method_id=method.id,
            method_kind=method.kind,
            brand=method.brand,
            last_four=method.last_four,
            expires_year=method.expires_year,
            expires_month=method.expires_month,
            top_up_stopped="",
        )
        shown = f"{method.brand} {method.last_four}"
        audit.record(ACTOR, "payment_method.saved", method.id, account.workspace, now=now, shown=shown)


def refresh_method(method_id: str, now: datetime) -> None:
    """A saved method changed at Stripe, or was taken away there."""
    account = PaymentAccount.objects.filter(method_id=method_id).select_related("workspace").first()
    if account is None:
        return
    method = edge().retrieve_method(method_id)
    if method.customer == account.customer_id:
        keep_method(account, method, now)
        return
    with transaction.atomic():
        forgotten = {"method_id": "", "method_kind": "", "brand": "", "last_four": ""}
        PaymentAccount.objects.filter(pk=account.pk, method_id=method_id).update(
            **forgotten, expires_year=None, expires_month=None
        )
        audit.record(ACTOR, "payment_method.removed", method_id, account.workspace, now=now)


def tell_expiring(now: datetime) -> int:
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
        tell(account.workspace, "card_expiring", key, context, now)
    return len(expiring)
