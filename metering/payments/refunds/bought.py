"""Credit that a payment paid for: it goes with its money, wherever it was transferred to, and comes back with it.

It bought credit, or a credit note made credit of what it had paid. The transaction holds the payment and the workspaces that
have this credit.
"""

from datetime import datetime
from decimal import Decimal

from django.db.models import F, Q, Sum

from metering.credits import ledger
from metering.credits.models import CreditGrant
from metering.credits.recalls import Cause, recall, send_back
from metering.payments.booked import left_owed_for, owed_for
from metering.payments.models import Dispute, Payment, Refund

NOTHING = Decimal("0.00")


def cause_of(about: Dispute | Refund) -> Cause:
    """Why credit is taken."""
    if isinstance(about, Dispute):
        return Cause(about.stripe_id, f"In dispute: {about.found_as}", about.recorded_by)
    return Cause(about.public_id, about.reason, about.started_by)


def reclaim(payment: Payment, most: Decimal, cause: Cause, now: datetime) -> tuple[Decimal, Decimal]:
    """Takes back at most so much of what the payment paid for: what of it had been withdrawn before, which goes first, and how
    much credit.
    """
    withdrawn = min(left_owed_for(payment), most)
    if payment.grant is None:
        return withdrawn, return_kept(payment, most - withdrawn, cause, now)
    return withdrawn, _withdraw_left(payment.grant, payment, most - withdrawn, cause, now)


def restore_bought(grant: CreditGrant, payment: Payment, amount: Decimal, cause: Cause, now: datetime) -> None:
    """So much of it comes back, and what was transferred goes to where it was."""
    ledger.restore(grant, amount, cause.why, cause.actor, now, owed_for(payment))
    send_back(grant, amount, cause, now)


def return_kept(payment: Payment, most: Decimal, cause: Cause, now: datetime) -> Decimal:
    """Takes back what credit notes made credit of this payment, the latest first, as far as that is left; how much."""
    returned = NOTHING
    for part in payment.kept_parts.select_for_update(of=("self",)).select_related("grant").order_by("-pk"):
        reclaimed = _withdraw_left(part.grant, payment, min(part.amount - part.returned, most - returned), cause, now)
        part.returned += reclaimed
        part.save(update_fields=["returned"])
        returned += reclaimed
    _note_kept(payment, -returned)
    return returned


def reclaim_kept_beyond(refund: Refund, payment: Payment, now: datetime) -> Decimal:
    """How much goes back beyond the payment with this refund; what credit notes made credit of it is taken back for that, as
    far as that is left: `credit_taken` says how far.

    Refunds at Stripe that are not in `refunded` yet count; those of ours fail where too little is left.
    """
    going = payment.refunds.unsettled().filter(Q(pk=refund.pk) | Q(origin=Refund.Origin.PROVIDER))
    unsettled = going.aggregate(sum=Sum("amount"))["sum"] or NOTHING
    gone = payment.refunded + unsettled + payment.kept + payment.charged_back
    beyond = max(gone - payment.reopened - payment.amount, NOTHING)
    refund.credit_taken = return_kept(payment, beyond, cause_of(refund), now)
    return beyond


def restore_kept(payment: Payment, amount: Decimal, cause: Cause, now: datetime) -> None:
    """So much of that comes back."""
    rest = amount
    for part in payment.kept_parts.select_for_update(of=("self",)).select_related("grant").order_by("-pk"):
        back = min(rest, part.returned)
        if back > 0:
            restore_bought(part.grant, payment, back, cause, now)
            part.returned -= back
            part.save(update_fields=["returned"])
            rest -= back
    _note_kept(payment, amount - rest)


def _withdraw_left(grant: CreditGrant, payment: Payment, most: Decimal, cause: Cause, now: datetime) -> Decimal:
    left = ledger.remaining_of_grant(grant)
    if left < most:
        left += recall(grant, most - left, cause, now)
    reclaimed = min(left, most)
    return ledger.reverse(grant, cause.why, cause.actor, now, reclaimed, owed_for(payment)) if reclaimed > 0 else NOTHING


def _note_kept(payment: Payment, change: Decimal) -> None:
    Payment.objects.filter(pk=payment.pk).update(kept=F("kept") + change)
    payment.kept += change
