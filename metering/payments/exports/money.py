"""Money that came and went, by the journal: each row is what one entry moved of the accounts of money, by the day of the act.

What Stripe and banks keep for themselves is the operator's alone, and no row.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime

from metering.invoicing.credit_notes.models import CreditNote
from metering.journal.accounts import MONEY, JournalAccount
from metering.journal.entries import Kind
from metering.journal.models import JournalPosting
from metering.money import currency_text
from metering.payments.exports.rows import Row, of_workspace, some_at_once
from metering.payments.models import Payment, Refund
from metering.periods import Period
from omixa_billing.instants import instant_text
from workspaces.models import Workspace

DOCUMENTS = {
    Kind.PAYMENT_RECEIVED: "payment",
    Kind.REFUND_MADE: "refund",
    Kind.REFUND_FAILED: "refund_failed",
    Kind.DISPUTE_OPENED: "chargeback",
    Kind.DISPUTE_WON: "chargeback_reversed",
    Kind.PAYOUT: "payout",
    Kind.CREDIT_NOTE_SETTLED: "credit_note",
    Kind.CREDIT_GRANTED: "credit",
    Kind.CREDIT_REVERSED: "credit",
}
METHODS = {
    JournalAccount.MONEY_STRIPE: Payment.Method.STRIPE.value,
    JournalAccount.MONEY_BANK: Payment.Method.BY_HAND.value,
    JournalAccount.MONEY_OTHER: "other",
}


def payments(period: Period, workspace: Workspace | None) -> Iterator[Row]:
    """What came and, below zero, what went back in the period: refunds as they were made, what banks took, payouts."""
    moved = JournalPosting.objects.filter(
        account__in=MONEY, entry__happened_at__gte=period.start, entry__happened_at__lt=period.end
    ).exclude(entry__kind=Kind.PROVIDER_FEE)
    ordered = of_workspace(moved, workspace).select_related("entry", "workspace").order_by("entry__happened_at", "pk")
    for some in some_at_once(ordered):
        about = _About(some, period.end)
        for posting in some:
            entry = posting.entry
            yield [
                DOCUMENTS[Kind(entry.kind)],
                entry.document,
                instant_text(entry.happened_at),
                posting.workspace.public_id,
                about.paid_for(posting.part),
                METHODS[JournalAccount(posting.account)],
                about.reference(entry.document, posting.part),
                posting.currency,
                currency_text(posting.amount, posting.currency),
            ]


class _About:
    """What postings are about, read for many together."""

    def __init__(self, postings: Sequence[JournalPosting], end: datetime) -> None:
        parts, documents = {each.part for each in postings}, {each.entry.document for each in postings}
        found = Payment.objects.filter(public_id__in=parts).select_related("invoice", "grant")
        self.payments = {each.public_id: each for each in found}
        self.refunds = {each.public_id: each for each in Refund.objects.filter(public_id__in=documents)}
        self.notes = {each.public_id: each for each in CreditNote.objects.filter(public_id__in=documents)}
        self.end = end

    def paid_for(self, part: str) -> str:
        """By the end of the period: an invoice's number, a credit's id, or why it settled nothing."""
        payment = self.payments.get(part)
        if payment is None:
            return part
        if payment.invoice is not None:
            return str(payment.invoice.number)
        return payment.grant.public_id if payment.grant and payment.grant.granted_at < self.end else payment.surplus

    def reference(self, document: str, part: str) -> str:
        """Where it is found: what a person stated of it, else Stripe's id of the payment."""
        refund, note, payment = self.refunds.get(document), self.notes.get(document), self.payments.get(part)
        if note is not None:
            return note.reference or note.reason
        if refund is not None and refund.reference:
            return refund.reference
        return "" if payment is None else payment.intent_id or ("" if refund is not None else payment.reference)
