"""Opening a draft: the number, the copies of what is printed, the due date. Then the database refuses changes."""

import json
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db import connection

from metering.credits import ledger
from metering.errors import InvoiceNotDraft
from metering.invoicing.booked import invoice_finalized
from metering.invoicing.composing.compose import InvoicePreview
from metering.invoicing.credit_notes.settled_adjustments import store_settlements
from metering.invoicing.documents.parties import buyer_by, seller
from metering.invoicing.lifecycle.announced import announce_invoices
from metering.invoicing.models import Invoice
from metering.invoicing.numbering import next_invoice_numbers
from metering.invoicing.terms.in_force import due_at
from metering.journal.post import post_many
from metering.money import cents_text
from workspaces import audit

OPEN = """
UPDATE metering_invoice SET status = 'open', number = given.number, seller = %s, buyer = given.buyer, finalized_at = %s,
    due_at = given.due_at, terms = given.terms, holds = '{}', held = ''
FROM unnest(%s::bigint[], %s::text[], %s::jsonb[], %s::timestamptz[], %s::jsonb[]) AS given (id, number, buyer, due_at, terms)
WHERE metering_invoice.id = given.id AND status = 'draft' RETURNING metering_invoice.id
"""


def freeze(invoice: Invoice, preview: InvoicePreview, actor: str, now: datetime) -> None:
    """Number and open a draft that was just written from the preview, in a transaction that holds its workspace.

    The credits it uses are entered; where nothing is left to pay it is paid at once. Raises InvoiceNotDraft.
    """
    freeze_all([(invoice, preview)], actor, now)


def freeze_all(written: Sequence[tuple[Invoice, InvoicePreview]], actor: str, now: datetime) -> None:
    """The same for many, numbered in their order, with a handful of statements however many."""
    if not written:
        return
    _open(written, now)
    uses = {invoice.pk: [*preview.promotional_uses, *preview.credit_uses] for invoice, preview in written}
    post_many([invoice_finalized(invoice, sold(preview), actor, now) for invoice, preview in written], now)
    ledger.enter_uses_of_invoices(uses, actor, now)
    store_settlements(each for _, preview in written for each in preview.settlements)
    for by, reference in ((True, "credits"), (False, "")):
        _pay([invoice for invoice, _ in written if invoice.amount_due == 0 and bool(uses[invoice.pk]) == by], reference, now)
    acts = [
        (invoice.public_id, preview.workspace, {"number": invoice.number, "total": cents_text(invoice.total)})
        for invoice, preview in written
    ]
    audit.record_many(actor, "invoice.finalized", acts, now=now)
    finalized = [(invoice, "invoice.finalized") for invoice, _ in written]
    paid = [(invoice, "invoice.paid") for invoice, _ in written if invoice.status == Invoice.Status.PAID]
    announce_invoices(finalized + paid, now)


def sold(preview: InvoicePreview) -> list[tuple[str, Decimal]]:
    """What it bills by kind of line."""
    return [(line.kind, line.amount) for line in preview.lines]


def _open(written: Sequence[tuple[Invoice, InvoicePreview]], now: datetime) -> None:
    sells = seller()
    for (invoice, preview), number in zip(written, next_invoice_numbers(len(written), now), strict=True):
        invoice.number, invoice.status = number, Invoice.Status.OPEN
        invoice.seller, invoice.buyer = sells, buyer_by(preview.terms)
        invoice.finalized_at, invoice.due_at = now, due_at(preview.terms, now)
        invoice.terms, invoice.holds, invoice.held = preview.agreed, [], ""
    rows: list[tuple[Any, ...]] = [
        (invoice.pk, invoice.number, json.dumps(invoice.buyer), invoice.due_at, json.dumps(invoice.terms))
        for invoice, _ in written
    ]
    with connection.cursor() as cursor:
        cursor.execute(OPEN, [json.dumps(sells), now, *(list(column) for column in zip(*rows, strict=True))])
        opened = {pk for (pk,) in cursor.fetchall()}
    late = [invoice.public_id for invoice, _ in written if invoice.pk not in opened]
    if late:
        raise InvoiceNotDraft(f"The invoice {late[0]} is finalized already.")


def _pay(invoices: Sequence[Invoice], reference: str, now: datetime) -> None:
    """What credits covered wholly, or comes to nothing."""
    if not invoices:
        return
    paid: dict[str, Any] = {"status": Invoice.Status.PAID, "paid_at": now, "payment_reference": reference}
    Invoice.objects.filter(pk__in=[invoice.pk for invoice in invoices]).update(**paid)
    for invoice in invoices:
        for name, value in paid.items():
            setattr(invoice, name, value)
