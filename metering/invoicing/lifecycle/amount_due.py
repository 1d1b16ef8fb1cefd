"""What lowers an open invoice: money and credit notes. At nothing due it is paid; what is taken back is owed again."""

from datetime import datetime
from decimal import Decimal

from metering.errors import InvoiceNotOpen
from metering.invoicing.allowed import check_pay, check_reopen
from metering.invoicing.lifecycle.announced import announce_invoice
from metering.invoicing.models import Invoice
from metering.money import cents_text
from omixa_billing.instants import instant_text
from workspaces import audit


def lower_amount_due(invoice: Invoice, amount: Decimal, reference: str, actor: str, now: datetime) -> None:
    """`amount` of money arrived for an invoice that the transaction holds locked. Raises InvoiceNotOpen."""
    _lower(invoice, amount, now)
    invoice.amount_paid += amount
    invoice.payment_reference = reference[:200]
    invoice.save(update_fields=["amount_paid", "payment_reference", "amount_due", "status", "paid_at"])
    _note_if_paid(invoice, reference, actor, now)


def lower_due(invoice: Invoice, amount: Decimal, actor: str, now: datetime) -> None:
    """A credit note took `amount` off a locked invoice. Raises InvoiceNotOpen."""
    _lower(invoice, amount, now)
    invoice.credited += amount
    invoice.save(update_fields=["credited", "amount_due", "status", "paid_at"])
    _note_if_paid(invoice, "credited", actor, now)


def reopen_due(invoice: Invoice, amount: Decimal, why: str, actor: str, now: datetime) -> None:
    """`amount` of what paid the locked invoice was taken back. A paid one is open again. Raises InvoiceNotOpen."""
    check_reopen(invoice)
    invoice.charged_back += amount
    invoice.amount_due += amount
    if invoice.status == Invoice.Status.PAID:
        invoice.status, invoice.paid_at = Invoice.Status.OPEN, None
    invoice.save(update_fields=["charged_back", "amount_due", "status", "paid_at"])
    details = {"number": invoice.number, "amount": cents_text(amount), "reason": why}
    audit.record(actor, "invoice.reopened", invoice.public_id, invoice.workspace, now=now, **details)


def close_reopened(invoice: Invoice, amount: Decimal, why: str, actor: str, now: datetime) -> Decimal:
    """`amount` of what `reopen_due` took came back to the locked invoice; how much of it was still due."""
    lifted = min(amount, invoice.charged_back, invoice.amount_due) if invoice.status in Invoice.OWED else Decimal("0.00")
    if lifted > 0:
        _lower(invoice, lifted, now)
        invoice.charged_back -= lifted
        invoice.save(update_fields=["charged_back", "amount_due", "status", "paid_at"])
        _note_if_paid(invoice, why, actor, now)
    return max(lifted, Decimal("0.00"))


def _note_if_paid(invoice: Invoice, reference: str, actor: str, now: datetime) -> None:
    if invoice.status == Invoice.Status.PAID:
        total = cents_text(invoice.total)
        audit.record(actor, "invoice.paid", invoice.public_id, invoice.workspace, now=now, reference=reference, total=total)
        # What is taken back and owed again is paid more than once.
        announce_invoice(invoice, "invoice.paid", now, f":{instant_text(now)}")


def _lower(invoice: Invoice, amount: Decimal, now: datetime) -> None:
    check_pay(invoice)
    if not 0 <= amount <= invoice.amount_due:
        raise InvoiceNotOpen(f"{cents_text(invoice.amount_due)} are due on {invoice}, not {cents_text(amount)}.")
    invoice.amount_due -= amount
    if invoice.amount_due == 0:
        invoice.status = Invoice.Status.PAID
        invoice.paid_at = now
