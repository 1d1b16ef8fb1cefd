"""Money back: written first, asked of Stripe second. What came by hand goes back by hand.

Money that bought credit takes what is left of that credit along. What a person refunds at Stripe itself is taken in as well.
"""

from datetime import datetime, timedelta
from decimal import Decimal

import structlog
from django.db import transaction
from django.db.models import F, Sum

from metering.credits import ledger
from metering.errors import InvalidParameter, NothingLeft
from metering.invoicing.credit_note_models import CreditNote
from metering.invoicing.draft import hold
from metering.money import ONE_CENT, cents_text
from metering.payments.models import Payment, Refund
from metering.payments.stripe_edge import StripeRefused, StripeUnavailable, edge
from metering.payments.stripe_objects import MoneyBack
from workspaces import audit

log = structlog.get_logger(__name__)

STATUSES = {"succeeded": Refund.Status.SUCCEEDED, "failed": Refund.Status.FAILED, "canceled": Refund.Status.FAILED}
# By then a request that Stripe answered with a failure has come to its end there.
SETTLES_WITHIN = timedelta(minutes=10)
UNSETTLED = (Refund.Status.STARTED, Refund.Status.PENDING)
NOTHING = Decimal("0.00")
LONGEST_REFERENCE = 200
STRIPE = "stripe"


def begin(
    payment_id: int,
    amount: Decimal,
    reason: str,
    actor: str,
    now: datetime,
    credit_note: CreditNote | None = None,
    reference: str = "",
) -> Refund:
    """A refund of a payment, written and not yet sent: `pursue` sends it, or the next run does.

    What came by hand a person sends back, and `reference` says where that money is found. Never more than is left of the
    payment, refunds under way included, nor than is left of the credit that it bought. Raises NothingLeft, InvalidParameter.
    """
    if not reason.strip():
        raise InvalidParameter("Say why the money goes back.", param="reason")
    if not amount.is_finite() or amount <= 0 or amount != amount.quantize(ONE_CENT):
        raise InvalidParameter("The amount is whole cents above zero.", param="amount")
    with transaction.atomic():
        hold(Payment.objects.values_list("workspace", flat=True).get(pk=payment_id))
        payment = Payment.objects.select_for_update(of=("self",)).select_related("workspace", "grant").get(pk=payment_id)
        by_hand = payment.method == Payment.Method.BY_HAND
        if by_hand and not 0 < len(reference.strip()) <= LONGEST_REFERENCE:
            raise InvalidParameter(
                f"Say where the money that goes back is found, in at most {LONGEST_REFERENCE} characters.", param="reference"
            )
        left = left_of(payment)
        if amount > left:
            raise NothingLeft(f"{cents_text(left)} of this payment are left to give back.", param="amount")
        refund = Refund(
            payment=payment,
            credit_note=credit_note,
            amount=amount,
            currency=payment.currency,
            reason=reason.strip()[:300],
            reference=reference.strip() if by_hand else "",
            started_at=now,
            started_by=actor,
        )
        refund.idempotency_key = f"refund-{refund.public_id}"
        if payment.grant is not None:
            refund.credit_taken = ledger.reverse(payment.grant, refund.reason, actor, now, amount)
        if by_hand:
            refund.status, refund.settled_at = Refund.Status.SUCCEEDED, now
            payment.refunded += amount
            payment.save(update_fields=["refunded"])
        refund.save()
        details = {"amount": cents_text(amount), "reason": reason} | ({"reference": refund.reference} if by_hand else {})
        audit.record(actor, "payment.refund", refund.public_id, payment.workspace, now=now, **details)
        return refund


def refund(payment_id: int, amount: Decimal, reason: str, actor: str, now: datetime, reference: str = "") -> Refund:
    """`begin` and, outside the transaction, `pursue`. While Stripe does not answer the refund stays started."""
    begun = begin(payment_id, amount, reason, actor, now, reference=reference)
    try:
        return pursue(begun, now)
    except StripeUnavailable as error:
        log.warning("refund_waits", refund=begun.public_id, error=str(error))
        return begun


def left_of(payment: Payment) -> Decimal:
    """What can still be given back."""
    under_way: Decimal = payment.refunds.filter(status__in=UNSETTLED).aggregate(sum=Sum("amount"))["sum"] or NOTHING
    return payment.amount - payment.refunded - under_way


def pursue(begun: Refund, now: datetime) -> Refund:
    """Asks Stripe how the refund stands, making it if there is none. Raises StripeUnavailable."""
    if begun.status not in UNSETTLED:
        return begun
    intent = str(begun.payment.intent_id)
    if begun.stripe_id:
        take_answer(begun, edge().retrieve_refund(begun.stripe_id), now)
    else:
        made = [each for each in edge().refunds_of(intent) if each.metadata.get("omixa_refund") == begun.public_id]
        try:
            found = made[0] if made else edge().create_refund(intent, begun.amount, metadata_of(begun), begun.idempotency_key)
        except StripeUnavailable as error:
            if error.answered and now - begun.started_at >= SETTLES_WITHIN:
                _take_another_key(begun)
            raise
        except StripeRefused as refused:
            _settle(begun, Refund.Status.FAILED, str(refused), now)
        else:
            take_answer(begun, found, now)
    begun.refresh_from_db()
    return begun


def _take_another_key(begun: Refund) -> None:
    """Stripe repeats its failure under the old one, and a while later the payment's refunds show that it made none."""
    key, _, number = begun.idempotency_key.partition("-again-")
    Refund.objects.filter(pk=begun.pk, idempotency_key=begun.idempotency_key).update(
        idempotency_key=f"{key}-again-{int(number or 0) + 1}"
    )


def refund_status(found: MoneyBack) -> str:
    """What we call Stripe's; whatever is neither done nor failed is on its way."""
    return str(STATUSES.get(found.status, Refund.Status.PENDING))


def take_answer(begun: Refund, found: MoneyBack, now: datetime) -> None:
    """Stores the refund's id, then what Stripe says of it."""
    Refund.objects.filter(pk=begun.pk, stripe_id__isnull=True).update(stripe_id=found.id)
    status = refund_status(found)
    if status == Refund.Status.PENDING:
        Refund.objects.filter(pk=begun.pk, status=Refund.Status.STARTED).update(status=status)
    else:
        _settle(begun, status, found.message, now)


def take_foreign(found: MoneyBack, now: datetime) -> bool:
    """A refund that a person made at Stripe itself, kept beside its payment; False when the payment is none of ours.

    Credit that the payment bought is taken along as far as it is left: `credit_taken` says how far.
    """
    payment = Payment.objects.filter(intent_id=found.intent).select_related("workspace", "grant").first()
    if payment is None:
        return False
    with transaction.atomic():
        hold(payment.workspace_id)
        refund = Refund.objects.filter(stripe_id=found.id).first() or _foreign(payment, found, now)
    take_answer(refund, found, now)
    return True


def _foreign(payment: Payment, found: MoneyBack, now: datetime) -> Refund:
    reason = "Refunded at Stripe"
    taken = min(ledger.left_of_grant(payment.grant), found.amount) if payment.grant is not None else NOTHING
    if payment.grant is not None and taken > 0:
        ledger.reverse(payment.grant, reason, STRIPE, now, taken)
    refund = Refund.objects.create(
        payment=payment,
        amount=found.amount,
        currency=payment.currency,
        reason=reason,
        idempotency_key=f"stripe-{found.id}",
        stripe_id=found.id,
        credit_taken=max(NOTHING, taken),
        started_at=now,
        started_by=STRIPE,
    )
    shown = cents_text(found.amount)
    audit.record(STRIPE, "payment.refund", refund.public_id, payment.workspace, now=now, amount=shown, reason=reason)
    return refund


def recover(now: datetime) -> dict[str, int]:
    """Takes up every refund that is not settled."""
    counts = {"settled": 0, "waiting": 0, "unavailable": 0}
    for begun in Refund.objects.filter(status__in=UNSETTLED).select_related("payment").order_by("pk"):
        try:
            found = pursue(begun, now)
        except StripeUnavailable as error:
            log.warning("refund_waits", refund=begun.public_id, error=str(error))
            counts["unavailable"] += 1
        else:
            counts["waiting" if found.status in UNSETTLED else "settled"] += 1
    return counts


def metadata_of(begun: Refund) -> dict[str, str]:
    return {"omixa_refund": begun.public_id, "omixa_workspace": begun.payment.workspace.public_id}


def _settle(begun: Refund, status: str, message: str, now: datetime) -> None:
    """Once; a refund that succeeded and fails afterwards, as banks do, gives its amount back to the payment.

    What fails gives back the credit that it had taken along.
    """
    with transaction.atomic():
        hold(begun.payment.workspace_id)
        payment = Payment.objects.select_for_update(of=("self",)).select_related("grant").get(pk=begun.payment_id)
        standing = Refund.objects.select_for_update().get(pk=begun.pk)
        if standing.status == status or standing.status == Refund.Status.FAILED:
            return
        change = NOTHING
        if status == Refund.Status.SUCCEEDED:
            change = standing.amount
        elif standing.status == Refund.Status.SUCCEEDED:
            change = -standing.amount
        Payment.objects.filter(pk=payment.pk).update(refunded=F("refunded") + change)
        if status == Refund.Status.FAILED and payment.grant is not None and standing.credit_taken:
            ledger.restore(payment.grant, standing.credit_taken, f"The refund {standing.public_id} failed", now)
        standing.status, standing.message, standing.settled_at = status, message, now
        standing.save(update_fields=["status", "message", "settled_at"])
