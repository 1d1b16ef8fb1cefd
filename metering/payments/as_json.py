"""Balances, credits and payments of invoices as the API prints them."""

from decimal import Decimal
from typing import Any

from django.db.models import Q, QuerySet, Sum

from metering.credits.models import CreditEntry, CreditGrant, CreditTransfer
from metering.money import cents_text, exact_text
from metering.payments.balance.balance import Balance
from metering.payments.balance.transfer import grants_of_transfer
from metering.payments.collecting.pay_invoice import PaymentRequest
from omixa_billing.instants import instant_text
from workspaces.models import Workspace

NOTHING = Decimal(0)


def balance_json(balance: Balance) -> dict[str, Any]:
    return {
        "object": "balance",
        "balance": exact_text(balance.left),
        "credits": cents_text(balance.credits),
        **{kind: cents_text(amount) for kind, amount in balance.by_kind.items()},
        "unbilled_usage": exact_text(balance.unbilled),
        "unbilled_tax": cents_text(balance.tax),
        "currency": balance.workspace.currency,
        "as_of": instant_text(balance.at),
    }


def transfer_json(transfer: CreditTransfer) -> dict[str, Any]:
    """The transfer with the credits that it became."""
    return {
        "object": "credit_transfer",
        "id": transfer.public_id,
        "from_workspace_id": transfer.from_workspace.public_id,
        "to_workspace_id": transfer.to_workspace.public_id,
        "amount": cents_text(transfer.amount),
        "currency": transfer.currency,
        "reference": transfer.reference,
        "reason": transfer.reason,
        "one_payer": transfer.one_payer,
        "credits": [
            {"id": grant.public_id, "kind": grant.kind, "amount": cents_text(grant.amount)}
            for grant in grants_of_transfer(transfer)
        ],
        "transferred_at": instant_text(transfer.at),
    }


def grants_of(workspace: Workspace) -> QuerySet[CreditGrant]:
    """Newest first, each with what became of it."""
    grants = CreditGrant.objects.filter(workspace=workspace).order_by("-pk")
    kinds = CreditEntry.Kind
    reversed_grants = Q(entries__kind=kinds.REVERSAL, entries__invoice__isnull=True)
    used = Q(entries__kind=kinds.CONSUMPTION) | Q(entries__kind=kinds.REVERSAL, entries__invoice__isnull=False)
    return grants.annotate(
        left=Sum("entries__amount"),
        used=Sum("entries__amount", filter=used),
        expired=Sum("entries__amount", filter=Q(entries__kind=kinds.EXPIRY)),
        taken_back=Sum("entries__amount", filter=reversed_grants),
    )


def grant_json(grant: Any) -> dict[str, Any]:
    """A grant of `grants_of`: amount = left + used + expired + reversed + transferred, less what of that came back."""
    moved = [each or NOTHING for each in (grant.used, grant.expired, grant.taken_back)]
    return {
        "object": "credit",
        "id": grant.public_id,
        "kind": grant.kind,
        "amount": cents_text(grant.amount),
        "left": cents_text(grant.left or NOTHING),
        **{name: cents_text(-amount) for name, amount in zip(("used", "expired", "reversed"), moved, strict=True)},
        "transferred": cents_text(grant.amount + sum(moved, NOTHING) - (grant.left or NOTHING)),
        "currency": grant.currency,
        "priority": grant.priority,
        "note": grant.note,
        "granted_at": instant_text(grant.granted_at),
        "expires_at": instant_text(grant.expires_at),
    }


def entry_json(entry: CreditEntry) -> dict[str, Any]:
    return {
        "object": "credit_entry",
        "id": entry.public_id,
        "kind": entry.kind,
        "amount": cents_text(entry.amount),
        "invoice_id": entry.invoice.public_id if entry.invoice else None,
        "reason": entry.reason,
        "at": instant_text(entry.at),
    }


def invoice_payment_json(asked: PaymentRequest) -> dict[str, Any]:
    return {
        "object": "invoice_payment",
        "invoice_id": asked.invoice.public_id,
        "status": asked.invoice.status,
        "payment_page": asked.page,
        "attempt": asked.attempt.status if asked.attempt else None,
        "message": asked.attempt.message if asked.attempt else "",
    }
