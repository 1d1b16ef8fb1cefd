"""Mails to a customer about money that moved, written in the transaction that moves it: each once, whatever runs twice."""

from datetime import datetime

from metering.invoicing.credit_notes.models import CreditNote
from metering.invoicing.models import Invoice
from metering.money import cents_text
from metering.payments.mails.outbox import add_notice
from metering.payments.models import Payment, Refund, TopUp


def mail_receipt(payment: Payment, invoice: Invoice, now: datetime) -> None:
    """The receipt of what pays a part. For the whole, `invoice_paid` is the receipt."""
    context = _of_invoice(invoice) | {"amount": cents_text(payment.amount), "reference": payment.reference}
    add_notice(invoice.workspace, "payment_received", f"payment_received:{payment.public_id}", context, now)


def mail_top_up_receipt(top_up: TopUp, payment: Payment, now: datetime) -> None:
    context = {"amount": cents_text(payment.amount), "payment_id": payment.public_id}
    add_notice(payment.workspace, "top_up_paid", f"top_up_paid:{payment.public_id}", context, now)


def mail_credit_note(note: CreditNote, now: datetime) -> None:
    """The mail has the credit note's PDF."""
    context = _of_invoice(note.invoice) | {
        "credit_note_id": note.public_id,
        "credit_note": note.number,
        "total": cents_text(note.total),
        "off_due": cents_text(note.off_due),
        "given_back": cents_text(note.given_back),
        "settlement": note.settlement,
        "reason": note.reason,
    }
    add_notice(note.invoice.workspace, "credit_note_ready", f"credit_note_ready:{note.public_id}", context, now)


def mail_refund(refund: Refund, now: datetime) -> None:
    """Once the money is on its way back, and not when that is only asked for."""
    payment = refund.payment
    context = {
        "amount": cents_text(refund.amount),
        "currency": refund.currency,
        "payment_id": payment.public_id,
        "invoice_id": payment.invoice.public_id if payment.invoice else "",
        "number": str(payment.invoice.number) if payment.invoice else "",
        "reason": refund.reason,
        "reference": refund.reference,
        "credit": cents_text(refund.credit_taken),
    }
    add_notice(payment.workspace, "refund_sent", f"refund_sent:{refund.public_id}", context, now)


def mail_void(invoice: Invoice, now: datetime) -> None:
    context = _of_invoice(invoice) | {"total": cents_text(invoice.total), "reason": invoice.status_reason}
    add_notice(invoice.workspace, "invoice_void", f"invoice_void:{invoice.public_id}", context, now)


def _of_invoice(invoice: Invoice) -> dict[str, str]:
    return {
        "invoice_id": invoice.public_id,
        "number": str(invoice.number),
        "amount_due": cents_text(invoice.still_due),
    }
