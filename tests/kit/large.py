"""Invoices of thousands of lines, written as rows."""

from datetime import datetime
from decimal import Decimal

from metering.components import NAMES
from metering.invoicing.booked import invoice_finalized
from metering.invoicing.models import Invoice, InvoiceLine
from metering.journal.post import post_many
from metering.money import share_out
from metering.periods import Period
from tests.kit.billing import SEPTEMBER
from tests.kit.factories import NOW
from workspaces.models import Workspace


def large_invoice(workspace: Workspace, period: Period = SEPTEMBER, lines: int = 2_000, of_a_model: int = 80) -> Invoice:
    """An open one. Its line n, from 1, bills n thousand tokens at 2 USD a million; `of_a_model` lines each are one model's."""
    total = Decimal(lines * (lines + 1)) / 1000
    assert total == total.quantize(Decimal("0.01"))
    invoice = Invoice.objects.create(
        workspace=workspace,
        period_start=period.start,
        period_end=period.end,
        subtotal_exact=total,
        subtotal=total,
        total=total,
        amount_due=total,
    )
    exact = [Decimal(number) / 500 for number in range(1, lines + 1)]
    shares = share_out(total, exact)
    InvoiceLine.objects.bulk_create(
        a_line(invoice, at, of_a_model, exact[at], shares[at], period.start, period.end) for at in range(lines)
    )
    number = f"OMX-2026-{Invoice.objects.exclude(number=None).count() + 1:05d}"
    agreed = {f"{period.start:%Y-%m}": {"discount_percent": "0", "minimum_commitment": "0.00", "taxes": []}}
    parties = {"seller": {"name": "Omixa Cloud"}, "buyer": {"name": workspace.name}}
    Invoice.objects.filter(pk=invoice.pk).update(status="open", number=number, finalized_at=NOW, terms=agreed, **parties)
    invoice.refresh_from_db()
    post_many([invoice_finalized(invoice, [("usage", total)], "tests", NOW)], NOW)
    return invoice


def a_line(
    invoice: Invoice, at: int, of_a_model: int, exact: Decimal, amount: Decimal, start: datetime, end: datetime
) -> InvoiceLine:
    model, component = f"model-{at // of_a_model:04d}", NAMES[at % len(NAMES)]
    return InvoiceLine(
        invoice=invoice,
        position=at,
        kind="usage",
        description=f"{model}, {component.replace('_', ' ')}, price {at}",
        model=model,
        service_tier="default",
        component=component,
        quantity=(at + 1) * 1000,
        rate_per_million=Decimal(2),
        amount_exact=exact,
        amount=amount,
        period_start=start,
        period_end=end,
        price=f"price_{at:05d}",
    )
