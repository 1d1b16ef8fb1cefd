"""From draft to open: the number, the copies of what is printed, the due date. Then the database refuses changes."""

from datetime import UTC, datetime

from django.conf import settings
from django.db import connection

from metering.credits import ledger
from metering.errors import InvoiceNotDraft
from metering.invoicing.composing.compose import InvoicePreview
from metering.invoicing.documents.parties import buyer, seller
from metering.invoicing.models import Invoice
from metering.invoicing.terms.in_force import due_at
from metering.money import cents_text
from workspaces import audit

NEXT_NUMBER = """
INSERT INTO metering_invoicesequence (prefix, year, last) VALUES (%s, %s, 1)
ON CONFLICT ON CONSTRAINT one_sequence_per_issuer_and_year DO UPDATE SET last = metering_invoicesequence.last + 1
RETURNING last
"""


def freeze(invoice: Invoice, preview: InvoicePreview, actor: str, now: datetime) -> None:
    """Number and open a draft that was just written from the preview, in a transaction that holds its workspace.

    The credits it uses are entered; where they leave nothing to pay it is paid at once. Raises InvoiceNotDraft.
    """
    workspace = preview.workspace
    number = next_number(now, settings.INVOICE_NUMBER_PREFIX)
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


def next_number(now: datetime, prefix: str) -> str:
    """The next number of this prefix and year, such as `OMX-2026-00001`.

    The sequence's row stays locked until the transaction ends and goes back with it, so numbers have no gaps.
    """
    year = now.astimezone(UTC).year
    with connection.cursor() as cursor:
        cursor.execute(NEXT_NUMBER, [prefix, year])
        (last,) = cursor.fetchone()
    return f"{prefix}-{year}-{last:05d}"
