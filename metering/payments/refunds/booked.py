"""What disputes, and what was given back beyond a payment, are in the journal. The table of all acts is in docs/journal.md.

Banks and Stripe are never refused: each entry moves what is there by then, so late and repeated news finds nothing to move.
"""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

from django.db.models import Q

from metering.invoicing.booked import receivable_of
from metering.invoicing.models import Invoice
from metering.journal.accounts import JournalAccount
from metering.journal.balances import balance_of_account
from metering.journal.entries import EntryDraft, Kind, Posting, Subaccount, between, credit, debit, posting_on
from metering.journal.models import JournalEntry
from metering.journal.post import post, posted_under
from metering.payments.booked import book_provider_fee, left_of_surplus, money_of, owed_for, surplus_of
from metering.payments.models import Dispute, Payment, Refund

NOTHING = Decimal("0.00")


def due_on(invoice: Invoice) -> Subaccount:
    """Where what is owed on it stands: an uncollectible one is not expected to be paid. It may be another workspace's."""
    is_written_off = invoice.status == Invoice.Status.UNCOLLECTIBLE
    due = Subaccount(JournalAccount.BAD_DEBT) if is_written_off else receivable_of(invoice)
    return due._replace(workspace_id=invoice.workspace_id)


def held_by(dispute: Dispute, payment: Payment) -> Decimal:
    """What of the payment the bank holds back for it now."""
    return balance_of_account(payment.workspace_id, JournalAccount.IN_DISPUTE, dispute.currency, dispute.stripe_id)


def book_in_dispute(dispute: Dispute, payment: Payment, amount: Decimal, now: datetime) -> None:
    """So much of the payment is held by the bank from now on, whatever it held before."""
    held = Subaccount(JournalAccount.IN_DISPUTE, dispute.stripe_id)
    change = amount - held_by(dispute, payment)
    if change > 0:
        _post(dispute, payment, Kind.DISPUTE_OPENED, between(change, held, money_of(payment)), now)
    elif change < 0:
        _post(dispute, payment, Kind.DISPUTE_WON, between(-change, money_of(payment), held), now)


def book_lost(dispute: Dispute, payment: Payment, owed: Sequence[tuple[Subaccount, Decimal]], now: datetime) -> None:
    """The money is gone: `owed` is what invoices are due for again. Credit that was blocked, or a surplus, bears it too; what
    these leave is a chargeback that we bear. Stripe's fee is booked beside it.
    """
    book_in_dispute(dispute, payment, dispute.charged_back, now)
    borne = [(owed_for(payment), dispute.credit_blocked), *owed]
    left = dispute.charged_back - sum((amount for _, amount in borne), NOTHING)
    of_surplus = min(left_of_surplus(payment), left)
    borne.append((surplus_of(payment), of_surplus))
    left -= of_surplus
    postings = [
        *(posting_on(each, amount) for each, amount in borne),
        debit(JournalAccount.CHARGEBACKS, left),
        credit(JournalAccount.IN_DISPUTE, dispute.charged_back, dispute.stripe_id),
    ]
    _post(dispute, payment, Kind.DISPUTE_LOST, postings, now)
    if dispute.fee > 0:
        book_provider_fee(payment, dispute.fee, dispute.stripe_id, dispute.opened_at, now)


def borne_by_surplus(dispute: Dispute) -> Decimal:
    """What of a payment that settled nothing was lost with the dispute when it was lost last."""
    of_money = Q(document=dispute.stripe_id, kind=Kind.DISPUTE_LOST, postings__account=JournalAccount.IN_DISPUTE)
    lost = JournalEntry.objects.filter(of_money).order_by("pk").last()
    found = posted_under(lost.key) if lost else []
    return sum((each.amount for each in found if each.account == JournalAccount.SURPLUS), NOTHING)


def book_reinstated(
    dispute: Dispute, payment: Payment, lifted: Sequence[tuple[Subaccount, Decimal]], actor: str, now: datetime
) -> None:
    """The bank paid after all: what losing it debited is credited. What its invoices do not owe any more, having been paid
    otherwise, is a surplus of the payment.
    """
    back = [(owed_for(payment), dispute.credit_blocked), *lifted]
    left = dispute.charged_back - sum((amount for _, amount in back), NOTHING)
    postings = [
        posting_on(money_of(payment), dispute.charged_back),
        *(posting_on(each, -amount) for each, amount in back),
        credit(JournalAccount.CHARGEBACKS, left),
    ]
    _post(dispute, payment, Kind.DISPUTE_WON, postings, now, actor)


def book_owed_for_refund(refund: Refund, owed: Sequence[tuple[Subaccount, Decimal]], now: datetime) -> None:
    """What Stripe gave back beyond the payment is due on invoices."""
    whole = sum((amount for _, amount in owed), NOTHING)
    postings = [*(posting_on(each, amount) for each, amount in owed), _ahead(refund.payment, -whole)]
    _post_of_refund(refund, postings, "owed", now)


def book_refund_lifted(refund: Refund, lifted: Sequence[tuple[Subaccount, Decimal]], whole: Decimal, now: datetime) -> None:
    """It failed: its invoices are not due for it any more, and what was paid on them meanwhile is owed to the customer."""
    rest = whole - sum((amount for _, amount in lifted), NOTHING)
    owed = owed_for(refund.payment)
    postings = [
        _ahead(refund.payment, whole),
        *(posting_on(each, -amount) for each, amount in lifted),
        credit(owed.account, rest, owed.part),
    ]
    _post_of_refund(refund, postings, "lifted", now)


def book_released_to_refund(by: Refund | Dispute, refund: Refund, amount: Decimal, now: datetime) -> None:
    """Credit that a refund or a dispute does not take any more has no money: this other refund had it."""
    payment = refund.payment
    postings = [posting_on(owed_for(payment), amount), _ahead(payment, -amount)]
    if isinstance(by, Refund):
        _post_of_refund(by, postings, f"absorbed:{refund.stripe_id}", now)
    else:
        _post(by, payment, Kind.DISPUTE_WON, postings, now)


def book_released_to_dispute(dispute: Dispute, payment: Payment, amount: Decimal, now: datetime) -> None:
    """The same of what a bank had in this dispute: less of it is borne by us."""
    postings = [posting_on(owed_for(payment), amount), credit(JournalAccount.CHARGEBACKS, amount)]
    _post(dispute, payment, Kind.DISPUTE_LOST, postings, now)


def ahead_for(payment: Payment) -> Decimal:
    """What was refunded ahead of a credit note of the invoice that the payment paid, else of the payment."""
    ahead = _ahead(payment, NOTHING)
    return balance_of_account(payment.workspace_id, ahead.account, payment.currency, ahead.part)


def _ahead(payment: Payment, amount: Decimal) -> Posting:
    """What is refunded ahead as refunds begin, of the payment's invoice or else of the payment. A debit above zero."""
    part = payment.invoice.public_id if payment.invoice else payment.public_id
    return debit(JournalAccount.REFUNDED_AHEAD, amount, part)


def _post(dispute: Dispute, payment: Payment, kind: Kind, postings: Sequence[Posting], now: datetime, actor: str = "") -> None:
    """One after another: a dispute may be opened, lost and won more than once."""
    before = JournalEntry.objects.filter(document=dispute.stripe_id).count()
    post(
        EntryDraft(
            kind=kind,
            workspace_id=payment.workspace_id,
            document=dispute.stripe_id,
            currency=payment.currency,
            happened_at=now,
            actor=actor or dispute.recorded_by,
            postings=postings,
            key=f"{kind}:{dispute.stripe_id}:{before}",
            is_news=True,
        ),
        now,
    )


def _post_of_refund(refund: Refund, postings: Sequence[Posting], what: str, now: datetime) -> None:
    post(
        EntryDraft(
            kind=Kind.WRITE_OFF_REVERSED if what == "owed" else Kind.REFUND_FAILED,
            workspace_id=refund.payment.workspace_id,
            document=refund.public_id,
            currency=refund.currency,
            happened_at=now,
            actor=refund.started_by,
            postings=postings,
            key=f"refund_{what}:{refund.public_id}",
            is_news=True,
        ),
        now,
    )
