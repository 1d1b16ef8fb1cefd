"""From draft to open: the number, the copies of what is printed, the due date. Then the database refuses changes."""

from datetime import datetime

from metering.credits import ledger
from metering.errors import InvoiceNotDraft
from metering.invoicing.composing.compose import InvoicePreview
from metering.invoicing.documents.parties import buyer, seller
from metering.invoicing.lifecycle.announced import announce_invoice
from metering.invoicing.models import Invoice
from metering.invoicing.numbering import next_invoice_number
from metering.invoicing.terms.in_force import due_at
from metering.money import cents_text
from workspaces import audit


def freeze(invoice: Invoice, preview: InvoicePreview, actor: str, now: datetime) -> None:
    """Number and open a draft that was just written from the preview, in a transaction that holds its workspace.

    The credits it uses are entered; where they leave nothing to pay it is paid at once. Raises InvoiceNotDraft.
    """
    workspace = preview.workspace
    number = next_invoice_number(now)
    frozen = {
        "status": Invoice.Status.OPEN,
        "number": number,
        "seller": seller(),
        "buyer": buyer(workspace),
        "finalized_at": now,
        "due_at": due_at(preview.terms, now),
        "terms": preview.agreed,
        "holds": [],
        "held": "",
    }
    if not Invoice.objects.filter(pk=invoice.pk, status=Invoice.Status.DRAFT).update(**frozen):
        raise InvoiceNotDraft(f"The invoice {invoice.public_id} is finalized already.")
    uses = [*preview.promotional_uses, *preview.credit_uses]
    ledger.enter_uses(uses, invoice.pk, now)
    if uses and preview.amount_due == 0:
        frozen |= {"status": Invoice.Status.PAID, "paid_at": now, "payment_reference": "credits"}
        Invoice.objects.filter(pk=invoice.pk).update(status=Invoice.Status.PAID, paid_at=now, payment_reference="credits")
    for name, value in frozen.items():
        setattr(invoice, name, value)
    total = cents_text(invoice.total)
    audit.record(actor, "invoice.finalized", invoice.public_id, workspace, now=now, number=number, total=total)
    announce_invoice(invoice, "invoice.finalized", now)
    if invoice.status == Invoice.Status.PAID:
        announce_invoice(invoice, "invoice.paid", now)
