"""What banks and Stripe do with payments, as webhooks report it."""

from decimal import Decimal
from typing import Any

from metering.invoicing.models import Invoice
from metering.journal.accounts import JournalAccount
from metering.journal.balances import balance_of_account
from metering.payments.balance.balance import balance_of
from metering.payments.models import Payment
from metering.payments.webhooks.inbox import handle_waiting
from tests.kit.factories import NOW
from tests.kit.paying import send_event
from tests.kit.stripe_server import StripeServer
from workspaces.models import Workspace


def deliver(stripe: StripeServer, kind: str, about: dict[str, Any], moment: Any = NOW) -> None:
    send_event(stripe, kind, about)
    assert handle_waiting(moment)["failed"] == 0


def disputed(stripe: StripeServer, payment: Payment, cents: int | None = None) -> dict[str, Any]:
    dispute = stripe.dispute(str(payment.intent_id))
    dispute.update({"amount": cents or dispute["amount"], "balance_transactions": [{"fee": 1500, "currency": "usd"}]})
    deliver(stripe, "charge.dispute.created", dispute)
    return dispute


def ends(stripe: StripeServer, dispute: dict[str, Any], status: str, kind: str = "charge.dispute.closed") -> None:
    dispute["status"] = status
    deliver(stripe, kind, dispute)


def left(workspace: Workspace) -> Decimal:
    return balance_of(workspace, NOW).left


def invoice_now() -> tuple[str, Decimal, Decimal]:
    invoice = Invoice.objects.get()
    return invoice.status, invoice.amount_due, invoice.amount_paid


def surplus_and_chargebacks(workspace: Workspace) -> tuple[Decimal, Decimal]:
    accounts = (JournalAccount.SURPLUS, JournalAccount.CHARGEBACKS)
    of_surplus, lost = (balance_of_account(workspace.pk, each, "USD") for each in accounts)
    return of_surplus, lost
