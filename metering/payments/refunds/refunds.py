"""Money back: written first, asked of Stripe second. What came by hand goes back by hand.

Money that bought credit takes what is left of that credit along. What a person refunds at Stripe itself: see external.py; what
became of either: outcomes.py.
"""

from datetime import datetime
from decimal import Decimal

import structlog
from django.db import transaction
from django.db.models import Sum

from metering.checked_inputs import check_fraction, checked_amount, checked_reference
from metering.credits import ledger
from metering.errors import NothingToCredit
from metering.invoicing.credit_notes.models import CreditNote
from metering.money import cents_text
from metering.payments.announced import announce_refund
from metering.payments.booked import (
    book_refund_begun,
    book_refund_made,
    left_of_surplus,
    left_owed_for,
    owed_for,
)
from metering.payments.disputes.disputes import in_dispute
from metering.payments.locks import lock_payment
from metering.payments.mails.money import mail_refund
from metering.payments.models import Payment, Refund
from metering.payments.provider.calls import end_turn, is_final, recover_rows, reserve_turn
from metering.payments.provider.current import provider
from metering.payments.provider.errors import ProviderRefused, ProviderUnavailable, RefundImpossible
from metering.payments.provider.objects import ProviderRefund
from metering.payments.refunds.external import record_refund
from metering.payments.refunds.outcomes import apply_refund, finish_refund, refund_status
from omixa_billing.api.errors import InvalidParameter
from omixa_billing.instants import Clock
from workspaces import audit

log = structlog.get_logger(__name__)

NOTHING = Decimal("0.00")


def begin_refund(
    payment_id: int,
    amount: Decimal,
    reason: str,
    actor: str,
    now: datetime,
    credit_note: CreditNote | None = None,
    reference: str = "",
    outside: bool = False,
) -> Refund:
    """A refund of a payment, written and not yet sent: `sync_refund` sends it, or the next run does.

    What came by hand a person sends back, or all that is settled `outside`, and `reference` says where that money is found.
    Never more than is left of the payment, refunds in progress, disputes and what was kept as credit included, nor than is left
    of the credit that it bought, with what of that was withdrawn.

    Raises NothingToCredit and InvalidParameter.
    """
    if not reason.strip():
        raise InvalidParameter("Say why the money goes back.", param="reason")
    checked_amount(amount)
    with transaction.atomic():
        payment = lock_payment(payment_id)
        check_fraction(amount, payment.currency)
        by_hand = outside or payment.method == Payment.Method.BY_HAND
        reference = checked_reference(reference, "refund") if by_hand else ""
        left = refundable_amount(payment)
        if amount > left:
            raise NothingToCredit(f"{cents_text(left)} of this payment are left to give back.", param="amount")
        refund = Refund(
            payment=payment,
            credit_note=credit_note,
            amount=amount,
            currency=payment.currency,
            reason=reason.strip()[:300],
            reference=reference,
            started_at=now,
            started_by=actor,
        )
        refund.idempotency_key = f"refund-{refund.public_id}"
        if payment.grant is not None:
            refund.of_withdrawn = min(amount, left_owed_for(payment))
            rest = max(NOTHING, amount - refund.of_withdrawn - left_of_surplus(payment))
            if rest > 0:
                ledger.reverse(payment.grant, refund.reason, actor, now, rest, owed_for(payment))
            refund.credit_taken = refund.of_withdrawn + rest
        if by_hand:
            refund.status, refund.settled_at = Refund.Status.SUCCEEDED, now
            payment.refunded += amount
            payment.save(update_fields=["refunded"])
        refund.save()
        book_refund_begun(refund, now)
        if by_hand:
            book_refund_made(refund, now)
        details = {"amount": cents_text(amount), "reason": reason} | ({"reference": refund.reference} if by_hand else {})
        audit.record(actor, "payment.refund", refund.public_id, payment.workspace, now=now, **details)
        if by_hand:
            announce_refund(refund, now)
            mail_refund(refund, now)
        return refund


def refund(payment_id: int, amount: Decimal, reason: str, actor: str, now: datetime, reference: str = "") -> Refund:
    """`begin_refund` and, outside the transaction, `sync_refund`. What Stripe does not make yet stays started, for the next
    run.
    """
    begun = begin_refund(payment_id, amount, reason, actor, now, reference=reference)
    try:
        return sync_refund(begun, now)
    except (ProviderUnavailable, ProviderRefused) as error:
        log.warning("refund_waits", refund=begun.public_id, error=str(error))
        return begun


def refundable_amount(payment: Payment) -> Decimal:
    """What can still be given back: what did not go back in any way, and is not asked back by a bank."""
    return max(left_of(payment), NOTHING)


def left_of(payment: Payment) -> Decimal:
    """The same, below zero where more went back than came."""
    in_progress: Decimal = payment.refunds.unsettled().aggregate(sum=Sum("amount"))["sum"] or NOTHING
    gone = payment.refunded + payment.kept + payment.charged_back + in_progress + in_dispute(payment)
    return payment.amount - gone


def sync_refund(begun: Refund, now: datetime) -> Refund:
    """Asks Stripe how the refund stands, making it if there is none; the refund as it is then.

    Raises ProviderUnavailable and ProviderRefused, which settle nothing.
    """
    begun = Refund.objects.select_related("payment__workspace").get(pk=begun.pk)
    if begun.status in Refund.UNSETTLED:
        if begun.stripe_id:
            apply_refund(begun, provider().look_up_refund(begun.stripe_id), now)
        else:
            _make(begun, now)
        begun.refresh_from_db()
    return begun


def _make(begun: Refund, now: datetime) -> None:
    """Asks for it, unless an earlier call made it; under another key where Stripe only repeats its failure.

    What Stripe knows of the payment is taken in first, since no more goes back than is left by then.
    """
    intent = str(begun.payment.intent_id)
    theirs = provider().refunds_of(intent)
    for each in theirs:
        record_refund(each, now)
    begun.refresh_from_db()
    if begun.stripe_id or (begun.key_spent and not is_final(begun, now)):
        return
    if missing := _missing(begun.payment):
        finish_refund(begun, Refund.Status.FAILED, f"{cents_text(missing)} of it went back at Stripe meanwhile", now)
        return
    unmade = Refund.objects.filter(
        pk=begun.pk, status=Refund.Status.STARTED, stripe_id__isnull=True, idempotency_key=begun.idempotency_key
    )
    key = _another(begun.idempotency_key) if begun.key_spent else begun.idempotency_key
    if not reserve_turn(unmade, now, idempotency_key=key, key_spent=False):
        return
    try:
        found = provider().refund_payment(intent, begun.amount, begun.currency, refund_metadata(begun), key)
    except ProviderUnavailable as error:
        end_turn(begun, now, error)
        raise
    except ProviderRefused as refused:
        if not _is_final(refused, begun, theirs):
            end_turn(begun, now, refused)
            raise
        finish_refund(begun, Refund.Status.FAILED, refused.provider_message, now)
    else:
        apply_refund(begun, found, now)


def _missing(payment: Payment) -> Decimal:
    """What refunds that are not made yet would give back beyond the payment. While it is in dispute Stripe says whether it
    makes them.
    """
    return max(NOTHING, -left_of(payment) - in_dispute(payment))


def _another(key: str) -> str:
    """A key that Stripe has no answer under yet."""
    first, _, number = key.partition("-again-")
    return f"{first}-again-{int(number or 0) + 1}"


def _is_final(refused: ProviderRefused, begun: Refund, theirs: list[ProviderRefund]) -> bool:
    """Whether Stripe can never make this refund. That too much is asked back it says without a code: its refunds show it."""
    back = sum((each.amount for each in theirs if refund_status(each) != Refund.Status.FAILED), NOTHING)
    return isinstance(refused, RefundImpossible) or (not refused.reason and begun.amount > begun.payment.amount - back)


def recover_refunds(now: datetime | Clock) -> dict[str, int]:
    """Takes up every refund that is not settled. Counts of outcomes."""
    unsettled = Refund.objects.unsettled().order_by("pk")
    return recover_rows(list(unsettled.values_list("pk", flat=True)), _sync_one, now)


def _sync_one(pk: int, now: datetime) -> bool:
    return sync_refund(Refund(pk=pk), now).status not in Refund.UNSETTLED


def refund_metadata(begun: Refund) -> dict[str, str]:
    return {"omixa_refund": begun.public_id, "omixa_workspace": begun.payment.workspace.public_id}
