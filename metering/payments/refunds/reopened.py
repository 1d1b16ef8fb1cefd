"""What a customer owes again because a bank, or a person at Stripe, took back money that had paid for something.

An invoice that the money paid is due again. Credit that it bought is taken back as far as it is left; what invoices used of it
is due on those, the latest first. Credit that was transferred to other workspaces of its payer is followed there. The rest, if
there is one, stays with the payment, for a person. The transaction holds all of these workspaces.
"""

from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal

from django.db.models import F, Sum

from metering.credits.models import CreditEntry
from metering.credits.recalls import grants_with
from metering.invoicing.lifecycle.amount_due import close_reopened, reopen_due
from metering.invoicing.locks import lock_invoice
from metering.invoicing.models import Invoice
from metering.journal.entries import Subaccount
from metering.money import cents_text
from metering.payments.collecting.dunning import after_payment, restart_dunning
from metering.payments.mails.outbox import add_notice
from metering.payments.models import Dispute, Payment, Refund
from metering.payments.refunds.booked import due_on
from metering.payments.refunds.models import ReopenedAmount
from omixa_billing.instants import instant_text

NOTHING = Decimal("0.00")
ACTOR = "stripe"


def reopen_for(
    payment: Payment, cause: Dispute | Refund, amount: Decimal, why: str, now: datetime
) -> list[tuple[Subaccount, Decimal]]:
    """Makes `amount` of what the payment paid for owed again: how much by invoice, as far as it could be put on one."""
    rest, owed = amount, []
    for invoice_id, most in _invoices_of(payment):
        part = min(rest, most)
        if part > 0:
            invoice = lock_invoice(invoice_id)
            owed.append((due_on(invoice), part))
            _owe(invoice, payment, cause, part, why, now)
            rest -= part
    return owed


def lift(cause: Dispute | Refund, why: str, now: datetime, actor: str = ACTOR) -> list[tuple[Subaccount, Decimal]]:
    """The money of a dispute or a refund came back: what of it is not due on its invoices any more, by invoice.

    It may be taken, and come back, more than once.
    """
    lifted = []
    for each in cause.reopened.select_for_update().order_by("pk"):
        invoice = lock_invoice(each.invoice_id)
        due, rest = due_on(invoice), each.rest
        part = close_reopened(invoice, rest, why, actor, now)
        each.lifted += part
        each.paid_otherwise += rest - part
        each.save(update_fields=["lifted", "paid_otherwise"])
        lifted.append((due, part))
        if part > 0:
            key = f"payment_reinstated:{invoice.public_id}:{each.pk}"
            add_notice(invoice.workspace, "payment_reinstated", key, _context(invoice, part, why), now)
        if invoice.status == Invoice.Status.PAID:
            after_payment(invoice, now)
    return lifted


def _invoices_of(payment: Payment) -> Iterator[tuple[int, Decimal]]:
    """Primary keys of the invoices that the payment paid, or that used credit that it bought, and how much it was of each."""
    if payment.invoice_id is not None:
        yield payment.invoice_id, payment.amount
    if payment.grant is None:
        return
    used = (
        CreditEntry.objects.filter(grant__in=list(grants_with(payment.grant)), invoice__status__in=Invoice.FINALIZED)
        .order_by()
        .values_list("invoice")
        .annotate(moved=Sum("amount"))
        .order_by("-invoice")
    )
    reopened = ReopenedAmount.objects.filter(payment=payment).order_by().values_list("invoice")
    before = dict(reopened.annotate(sum=Sum(F("amount") - F("lifted") - F("paid_otherwise"))))
    for invoice_id, moved in used:
        yield invoice_id, -moved - before.get(invoice_id, NOTHING)


def _owe(invoice: Invoice, payment: Payment, cause: Dispute | Refund, amount: Decimal, why: str, now: datetime) -> None:
    reopen_due(invoice, amount, why, cause.recorded_by if isinstance(cause, Dispute) else ACTOR, now)
    of_dispute = {"dispute": cause} if isinstance(cause, Dispute) else {"refund": cause}
    reopened = ReopenedAmount.objects.create(invoice=invoice, payment=payment, amount=amount, at=now, **of_dispute)
    restart_dunning(invoice)
    key = f"payment_reversed:{invoice.public_id}:{reopened.pk}"  # a dispute may be lost, won and lost again
    add_notice(invoice.workspace, "payment_reversed", key, _context(invoice, amount, why), now)


def _context(invoice: Invoice, amount: Decimal, why: str) -> dict[str, str]:
    """What the mails say of it: how much of the invoice is owed again, or is not any more."""
    return {
        "invoice_id": invoice.public_id,
        "number": str(invoice.number),
        "amount": cents_text(amount),
        "amount_due": cents_text(invoice.amount_due),
        "due_at": instant_text(invoice.due_at) or "",
        "why": why,
    }
