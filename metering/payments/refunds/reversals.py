"""Voiding and crediting invoices that money may have been paid for: nothing in progress is overtaken, nothing goes back twice.

What is given back goes as it came: money as a refund or by hand, credits as credit. `balance` gives all of it as credit.
Everything is written in one transaction; Stripe is asked afterwards, and again by the refunds' own recovery.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import partial

import structlog
from django.db import transaction
from django.db.models import F, Q, Sum

from metering.checked_inputs import LONGEST_REFERENCE, checked_reason
from metering.credits import ledger
from metering.credits.models import CreditGrant
from metering.errors import NothingToCredit
from metering.invoicing.allowed import check_void
from metering.invoicing.credit_notes import issue
from metering.invoicing.credit_notes.models import CreditNote
from metering.invoicing.lifecycle import void
from metering.invoicing.locks import lock_invoice
from metering.invoicing.models import Invoice
from metering.money import cents_text
from metering.payments.booked import book_settled_outside, left_of_surplus, owed_for, refunded_ahead_of
from metering.payments.collecting.dunning import after_payment
from metering.payments.collecting.in_progress import cancel_payment_in_progress, refuse_payment_in_progress
from metering.payments.mails.money import mail_credit_note, mail_void
from metering.payments.models import Payment, Refund
from metering.payments.provider.errors import ProviderRefused, ProviderUnavailable
from metering.payments.refunds import refunds
from metering.payments.refunds.models import KeptPayment
from workspaces import audit

log = structlog.get_logger(__name__)
NOTHING = Decimal("0.00")


@dataclass(frozen=True, slots=True)
class Returnable:
    """What was paid for an invoice and did not go back yet, in whole cents.

    `by_stripe` and `by_hand` are payments with what is left of each. `unpromised` is what was paid and is in no credit note
    yet, `money` what of it was not refunded without one either, and `credits` what was applied from credits.
    """

    by_stripe: list[tuple[Payment, Decimal]]
    by_hand: list[tuple[Payment, Decimal]]
    unpromised: Decimal
    credits: Decimal

    @property
    def money(self) -> Decimal:
        return min(self.unpromised, sum((left for _, left in [*self.by_stripe, *self.by_hand]), NOTHING))

    @property
    def refundable(self) -> Decimal:
        """What Stripe can give back."""
        return min(self.money, sum((left for _, left in self.by_stripe), NOTHING))


def void_invoice(invoice_id: int, reason: str, actor: str, now: datetime) -> Invoice:
    """`void.void`, once no payment can arrive any more: an open payment page is closed first.

    Raises PaymentInProgress beside what `void.void` raises.
    """
    prepare_void(invoice_id, reason, now)
    with transaction.atomic():
        refuse_payment_in_progress(lock_invoice(invoice_id))
        invoice = void.void(invoice_id, reason, actor, now)
        after_payment(invoice, now)
        mail_void(invoice, now)
    return invoice


def prepare_void(invoice_id: int, reason: str, now: datetime) -> None:
    """Closes an open payment page of what may be voided. Raises what `void.void` raises."""
    checked_reason(reason)
    check_void(Invoice.objects.get(pk=invoice_id))
    cancel_payment_in_progress(invoice_id, now)


def prepare_credit_note(
    invoice_id: int, amounts: Mapping[str, Decimal] | None, reason: str, now: datetime, reference: str = ""
) -> None:
    """Closes an open payment page of what a credit note takes off. Raises what `issue.issue` raises before it."""
    checked_reason(reason)
    invoice = Invoice.objects.get(pk=invoice_id)
    issue.checked_note_reference(invoice, reference)
    if issue.plan_credit_note(invoice, amounts).off_due:
        cancel_payment_in_progress(invoice_id, now)


def issue_credit_note(
    invoice_id: int,
    amounts: Mapping[str, Decimal] | None,
    reason: str,
    settlement: str,
    actor: str,
    now: datetime,
    reference: str = "",
) -> CreditNote:
    """A credit note of `amounts`, whole cents before tax by line id, or of all that is left: None.

    It lowers what is due; the rest goes back by `settlement`: "refund" through Stripe, "balance" as credit, "outside" by
    hand. `reference` is where that transfer, or the note itself, is found: one note per invoice and reference; where there is
    none, the reason says where the transfer is found. Raises what `issue.issue` raises, PaymentInProgress, and NothingToCredit
    when less money was paid than would go back.
    """
    prepare_credit_note(invoice_id, amounts, reason, now, reference)
    with transaction.atomic():
        invoice = lock_invoice(invoice_id)
        if invoice.status in Invoice.OWED:
            refuse_payment_in_progress(invoice)
        returnable = returnable_of(invoice)
        if settlement in CreditNote.Settlement.values and not returnable.unpromised:
            settlement = CreditNote.Settlement.BALANCE  # only credits were used, and they come back as such
        note = issue.issue(invoice, amounts, reason, settlement, actor, now, reference)
        begun = _return_money(note, returnable, actor, now) if note.given_back else []
        if invoice.status == Invoice.Status.PAID:
            after_payment(invoice, now)
        mail_credit_note(note, now)
        transaction.on_commit(partial(_send, begun, now))
    return note


def retry_refund(note_id: int, actor: str, now: datetime) -> Decimal:
    """Sends what of a refunded credit note, by primary key, is still missing because refunds failed; the amount.

    Raises NothingToCredit.
    """
    with transaction.atomic():
        invoice = lock_invoice(CreditNote.objects.values_list("invoice", flat=True).get(pk=note_id))
        note = invoice.credit_notes.get(pk=note_id)
        missing = missing_of(note)
        if not missing:
            raise NothingToCredit(f"Nothing of the credit note {note} is missing.")
        begun = _begin(note, returnable_of(invoice).by_stripe, missing, note.reason, actor, now)
        transaction.on_commit(partial(_send, begun, now))
    return sum((refund.amount for refund in begun), NOTHING)


def missing_of(note: CreditNote) -> Decimal:
    """What a credit note that is refunded through Stripe still has to give back: refunds of it failed."""
    if note.settlement != CreditNote.Settlement.REFUND:
        return NOTHING
    return note.given_back - returned_as_credit(note) - refunded(note)


def usual_settlement(invoice: Invoice) -> str:
    """How money goes back as it came: through Stripe where all of it can be refunded there, else kept as credit."""
    returnable = returnable_of(invoice)
    refundable = returnable.money and returnable.refundable == returnable.money
    return CreditNote.Settlement.REFUND if refundable else CreditNote.Settlement.BALANCE


def returnable_of(invoice: Invoice) -> Returnable:
    payments = list(invoice.payments.order_by("pk"))
    lefts = [(payment, refunds.refundable_amount(payment) - left_of_surplus(payment)) for payment in payments]
    paid = [(payment, left) for payment, left in lefts if left > 0]
    notes = invoice.credit_notes.all()
    as_credit = sum((returned_as_credit(note) for note in notes), NOTHING)
    as_money = sum((note.given_back for note in notes), NOTHING) - as_credit
    stayed = sum((payment.amount - payment.charged_back - _paid_otherwise(payment) for payment in payments), NOTHING)
    kept = KeptPayment.objects.filter(credit_note__invoice=invoice).aggregate(sum=Sum("amount"))["sum"] or NOTHING
    return Returnable(
        by_stripe=[(payment, left) for payment, left in paid if payment.method == Payment.Method.STRIPE],
        by_hand=[(payment, left) for payment, left in paid if payment.method == Payment.Method.BY_HAND],
        unpromised=max(NOTHING, stayed - as_money - kept),
        credits=max(NOTHING, invoice.credits_applied - (as_credit - kept)),
    )


def _paid_otherwise(payment: Payment) -> Decimal:
    """What of it a bank took and paid again, when what it had paid for was paid otherwise."""
    reinstated = payment.reopened_parts.filter(dispute__reinstated_at__isnull=False)
    return reinstated.aggregate(sum=Sum("paid_otherwise"))["sum"] or NOTHING


def returned_as_credit(note: CreditNote) -> Decimal:
    """What of the note came back to the balance."""
    grant = CreditGrant.objects.filter(workspace=note.invoice.workspace_id, source=source_of(note)).first()
    return grant.amount if grant else NOTHING


def refunded(note: CreditNote) -> Decimal:
    """What of the note went back, or is on its way, as refunds."""
    going = note.refunds.filter(~Q(status=Refund.Status.FAILED))
    return going.aggregate(sum=Sum("amount"))["sum"] or NOTHING


def source_of(note: CreditNote) -> str:
    return f"credit_note:{note.public_id}"


def _return_money(note: CreditNote, returnable: Returnable, actor: str, now: datetime) -> list[Refund]:
    """Enters how the note's `given_back` goes; the refunds to be asked of Stripe. Raises NothingToCredit."""
    outside, balance = CreditNote.Settlement.OUTSIDE, CreditNote.Settlement.BALANCE
    if note.settlement == balance:
        _keep_as_credit(note, returnable, actor, now)
        return []
    # By hand also what was refunded before without a credit note: that refund is the reference.
    noted = refunded_ahead_of(note.invoice) if note.settlement == outside else NOTHING
    most = min(returnable.unpromised, returnable.money + noted)
    money = min(note.given_back, most)
    _check_returnable(note, money, returnable)
    if credit := note.given_back - money:
        _grant(note, credit, actor, now)
    if note.settlement == outside:
        _return_outside(note, money, min(noted, money), returnable, actor, now)
        return []
    if money > returnable.refundable:
        raise NothingToCredit(
            f"{cents_text(returnable.refundable)} of it were paid through Stripe and can be refunded there, not "
            f"{cents_text(money)}: settle it outside, or keep it as credit.",
            param="settlement",
        )
    return _begin(note, returnable.by_stripe, money, note.reason, actor, now)


def _check_returnable(note: CreditNote, money: Decimal, returnable: Returnable) -> None:
    if note.given_back - money > returnable.credits:
        raise NothingToCredit(
            f"{cents_text(money + returnable.credits)} of what was paid for {note.invoice} did not go back yet: not "
            f"{cents_text(note.given_back)}. Of what was refunded without a credit note, say that it is settled outside."
        )


def _keep_as_credit(note: CreditNote, returnable: Returnable, actor: str, now: datetime) -> None:
    """Credits come back as they were; the rest is money of payments, which is not refunded as well."""
    money = max(NOTHING, note.given_back - returnable.credits)
    _check_returnable(note, min(money, returnable.money), returnable)
    grant = _grant(note, note.given_back, actor, now)
    for payment, left in [*returnable.by_stripe, *returnable.by_hand]:
        part = min(left, money)
        if part > 0:
            KeptPayment.objects.create(payment=payment, credit_note=note, grant=grant, amount=part)
            Payment.objects.filter(pk=payment.pk).update(kept=F("kept") + part)
            money -= part


def _grant(note: CreditNote, amount: Decimal, actor: str, now: datetime) -> CreditGrant:
    return ledger.grant(
        note.invoice.workspace,
        CreditGrant.Kind.PURCHASED,
        amount,
        actor,
        now,
        note=f"Credit note {note.number}",
        source=source_of(note),
        against=owed_for(note),
    )


def _return_outside(
    note: CreditNote, money: Decimal, noted: Decimal, returnable: Returnable, actor: str, now: datetime
) -> None:
    """Money that a person gives back by a transfer, however it came; `noted` of it went before."""
    reference = note.reference or note.reason[:LONGEST_REFERENCE]
    payments = [*returnable.by_hand, *returnable.by_stripe]
    begun = _begin(note, payments, money - noted, note.reason, actor, now, reference, outside=True)
    book_settled_outside(note, money - sum((refund.amount for refund in begun), NOTHING), actor, now)
    invoice = note.invoice
    details = {"amount": cents_text(money), "reference": reference}
    audit.record(actor, "credit_note.settled_outside", note.public_id, invoice.workspace, now=now, **details)


def _begin(
    note: CreditNote,
    payments: list[tuple[Payment, Decimal]],
    money: Decimal,
    reason: str,
    actor: str,
    now: datetime,
    reference: str = "",
    outside: bool = False,
) -> list[Refund]:
    """Refunds of the payments, oldest first, until `money` is reached."""
    begun = []
    for payment, left in payments:
        part = min(left, money)
        if part > 0:
            begun.append(refunds.begin_refund(payment.pk, part, reason, actor, now, note, reference, outside))
            money -= part
    return begun


def _send(begun: list[Refund], now: datetime) -> None:
    """Asks Stripe for the refunds. One that it does not make yet waits for the next run."""
    for refund in begun:
        try:
            refunds.sync_refund(refund, now)
        except (ProviderUnavailable, ProviderRefused) as error:
            log.warning("refund_waits", refund=refund.public_id, error=str(error))
