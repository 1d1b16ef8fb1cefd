"""Writing drafts, in a transaction that has locked their workspaces: any number with a handful of statements."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db import connection

from metering.invoicing.composing.compose import InvoicePreview
from metering.invoicing.composing.lines import DraftLine, LineKey
from metering.invoicing.lifecycle.hold_reasons import HoldReasons
from metering.invoicing.models import Invoice, InvoiceLine, line_id

NO_HOLD = HoldReasons()
COPIED = {
    "public_id": "text",
    "invoice_id": "int4",
    "position": "int4",
    "kind": "text",
    "description": "text",
    "model": "text",
    "language_model_id": "int4",
    "service_tier": "text",
    "component": "text",
    "quantity": "int8",
    "rate_per_million": "numeric",
    "amount_exact": "numeric",
    "amount": "numeric",
    "period_start": "timestamptz",
    "period_end": "timestamptz",
    "price": "text",
}
COPY = f"COPY metering_invoiceline ({', '.join(COPIED)}) FROM STDIN (FORMAT BINARY)"


@dataclass(slots=True)
class Draft:
    """What is written as one: `invoice` is refreshed; None: it becomes a new one."""

    invoice: Invoice | None
    preview: InvoicePreview
    warnings: list[str]
    holds: HoldReasons = field(default_factory=HoldReasons)


def write_draft(invoice: Invoice | None, preview: InvoicePreview, warnings: list[str], holds: HoldReasons = NO_HOLD) -> Invoice:
    """The preview as a draft: `invoice` refreshed, or a new one. A line that bills the same keeps its id."""
    (written,) = write_drafts([Draft(invoice, preview, warnings, holds)])
    return written


def write_drafts(drafts: Sequence[Draft]) -> list[Invoice]:
    """The same for many, in their order. What is as it was is not written again."""
    existing = [draft.invoice for draft in drafts if draft.invoice is not None]
    before = {invoice.pk: _columns(invoice) for invoice in existing}
    invoices = [_filled(draft) for draft in drafts]
    Invoice.objects.bulk_create([invoice for invoice in invoices if invoice.pk is None])
    for invoice in existing:
        changed = [name for name, value in _columns(invoice).items() if value != before[invoice.pk][name]]
        if changed:
            invoice.save(update_fields=changed)
    _replace_lines([(invoice, draft.preview) for invoice, draft in zip(invoices, drafts, strict=True)], set(before))
    return invoices


def _filled(draft: Draft) -> Invoice:
    preview, invoice = draft.preview, draft.invoice
    if invoice is None:
        period = preview.period
        invoice = Invoice(workspace=preview.workspace, period_start=period.start, period_end=period.end)
    invoice.currency = preview.currency
    invoice.subtotal_exact = preview.subtotal_exact
    invoice.subtotal = preview.subtotal
    invoice.promotional = preview.promotional
    invoice.taxes = [tax.as_json() for tax in preview.taxes]
    invoice.tax = preview.tax
    invoice.total = preview.total
    invoice.credits_applied = preview.credits_applied
    invoice.amount_due = preview.amount_due
    invoice.notes = preview.notes
    invoice.warnings = draft.warnings
    invoice.holds, invoice.held = draft.holds.codes, draft.holds.text
    invoice.line_count = len(preview.lines)
    return invoice


def _columns(invoice: Invoice) -> dict[str, Any]:
    return {each.attname: getattr(invoice, each.attname) for each in Invoice._meta.concrete_fields}


def _replace_lines(written: Iterable[tuple[Invoice, InvoicePreview]], existing: set[int]) -> None:
    """The drafts' lines become the previews'; nothing is written where they already are. `existing` may have lines."""
    old: dict[int, list[InvoiceLine]] = {pk: [] for pk in existing}
    if existing:
        for line in InvoiceLine.objects.filter(invoice__in=existing).order_by("invoice", "position"):
            old[line.invoice_id].append(line)
    changed: list[int] = []
    rows: list[tuple[Any, ...]] = []
    for invoice, preview in written:
        stored = old.get(invoice.pk, [])
        ids = {(line.kind, line_key(line)): line.public_id for line in stored}
        new = [line_row(invoice, position, line, ids.get((line.kind, line.key))) for position, line in enumerate(preview.lines)]
        if [tuple(getattr(line, name) for name in COPIED) for line in stored] != new:
            changed += [invoice.pk] if stored else []
            rows += new
    if changed:
        InvoiceLine.objects.filter(invoice__in=changed).delete()
    if rows:
        copy_lines(rows)


def copy_lines(rows: Iterable[tuple[Any, ...]]) -> None:
    with connection.cursor() as cursor, connection.wrap_database_errors, cursor.copy(COPY) as copy:
        copy.set_types(tuple(COPIED.values()))
        for row in rows:
            copy.write_row(row)


def line_key(line: InvoiceLine) -> LineKey:
    return LineKey(line.period_start, line.language_model_id or 0, line.service_tier, line.price, line.component)


def line_row(invoice: Invoice, position: int, line: DraftLine, public_id: str | None) -> tuple[Any, ...]:
    """A self-contained copy of what the line prints, in the order of COPIED."""
    key, period = line.key, line.period
    return (
        public_id or line_id(),
        invoice.pk,
        position,
        str(line.kind),
        line.description,
        line.model,
        key.model_id or None,
        key.service_tier,
        key.component,
        line.quantity,
        line.rate_per_million,
        line.amount_exact,
        line.amount,
        period.start,
        period.end,
        key.price,
    )
