"""Bought credit that goes back as money: to the payments that are behind it as far as they go, else by a transfer.

Of credit whose payments cannot be refunded, or that was bought by hand, no payment tells: then it is owed to the customer as
itself until it is paid out.
"""

from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal

from django.db.models import F

from metering.credits import ledger
from metering.credits.booked import owed_as
from metering.credits.models import CreditGrant
from metering.journal.accounts import JournalAccount
from metering.journal.balances import balance_of_account
from metering.journal.entries import EntryDraft, Kind, Subaccount, between
from metering.journal.models import JournalBalance
from metering.journal.post import post
from metering.payments.booked import owed_for
from metering.payments.locks import lock_payment
from metering.payments.models import Payment, Refund
from metering.payments.refunds.models import KeptPayment
from metering.payments.refunds.refunds import begin_refund, left_of, refundable_amount
from metering.payments.refunds.withdrawals import withdraw_credit
from workspaces.models import Workspace

NOTHING = Decimal("0.00")
CREDIT_ID = "cred_"


def refund_credit(
    grant: CreditGrant, most: Decimal, reason: str, actor: str, now: datetime, reference: str = ""
) -> Iterator[Refund]:
    """Begins refunds of at most so much of what is left of the credit: at Stripe, or by the transfer that `reference` finds.

    The transaction holds the workspace.
    """
    outside = bool(reference)
    for payment_id, part in _behind(grant):
        payment = lock_payment(payment_id)
        if payment.method != Payment.Method.STRIPE and not outside:
            continue
        free = refundable_amount(payment) if part is None else min(part.amount - part.returned, left_of(payment) + part.amount)
        amount = min(most, free, ledger.remaining_of_grant(grant))
        if amount <= 0:
            continue
        if part is not None:
            _free_kept(part, amount, reason, actor, now)
        refund = begin_refund(payment_id, amount, reason, actor, now, reference=reference, outside=outside)
        if part is not None:
            refund.credit_taken = amount  # comes back should the refund fail
            refund.save(update_fields=["credit_taken"])
        yield refund
        most -= amount


def owe_credit(grant: CreditGrant, reason: str, actor: str, now: datetime) -> Decimal:
    """What is left of the credit is taken back and owed to its customer; how much."""
    if ledger.remaining_of_grant(grant) <= 0:
        return NOTHING
    if any(_behind(grant)):
        return withdraw_credit(grant, reason, actor, now)
    return ledger.reverse(grant, reason, actor, now, against=owed_as(grant))


def owed_credit(workspace: Workspace) -> list[tuple[CreditGrant, Decimal]]:
    """Credit that is to be paid out, oldest first: what was taken back, and of a closed workspace all that is left."""
    balances = JournalBalance.objects.filter(
        workspace=workspace, account=JournalAccount.OWED_TO_CUSTOMER, part__startswith=CREDIT_ID, balance__lt=0
    )
    parts = set(balances.values_list("part", flat=True))
    grants = CreditGrant.objects.filter(workspace=workspace, kind=CreditGrant.Kind.PURCHASED)
    if workspace.closed_at is None:
        grants = grants.filter(public_id__in=parts)
    found = [(grant, _owed(grant) + _left_over(grant)) for grant in grants.order_by("pk")]
    return [(grant, amount) for grant, amount in found if amount > 0]


def pay_out_credit(
    grant: CreditGrant, amount: Decimal, reason: str, reference: str, actor: str, now: datetime
) -> Iterator[str]:
    """Ids of what a transfer of so much of `owed_credit` settled: refunds of the payments behind it, else the credit itself."""
    withdrawn = min(amount, _owed(grant))
    if withdrawn > 0:
        ledger.restore(grant, withdrawn, reason, actor, now, owed_as(grant))
    rest = amount
    for refund in list(refund_credit(grant, amount, reason, actor, now, reference)):
        yield refund.public_id
        rest -= refund.amount
    if rest > 0:
        ledger.reverse(grant, reason, actor, now, rest, owed_as(grant))
        money = Subaccount(JournalAccount.MONEY_OTHER, grant.public_id)
        postings = between(rest, debited=owed_as(grant), credited=money)
        key = f"{Kind.PAYOUT}:{grant.public_id}:{reference}"
        entry = EntryDraft(Kind.PAYOUT, grant.workspace_id, grant.public_id, grant.currency, now, actor, postings, key=key)
        post(entry, now)
        yield grant.public_id


def _behind(grant: CreditGrant) -> Iterator[tuple[int, KeptPayment | None]]:
    """Primary keys of the payments that bought it, or of which a credit note kept it."""
    for pk in Payment.objects.filter(grant=grant).order_by("pk").values_list("pk", flat=True):
        yield pk, None
    for part in KeptPayment.objects.filter(grant=grant).order_by("pk"):
        yield part.payment_id, part


def _free_kept(part: KeptPayment, amount: Decimal, reason: str, actor: str, now: datetime) -> None:
    """So much of what was kept as credit is to go back as money."""
    ledger.reverse(part.grant, reason, actor, now, amount, owed_for(part.payment))
    part.returned += amount
    part.save(update_fields=["returned"])
    Payment.objects.filter(pk=part.payment_id).update(kept=F("kept") - amount)


def _owed(grant: CreditGrant) -> Decimal:
    return balance_of_account(grant.workspace_id, JournalAccount.OWED_TO_CUSTOMER, grant.currency, grant.public_id)


def _left_over(grant: CreditGrant) -> Decimal:
    return ledger.remaining_of_grant(grant) if grant.workspace.closed_at is not None else NOTHING
