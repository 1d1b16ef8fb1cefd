"""A workspace as a customer of the payment provider."""

from datetime import datetime, timedelta

import structlog

from metering.invoicing.documents.parties import buyer
from metering.payments.models import PaymentAccount
from metering.payments.provider.current import provider
from metering.payments.provider.errors import ProviderRefused
from metering.payments.provider.keys import call_with_key, failed_since
from workspaces.models import Workspace

log = structlog.get_logger(__name__)
CLOCKS_DIFFER = timedelta(minutes=10)


def account_of(workspace: Workspace) -> PaymentAccount:
    account, _ = PaymentAccount.objects.get_or_create(workspace=workspace)
    return account


def ensure_customer(workspace: Workspace, now: datetime) -> PaymentAccount:
    """The workspace's account with a Stripe customer. Two at once, or again after a crash, make one.

    Raises ProviderUnavailable.
    """
    account = account_of(workspace)
    if account.customer_id:
        return account
    name = f"customer-of-{workspace.public_id}"
    customer = _customer_made(workspace, name) or call_with_key(
        name, lambda key: provider().create_customer(workspace.public_id, key), now
    )
    _describe(customer, workspace)
    PaymentAccount.objects.filter(pk=account.pk, customer_id__isnull=True).update(customer_id=customer)
    account.refresh_from_db()
    return account


def _customer_made(workspace: Workspace, name: str) -> str:
    """The customer that an earlier call made: search may miss the latest, so after a failure the list is read as well."""
    found = provider().find_customers(workspace.public_id)
    since = failed_since(name)
    if not found and since is not None:
        found = provider().list_customers(workspace.public_id, since - CLOCKS_DIFFER)
    return found[0] if found else ""


def _describe(customer: str, workspace: Workspace) -> None:
    """Name and address, as far as Stripe takes them: no payment waits for that."""
    party = buyer(workspace)
    try:
        provider().describe_customer(customer, party["name"], party["email"].partition(",")[0])
    except ProviderRefused as refused:
        log.warning("customer_not_described", workspace_id=workspace.public_id, error=str(refused))
