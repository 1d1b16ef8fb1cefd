"""What the billing page shows: what is due and how it is paid, what is left, and the forms."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.conf import settings

from metering.invoicing.lifecycle.upcoming import carried_over
from metering.invoicing.models import Invoice
from metering.invoicing.terms.in_force import terms_of
from metering.invoicing.terms.models import BillingTerms
from metering.payments.accounts.customers import account_of
from metering.payments.as_json import grants_of
from metering.payments.balance.balance import balance_of
from metering.payments.collecting.minimum import is_below_minimum
from metering.payments.collecting.status_label import StatusLabel, invoices_with_status, is_in_progress, status_label_of
from metering.payments.models import Dunning, PaymentAccount, PaymentAttempt, TopUp
from metering.payments.provider.current import is_configured
from metering.payments.top_ups.as_json import top_up_url
from metering.website.billing.forms import BuyForm, ProfileForm, TopUpForm
from metering.website.billing.pay_button import PayButton, method_name, pay_button
from workspaces.models import Workspace

LISTED = 20
NOTHING = Decimal("0.00")


@dataclass(frozen=True, slots=True)
class OwedInvoice:
    """An invoice to be paid; `is_too_small` of it is due for a card."""

    invoice: Invoice
    standing: StatusLabel
    pay: PayButton | None
    is_too_small: bool


@dataclass(frozen=True, slots=True)
class Purchase:
    """A top-up that is not paid yet: in progress `since`, or to be paid on `page`."""

    top_up: TopUp
    since: datetime | None
    page: str | None


def billing_context(workspace: Workspace, now: datetime) -> dict[str, Any]:
    account, terms, balance = account_of(workspace), terms_of(workspace), balance_of(workspace, now)
    owed = owed_by(workspace, account, now)
    return {
        "workspace": workspace,
        "account": account,
        "method": method_name(account),
        "balance": balance,
        # Who pays afterwards and has no credit has no balance either: what is used is due later, not overdrawn.
        "has_balance": terms.mode == BillingTerms.Mode.PREPAID or balance.credits > 0,
        "stripe": is_configured(),
        "instructions": settings.PAYMENT_INSTRUCTIONS or f"{settings.SELLER_NAME} tells you how to pay open invoices.",
        "owed": owed,
        "due": sum((each.invoice.still_due for each in owed), NOTHING),
        "failed": len(failed_of(owed, account)),
        "carried": carried_over(workspace, now),
        "least": settings.INVOICE_MINIMUM,
        "purchases": purchases_of(workspace),
        "grants": grants_of(workspace)[:LISTED],
        "payments": workspace.payments.select_related("invoice", "grant").order_by("-pk")[:LISTED],
        "buy": BuyForm(),
        "preferences": TopUpForm.of(account, is_configured()),
        "profile": ProfileForm(initial=ProfileForm.initial_of(terms)),
    }


def owed_by(workspace: Workspace, account: PaymentAccount, now: datetime) -> list[OwedInvoice]:
    """By the day they are due, then by number."""
    invoices = invoices_with_status(workspace).owed().order_by("due_at__date", "number")
    return [
        OwedInvoice(invoice, status_label_of(invoice, now), pay_button(invoice, account), is_below_minimum(invoice.still_due))
        for invoice in invoices
    ]


def failed_of(owed: list[OwedInvoice], account: PaymentAccount) -> list[Invoice]:
    """Those that another method was declined for, and the one saved by now was never tried on."""
    if not is_configured() or not account.method_id:
        return []
    return [each.invoice for each in owed if each.pay and each.pay.since is None and _failed(each.invoice, account.method_id)]


def _failed(invoice: Invoice, method_id: str) -> bool:
    dunning = getattr(invoice, "dunning", None)
    tried = [each for each in invoice.attempts.all() if each.status != PaymentAttempt.Status.CANCELED]
    declined = any(each.status == PaymentAttempt.Status.DECLINED for each in tried)
    new = all(each.method_id != method_id for each in tried)
    return declined and new and dunning is not None and dunning.state != Dunning.State.SETTLED


def purchases_of(workspace: Workspace) -> list[Purchase]:
    """Newest first."""
    pending = workspace.top_ups.filter(status=TopUp.Status.PENDING).prefetch_related("attempts")
    found = []
    for top_up in pending[:LISTED]:
        attempt = next(iter(top_up.attempts.all()), None)
        in_progress = attempt is not None and is_in_progress(attempt)
        found.append(Purchase(top_up, top_up.created_at if in_progress else None, None if in_progress else top_up_url(top_up)))
    return found
