"""Writing a draft, in a transaction that has locked its workspace."""

from metering.invoicing.composing.compose import InvoicePreview
from metering.invoicing.composing.lines import DraftLine, LineKey
from metering.invoicing.lifecycle.hold_reasons import HoldReasons
from metering.invoicing.models import Invoice, InvoiceLine, line_id

NO_HOLD = HoldReasons()


def write_draft(invoice: Invoice | None, preview: InvoicePreview, warnings: list[str], holds: HoldReasons = NO_HOLD) -> Invoice:
    """The preview as a draft: `invoice` refreshed, or a new one. A line that bills the same keeps its id."""
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
    invoice.warnings = warnings
    invoice.holds, invoice.held = holds.codes, holds.text
    invoice.save()
    replace_lines(invoice, preview)
    return invoice


def replace_lines(invoice: Invoice, preview: InvoicePreview) -> None:
    """The draft's lines become the preview's; nothing is written when they already are."""
    old = list(invoice.lines.order_by("position"))
    ids = {(line.kind, line_key(line)): line.public_id for line in old}
    new = [stored(invoice, position, line, ids.get((line.kind, line.key))) for position, line in enumerate(preview.lines)]
    if [line_content(line) for line in old] == [line_content(line) for line in new]:
        return
    invoice.lines.all().delete()
    InvoiceLine.objects.bulk_create(new)


def line_key(line: InvoiceLine) -> LineKey:
    return LineKey(line.period_start, line.language_model_id or 0, line.service_tier, line.price, line.component)


def stored(invoice: Invoice, position: int, line: DraftLine, public_id: str | None) -> InvoiceLine:
    """A self-contained copy of what the line prints, not yet saved."""
    return InvoiceLine(
        public_id=public_id or line_id(),
        invoice=invoice,
        position=position,
        kind=line.kind,
        description=line.description,
        model=line.model,
        language_model_id=line.key.model_id or None,
        service_tier=line.service_tier,
        component=line.component,
        quantity=line.quantity,
        rate_per_million=line.rate_per_million,
        amount_exact=line.amount_exact,
        amount=line.amount,
        period_start=line.period.start,
        period_end=line.period.end,
        price=line.price,
    )


def line_content(line: InvoiceLine) -> dict[str, object]:
    return {field.attname: getattr(line, field.attname) for field in InvoiceLine._meta.concrete_fields if field.name != "id"}
