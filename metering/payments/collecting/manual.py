"""Marking an invoice as paid by hand, for money that arrived outside Stripe."""

from datetime import datetime

from django.db import transaction

from metering.invoicing.allowed import check_mark_paid
from metering.invoicing.lifecycle.amount_due import lower_amount_due
from metering.invoicing.locks import lock_invoice
from metering.invoicing.models import Invoice
from metering.payments.announced import announce_payment
from metering.payments.booked import book_payment
from metering.payments.collecting.in_progress import cancel_payment_in_progress, refuse_payment_in_progress
from metering.payments.collecting.record import note_paid
from metering.payments.models import Payment
from omixa_billing.api.errors import InvalidParameter


def mark_paid(invoice_id: int, reference: str, actor: str, now: datetime) -> Invoice:
    """The open or uncollectible invoice with this primary key, paid in full: nothing is due any more.

    `reference` says where the money is found, such as a bank transfer's. An open payment page is closed first. Raises
    InvoiceNotOpen, InvalidParameter, and PaymentInProgress while Stripe may still collect it.
    """
    reference = reference.strip()
    if not 0 < len(reference) <= 200:
        raise InvalidParameter("Say where the payment can be found, in at most 200 characters.", param="reference")
    check_mark_paid(Invoice.objects.get(pk=invoice_id))
    cancel_payment_in_progress(invoice_id, now)
    with transaction.atomic():
        invoice = lock_invoice(invoice_id)
        check_mark_paid(invoice)
        refuse_payment_in_progress(invoice)
        amount = invoice.amount_due
        if amount > 0:
            payment = Payment.objects.create(
                workspace=invoice.workspace,
                invoice=invoice,
                amount=amount,
                currency=invoice.currency,
                method=Payment.Method.BY_HAND,
                reference=reference,
                received_at=now,
                recorded_by=actor,
            )
            book_payment(payment, invoice, now)
            announce_payment(payment, now)
        lower_amount_due(invoice, amount, reference, actor, now)
        note_paid(invoice, now)
        return invoice
