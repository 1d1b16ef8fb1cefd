"""Lines of invoices, as they were billed and taken back."""

from collections.abc import Iterator

from django.db.models import Q

from metering.components import component_named
from metering.invoicing.models import InvoiceLine
from metering.money import cents_text, exact_text, rate_text
from metering.payments.exports.rows import AT_ONCE, Row, of_workspace
from metering.periods import Period
from workspaces.models import Workspace


def lines(period: Period, workspace: Workspace | None) -> Iterator[Row]:
    """Lines of the invoices finalized in the period, then below zero those of invoices voided in it; neither where both were.

    So lines of a void invoice come to nothing, and what was exported of an ended month stays.
    """
    finalized = Q(invoice__finalized_at__gte=period.start, invoice__finalized_at__lt=period.end)
    voided = Q(invoice__voided_at__gte=period.start, invoice__voided_at__lt=period.end)
    for of_lines, sign in ((finalized & ~voided, 1), (voided & ~finalized, -1)):
        found = of_workspace(InvoiceLine.objects.filter(of_lines), workspace, "invoice__workspace")
        ordered = found.select_related("invoice__workspace").order_by("invoice__finalized_at", "invoice_id", "position")
        yield from (_line(each, sign) for each in ordered.iterator(AT_ONCE))


def _line(line: InvoiceLine, sign: int) -> Row:
    return [
        line.invoice.number,
        line.invoice.workspace.public_id,
        line.public_id,
        line.kind,
        line.description if sign > 0 else f"Voided: {line.description}",
        line.model,
        line.service_tier,
        line.component,
        f"{line.period_start:%Y-%m}",
        sign * line.quantity,
        rate_text(line.rate_per_million) if line.component and component_named(line.component).is_tokens else "",
        exact_text(sign * line.amount_exact),
        cents_text(sign * line.amount),
        line.invoice.currency,
        *_rate(line),
    ]


def _rate(line: InvoiceLine) -> list[str]:
    """Unit, rate and what it is for."""
    if not line.component:
        return ["", "", ""]
    component = component_named(line.component)
    return [component.unit, component.rate_text(line.rate_per_million) or "", component.per_label]
