"""What payments and refunds are in the journal; refunds/booked.py has disputes. The table of all acts is in docs/journal.md."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

from django.db.models import Q, Sum

from metering.invoicing.booked import receivable_of, write_off_reversed
from metering.invoicing.credit_notes.models import CreditNote
from metering.invoicing.models import Invoice
from metering.journal.accounts import JournalAccount
from metering.journal.balances import balance_of_account
from metering.journal.entries import EntryDraft, Kind, Posting, Subaccount, between, credit, debit, opposite
from metering.journal.post import post, post_many, posted_under
from metering.payments.models import Payment, Refund

NOTHING = Decimal("0.00")
CHANNELS = {Payment.Method.STRIPE: JournalAccount.MONEY_STRIPE, Payment.Method.BY_HAND: JournalAccount.MONEY_BANK}


def money_of(payment: Payment) -> Subaccount:
    return Subaccount(CHANNELS[Payment.Method(payment.method)], payment.public_id)


def surplus_of(payment: Payment) -> Subaccount:
    return Subaccount(JournalAccount.SURPLUS, payment.public_id)


def owed_for(document: CreditNote | Payment) -> Subaccount:
    """What a customer is to get back by a credit note, or of credit that a payment had bought."""
    return Subaccount(JournalAccount.OWED_TO_CUSTOMER, document.public_id)


def left_owed_for(payment: Payment) -> Decimal:
    """What of credit that the payment bought, or that a credit note made of it, was withdrawn and did not go back yet.

    Without what disputes block.
    """
    blocking = payment.disputes.filter(Q(lost_at=None) | Q(reinstated_at__isnull=False))
    blocked = blocking.aggregate(sum=Sum("credit_blocked"))["sum"] or NOTHING
    return _left(payment, owed_for(payment)) - blocked


def left_of_surplus(payment: Payment) -> Decimal:
    """What of it settles nothing and did not go back."""
    return _left(payment, surplus_of(payment))


def of_surplus(refund: Refund) -> Decimal:
    """What of a refund came out of money that settled nothing."""
    begun = posted_under(f"{Kind.REFUND_BEGUN}:{refund.public_id}")
    return sum((each.amount for each in begun if each.account == JournalAccount.SURPLUS), NOTHING)


def book_payment(payment: Payment, invoice: Invoice | None, now: datetime) -> None:
    """Money that pays an invoice, or that is a surplus until it is assigned: before what is due is lowered by it.

    What an uncollectible invoice is paid after all is owed again first.
    """
    paid = surplus_of(payment) if invoice is None else receivable_of(invoice)
    entries = [_news(payment, Kind.PAYMENT_RECEIVED, between(payment.amount, money_of(payment), paid), payment.received_at)]
    if invoice is not None and invoice.status == Invoice.Status.UNCOLLECTIBLE:
        entries.insert(0, write_off_reversed(invoice, payment.amount, payment.public_id, payment.recorded_by, now))
    post_many(entries, now)


def book_refund_begun(refund: Refund, now: datetime) -> None:
    """Out of what is owed for its credit note, or for the credit that was withdrawn for it, or out of a surplus.

    What goes back beyond these stands as refunded ahead of a credit note.
    """
    payment, note = refund.payment, refund.credit_note
    owed, surplus = owed_for(note or payment), surplus_of(payment)
    ahead = Subaccount(JournalAccount.REFUNDED_AHEAD, payment.invoice.public_id if payment.invoice else payment.public_id)
    postings, missing = [], refund.amount
    of_owed = _left(payment, owed) if note else left_owed_for(payment)
    for source, there in ((owed, of_owed), (surplus, left_of_surplus(payment))):
        used = min(there, missing)
        postings.append(debit(source.account, used, source.part))
        missing -= used
    postings.append(debit(ahead.account, missing, ahead.part))
    postings.append(credit(JournalAccount.REFUNDS_IN_PROGRESS, refund.amount, payment.public_id))
    post(_of_refund(refund, Kind.REFUND_BEGUN, postings, refund.started_at), now)


def _left(payment: Payment, source: Subaccount) -> Decimal:
    return balance_of_account(payment.workspace_id, source.account, payment.currency, source.part)


def money_of_refund(refund: Refund) -> Subaccount:
    """What a person sends back goes by bank, however the payment came."""
    by_hand = Subaccount(JournalAccount.MONEY_BANK, refund.payment.public_id)
    return by_hand if refund.reference else money_of(refund.payment)


def book_refund_made(refund: Refund, now: datetime) -> None:
    money = money_of_refund(refund)
    progress = Subaccount(JournalAccount.REFUNDS_IN_PROGRESS, refund.payment.public_id)
    post(_of_refund(refund, Kind.REFUND_MADE, between(refund.amount, progress, money), now), now)


def book_refund_failed(refund: Refund, was_made: bool, now: datetime) -> None:
    """What it was begun out of is owed as before; the money that was gone, or was on its way, is back."""
    begun = posted_under(f"{Kind.REFUND_BEGUN}:{refund.public_id}")
    back = [part for each in opposite(begun) for part in _still_ahead(each, refund.payment)]
    if was_made:
        money = money_of_refund(refund)
        back = [*(each for each in back if each.amount < 0), debit(money.account, refund.amount, money.part)]
    post(_of_refund(refund, Kind.REFUND_FAILED, back if begun else [], now), now)


def _still_ahead(back: Posting, payment: Payment) -> list[Posting]:
    """What is still refunded ahead of a credit note; what credit notes settled of it since is owed to the customer again."""
    if back.account != JournalAccount.REFUNDED_AHEAD:
        return [back]
    there, owed = _left(payment, Subaccount(back.account, back.part)), owed_for(payment)
    ahead = min(-back.amount, there)
    return [credit(back.account, ahead, back.part), credit(owed.account, -back.amount - ahead, owed.part)]


def refunded_ahead_of(invoice: Invoice) -> Decimal:
    """What went back of its payments, and no credit note says for what."""
    return balance_of_account(invoice.workspace_id, JournalAccount.REFUNDED_AHEAD, invoice.currency, invoice.public_id)


def book_settled_outside(note: CreditNote, amount: Decimal, actor: str, now: datetime) -> None:
    """What a person gave back of a credit note without a refund here: refunded ahead of it, or sent in another way."""
    invoice = note.invoice
    settled = min(refunded_ahead_of(invoice), amount)
    postings = [
        debit(JournalAccount.OWED_TO_CUSTOMER, amount, note.public_id),
        credit(JournalAccount.REFUNDED_AHEAD, settled, invoice.public_id),
        credit(JournalAccount.MONEY_OTHER, amount - settled, note.public_id),
    ]
    entry = EntryDraft(Kind.CREDIT_NOTE_SETTLED, invoice.workspace_id, note.public_id, note.currency, now, actor, postings)
    post(entry, now)


def book_provider_fee(payment: Payment, amount: Decimal, about: str, happened_at: datetime, now: datetime) -> None:
    """What Stripe keeps for a payment or a dispute; `about` is its id there, for which it is booked once.

    It is no part of the payment, of which all may have gone back.
    """
    fee = between(amount, Subaccount(JournalAccount.PROVIDER_FEES), Subaccount(money_of(payment).account, about))
    post(_news(payment, Kind.PROVIDER_FEE, fee, happened_at, key=f"{Kind.PROVIDER_FEE}:{about}"), now)


def _news(payment: Payment, kind: Kind, postings: Sequence[Posting], happened_at: datetime, key: str = "") -> EntryDraft:
    """About money that moved outside: where the books of its day are locked it is booked on the first open one."""
    return EntryDraft(
        kind=kind,
        workspace_id=payment.workspace_id,
        document=payment.public_id,
        currency=payment.currency,
        happened_at=happened_at,
        actor=payment.recorded_by,
        postings=postings,
        key=key,
        is_news=True,
    )


def _of_refund(refund: Refund, kind: Kind, postings: Sequence[Posting], happened_at: datetime) -> EntryDraft:
    workspace, actor = refund.payment.workspace_id, refund.started_by
    return EntryDraft(kind, workspace, refund.public_id, refund.currency, happened_at, actor, postings, is_news=True)
