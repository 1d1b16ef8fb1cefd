"""From draft to open: the number, the copies of what is printed, the due date. Then the database refuses changes."""

from datetime import UTC, datetime, timedelta

from django.conf import settings
from django.db import connection

from metering.errors import InvoiceNotDraft
from metering.invoicing.models import Invoice
from metering.invoicing.parties import buyer, seller
from metering.money import cents_text
from workspaces import audit
from workspaces.models import Workspace

TAKE_NUMBER = """
INSERT INTO metering_invoicesequence (prefix, year, last) VALUES (%s, %s, 1)
ON CONFLICT ON CONSTRAINT one_sequence_per_issuer_and_year DO UPDATE SET last = metering_invoicesequence.last + 1
RETURNING last
"""


def freeze(invoice: Invoice, workspace: Workspace, actor: str, now: datetime) -> None:
    """Number and open a fresh draft, in a transaction that holds its workspace. Raises InvoiceNotDraft."""
    number = take_number(now)
    frozen = {
        "status": Invoice.Status.OPEN,
        "number": number,
        "seller": seller(),
        "buyer": buyer(workspace),
        "finalized_at": now,
        "due_at": now + timedelta(days=settings.INVOICE_DUE_DAYS),
    }
    if not Invoice.objects.filter(pk=invoice.pk, status=Invoice.Status.DRAFT).update(**frozen):
        raise InvoiceNotDraft(f"The invoice {invoice.public_id} is finalized already.")
    for name, value in frozen.items():
        setattr(invoice, name, value)
    total = cents_text(invoice.total)
    audit.record(actor, "invoice.finalized", invoice.public_id, workspace, now=now, number=number, total=total)


def take_number(now: datetime) -> str:
    """The next number of this issuer and year, such as `OMX-2026-00001`.

    The sequence's row stays locked until the transaction ends and goes back with it, so numbers have no gaps.
    """
    prefix, year = settings.INVOICE_NUMBER_PREFIX, now.astimezone(UTC).year
    with connection.cursor() as cursor:
        cursor.execute(TAKE_NUMBER, [prefix, year])
        (last,) = cursor.fetchone()
    return f"{prefix}-{year}-{last:05d}"
