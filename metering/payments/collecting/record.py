"""The one place where money that Stripe took becomes a payment here."""

from datetime import datetime

from django.db import transaction
from django.db.models import Min

from metering.credits import ledger
from metering.credits.models import CreditGrant
from metering.invoicing.lifecycle.amount_due import lower_amount_due
from metering.invoicing.models import Invoice
from metering.money import cents_text
from metering.payments.announced import announce_payment, announce_top_up
from metering.payments.booked import book_payment, surplus_of
from metering.payments.collecting.dunning import after_payment, dunning_round
from metering.payments.locks import lock_attempt
from metering.payments.mails.money import mail_receipt, mail_top_up_receipt
from metering.payments.mails.outbox import add_notice
from metering.payments.models import Payment, PaymentAttempt, TopUp
from metering.payments.provider.objects import Intent
from metering.payments.webhooks.models import WebhookEvent
from workspaces import audit

ACTOR = "stripe"


def record_payment(attempt: PaymentAttempt, intent: Intent, now: datetime) -> Payment:
    """The payment of a succeeded intent, made once however often and by whom this is called.

    Settles the attempt's invoice, or grants its top-up's credit. Money for an invoice on which it is not due any more, or in
    another currency, is kept as a surplus, for a person to give back.
    """
    with transaction.atomic():
        attempt = lock_attempt(attempt.pk)
        payment = Payment.objects.filter(intent_id=intent.id).first()
        if payment is not None:
            return payment
        amount = intent.received or intent.amount
        payment = Payment(
            workspace=attempt.workspace,
            amount=amount,
            currency=intent.currency,
            method=Payment.Method.STRIPE,
            intent_id=intent.id,
            received_at=received_at(attempt, intent, now),
            recorded_by=ACTOR,
        )
        if intent.currency != attempt.currency:
            _keep_other_currency(attempt, payment, now)
        elif attempt.top_up is not None:
            _pay_top_up(attempt.top_up, payment, now)
        elif attempt.invoice is not None:
            _pay_invoice(attempt.invoice, payment, now)
        if attempt.status in PaymentAttempt.UNSETTLED or attempt.intent_id == intent.id:
            attempt.status, attempt.intent_id, attempt.settled_at = PaymentAttempt.Status.SUCCEEDED, intent.id, now
            attempt.code = attempt.message = attempt.session_url = attempt.trouble = ""
            attempt.save(update_fields=["status", "intent_id", "settled_at", "code", "message", "session_url", "trouble"])
        announce_payment(payment, now)
    return payment


def _keep_other_currency(attempt: PaymentAttempt, payment: Payment, now: datetime) -> None:
    """Money in another currency than was asked for pays nothing: it is kept in its own, for a person to give back."""
    what = f"the invoice {attempt.invoice.number}" if attempt.invoice else "the top-up"
    payment.surplus = f"It came in {payment.currency}, and {what} is in {attempt.currency}."
    payment.save()
    book_payment(payment, None, now)
    details = {"amount": cents_text(payment.amount), "currency": payment.currency}
    audit.record(ACTOR, "payment.surplus", payment.public_id, payment.workspace, now=now, **details)
    TopUp.objects.filter(attempts=attempt, status=TopUp.Status.PENDING).update(
        status=TopUp.Status.FAILED, message=payment.surplus, settled_at=now
    )


def _keep_for_closed(top_up: TopUp, payment: Payment, now: datetime) -> None:
    """Credit would buy nothing any more: the money waits to be given back."""
    payment.surplus = "The workspace was closed before it arrived."
    payment.save()
    book_payment(payment, None, now)
    details = {"amount": cents_text(payment.amount), "top_up": top_up.public_id}
    audit.record(ACTOR, "payment.surplus", payment.public_id, payment.workspace, now=now, **details)
    top_up.status, top_up.settled_at, top_up.message = TopUp.Status.FAILED, now, payment.surplus
    top_up.save()


def received_at(attempt: PaymentAttempt, intent: Intent, now: datetime) -> datetime:
    """When Stripe took the money, which says in which month it is booked: often earlier than it is recorded.

    The event of the success says it best, when it is here. Without it a card's charge does, being done when it is begun; a bank
    debit's is days older than its success, of which no object of Stripe's tells: then it is now, when it was first seen.
    """
    events = WebhookEvent.objects.filter(type="payment_intent.succeeded", object_id=intent.id)
    succeeded_at = events.aggregate(at=Min("created_at"))["at"]
    is_debit = attempt.status == PaymentAttempt.Status.PROCESSING or intent.kind.endswith(("_debit", "bank_account"))
    known = succeeded_at or (None if is_debit else intent.charged or intent.created)
    return min(known or now, now)


def _pay_invoice(invoice: Invoice, payment: Payment, now: datetime) -> None:
    if invoice.status not in Invoice.OWED or payment.amount > invoice.amount_due:
        payment.surplus = f"{cents_text(invoice.amount_due)} were due on the {invoice.status} invoice {invoice.number}."
        payment.save()
        book_payment(payment, None, now)
        audit.record(ACTOR, "payment.surplus", payment.public_id, invoice.workspace, now=now, amount=cents_text(payment.amount))
        return
    payment.invoice = invoice
    payment.save()
    book_payment(payment, invoice, now)
    lower_amount_due(invoice, payment.amount, str(payment.intent_id), ACTOR, now)
    note_received(invoice, payment, now)


def note_received(invoice: Invoice, payment: Payment | None, now: datetime) -> None:
    """What follows when money arrived for an invoice that the transaction holds locked: a receipt, and once nothing is due any
    more, the end of its dunning.
    """
    if invoice.status != Invoice.Status.PAID:
        if payment is not None:
            mail_receipt(payment, invoice, now)
        return
    after_payment(invoice, now)
    context = {"invoice_id": invoice.public_id, "number": str(invoice.number), "total": cents_text(invoice.total)}
    key = f"invoice_paid:{invoice.public_id}{dunning_round(invoice)}"
    add_notice(invoice.workspace, "invoice_paid", key, context, now)


def _pay_top_up(top_up: TopUp, payment: Payment, now: datetime) -> None:
    if payment.workspace.closed_at is not None:
        _keep_for_closed(top_up, payment, now)
        return
    book_payment(payment, None, now)
    payment.grant = ledger.grant(
        payment.workspace,
        CreditGrant.Kind.PURCHASED,
        payment.amount,
        ACTOR,
        now,
        note="Top-up" if not top_up.automatic else "Automatic top-up",
        source=f"topup:{top_up.public_id}:{payment.intent_id}",
        against=surplus_of(payment),
    )
    payment.save()
    top_up.status, top_up.settled_at, top_up.message = TopUp.Status.PAID, now, ""
    if top_up.grant_id is None:
        top_up.grant = payment.grant
    top_up.save()
    announce_top_up(top_up, now)
    mail_top_up_receipt(top_up, payment, now)
