"""What of a prepaid balance a decision may count on: worked out here, kept where decisions are made (`limits/accounts.py`).

Settled usage lowers it by its cost with discount and tax. Whatever else moves it has it worked out again: credit, terms, an
expiry, a new month.
"""

from datetime import datetime
from decimal import Decimal

from metering.credits.ledger import remaining_grants
from metering.invoicing.terms.in_force import in_force, pricing_of, tax_rates_of, terms_of
from metering.invoicing.terms.models import BillingTerms
from metering.limits.accounts import Spendable, ensure_account, lock_account, set_balance
from metering.money import WIDE
from metering.payments.balance.balance import Balance, balance_of
from metering.periods import month_of
from workspaces.models import Workspace

WHOLE = Decimal(100)


def is_prepaid(workspace: Workspace, terms: BillingTerms) -> bool:
    return terms.mode == BillingTerms.Mode.PREPAID and not workspace.sandbox and workspace.closed_at is None


def prepare_account(workspace_id: int) -> None:
    """Outside of the transaction that works the balance out: its row is made alone."""
    workspace = Workspace.objects.get(pk=workspace_id)
    if is_prepaid(workspace, terms_of(workspace)):
        ensure_account(workspace_id)


def update_spendable(workspace: Workspace, terms: BillingTerms, now: datetime) -> Balance | None:
    """The balance of a prepaid workspace, which decisions use from the commit on; None for another. The workspace is locked."""
    account = lock_account(workspace.pk)  # before the balance is read: usage in progress is then in it, or comes after it
    if not is_prepaid(workspace, terms):
        if account is not None and account.balance is not None:
            set_balance(account, None, now)
        return None
    balance = balance_of(workspace, now)
    if account is not None:
        set_balance(account, Spendable(balance.left, _factor(workspace, terms, now), _valid_until(workspace, now)), now)
    return balance


def _factor(workspace: Workspace, terms: BillingTerms, now: datetime) -> Decimal:
    """What a dollar of usage takes at most: with tax, less the discount where every price is one that it holds for."""
    taxes = sum((share.percent for share in tax_rates_of(terms)), Decimal(0))
    agreed = in_force(pricing_of(workspace), month_of(now).start)
    discount = Decimal(0) if workspace.priceversion_set.exists() else agreed.discount_percent
    return WIDE.multiply((WHOLE - discount) / WHOLE, (WHOLE + taxes) / WHOLE)


def _valid_until(workspace: Workspace, now: datetime) -> datetime:
    """The next expiry of a grant, or the end of the month, when terms may change."""
    expiries = [each.grant.expires_at for each in remaining_grants(workspace)]
    return min([month_of(now).end, *(at for at in expiries if at is not None and at > now)])
