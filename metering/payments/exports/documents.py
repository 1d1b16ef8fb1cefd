"""CSV for bookkeepers: invoices, their lines, payments with refunds, and credit movements of a period. Streamed.

Cells that a spreadsheet would take for a formula are defused as in the usage exports.
"""

from collections.abc import Callable, Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

from django.db.models import Q
from django.http import StreamingHttpResponse

from metering.components import component_named
from metering.credits.models import CreditEntry
from metering.invoicing.credit_notes.models import CreditNote
from metering.invoicing.models import Invoice, InvoiceLine
from metering.money import cents_text, exact_text, rate_text
from metering.payments.models import Dispute, Payment, Refund
from metering.periods import Period
from metering.usage.exports import csv_download
from omixa_billing.api.errors import InvalidParameter
from omixa_billing.instants import instant_text
from workspaces.models import Workspace

AT_ONCE = 1_000
Row = list[Any]


def export(kind: str, period: Period, workspace: Workspace | None = None, for_people: bool = False) -> StreamingHttpResponse:
    """The CSV as a download. Raises InvalidParameter for an unknown kind."""
    if kind not in EXPORTS:
        raise InvalidParameter(f"There are exports of {', '.join(EXPORTS)}.", param="kind")
    header, rows = EXPORTS[kind]
    name = f"{kind}-{period.start:%Y-%m-%d}-to-{period.end - timedelta(microseconds=1):%Y-%m-%d}.csv"
    named = (dict(zip(header, row, strict=True)) for row in rows(period, workspace))
    return csv_download(name, header, named, for_people)


def invoices(period: Period, workspace: Workspace | None) -> Iterator[Row]:
    """Finalized in the period, credit notes issued in it among them with amounts below zero."""
    found = Invoice.objects.filter(finalized_at__gte=period.start, finalized_at__lt=period.end).select_related("workspace")
    for invoice in _of(found, workspace).order_by("finalized_at", "pk").iterator(AT_ONCE):
        amounts = (
            invoice.subtotal,
            -invoice.promotional,
            invoice.tax,
            invoice.total,
            invoice.credits_applied,
            invoice.amount_paid,
            invoice.credited,
            invoice.still_due,
        )
        yield [
            "invoice",
            invoice.number,
            invoice.status,
            invoice.workspace.public_id,
            invoice.buyer.get("name", ""),
            invoice.buyer.get("tax_id", ""),
            f"{invoice.period_start:%Y-%m}",
            instant_text(invoice.finalized_at),
            instant_text(invoice.due_at),
            instant_text(invoice.paid_at),
            instant_text(invoice.voided_at),
            invoice.currency,
            *map(cents_text, amounts),
        ]
    notes = CreditNote.objects.filter(issued_at__gte=period.start, issued_at__lt=period.end)
    if workspace is not None:
        notes = notes.filter(invoice__workspace=workspace)
    for note in notes.select_related("invoice__workspace").order_by("issued_at", "pk").iterator(AT_ONCE):
        zero = Decimal(0)
        amounts = (-note.subtotal, zero, -note.tax, -note.total, zero, zero, zero, zero)
        yield [
            "credit_note",
            note.number,
            f"for {note.invoice.number}",
            note.invoice.workspace.public_id,
            note.buyer.get("name", ""),
            note.buyer.get("tax_id", ""),
            f"{note.invoice.period_start:%Y-%m}",
            instant_text(note.issued_at),
            None,
            None,
            None,
            note.currency,
            *map(cents_text, amounts),
        ]


def lines(period: Period, workspace: Workspace | None) -> Iterator[Row]:
    """Lines of the invoices finalized in the period, then below zero those of invoices voided in it; neither where both were.

    So lines of a void invoice come to nothing, and what was exported of an ended month stays.
    """
    finalized = Q(invoice__finalized_at__gte=period.start, invoice__finalized_at__lt=period.end)
    voided = Q(invoice__voided_at__gte=period.start, invoice__voided_at__lt=period.end)
    for of_lines, sign in ((finalized & ~voided, 1), (voided & ~finalized, -1)):
        found = InvoiceLine.objects.filter(of_lines)
        if workspace is not None:
            found = found.filter(invoice__workspace=workspace)
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


def payments(period: Period, workspace: Workspace | None) -> Iterator[Row]:
    """Received in the period, then what went back in it with amounts below zero: refunds that succeeded, and chargebacks."""
    found = Payment.objects.filter(received_at__gte=period.start, received_at__lt=period.end)
    for payment in (
        _of(found, workspace).select_related("workspace", "invoice", "grant").order_by("received_at", "pk").iterator(AT_ONCE)
    ):
        yield ["payment", payment.public_id, instant_text(payment.received_at), *_about(payment), cents_text(payment.amount)]
    back = Refund.objects.filter(settled_at__gte=period.start, settled_at__lt=period.end, status=Refund.Status.SUCCEEDED)
    if workspace is not None:
        back = back.filter(payment__workspace=workspace)
    ordered = back.select_related("payment__workspace", "payment__invoice", "payment__grant").order_by("settled_at", "pk")
    for refund in ordered.iterator(AT_ONCE):
        yield [
            "refund",
            refund.public_id,
            instant_text(refund.settled_at),
            *_about(refund.payment, refund),
            cents_text(-refund.amount),
        ]
    yield from _chargebacks(period, workspace)


def _chargebacks(period: Period, workspace: Workspace | None) -> Iterator[Row]:
    """What banks took back in the period, with amounts below zero, and what they paid again in it."""
    moments = (("chargeback", "lost_at", -1), ("chargeback_reversed", "reinstated_at", 1))
    for document, at, sign in moments:
        found = Dispute.objects.filter(**{f"{at}__gte": period.start, f"{at}__lt": period.end}, charged_back__gt=0)
        if workspace is not None:
            found = found.filter(payment__workspace=workspace)
        ordered = found.select_related("payment__workspace", "payment__invoice", "payment__grant").order_by(at, "pk")
        for each in ordered.iterator(AT_ONCE):
            moment, amount = instant_text(getattr(each, at)), cents_text(sign * each.charged_back)
            yield [document, each.stripe_id, moment, *_about(each.payment), amount]


def credits(period: Period, workspace: Workspace | None) -> Iterator[Row]:
    """Every movement of the ledger in the period."""
    found = CreditEntry.objects.filter(at__gte=period.start, at__lt=period.end)
    ordered = _of(found, workspace).select_related("workspace", "grant", "invoice").order_by("pk")
    for entry in ordered.iterator(AT_ONCE):
        yield [
            entry.public_id,
            instant_text(entry.at),
            entry.workspace.public_id,
            entry.grant.public_id,
            entry.grant.kind,
            entry.kind,
            entry.invoice.number if entry.invoice else "",
            entry.reason or entry.grant.note,
            cents_text(entry.amount),
            entry.grant.currency,
        ]


def _about(payment: Payment, refund: Refund | None = None) -> Row:
    """What came by hand goes back by hand, and its refund is found elsewhere than the payment."""
    invoice, grant = payment.invoice, payment.grant
    found = payment.intent_id or (payment.reference if refund is None else refund.reference)
    what = invoice.number if invoice else grant.public_id if grant else payment.surplus
    return [payment.workspace.public_id, what, payment.method, found, payment.currency]


def _of(rows: Any, workspace: Workspace | None) -> Any:
    return rows if workspace is None else rows.filter(workspace=workspace)


SUMS = ["subtotal", "promotional_credits", "tax", "total", "credits_applied", "amount_paid", "credited", "amount_due"]
PARTY = ["workspace_id", "customer", "tax_id"]
EXPORTS: dict[str, tuple[list[str], Callable[[Period, Workspace | None], Iterator[Row]]]] = {
    "invoices": (
        ["document", "number", "status", *PARTY, "month", "issued_at", "due_at", "paid_at", "voided_at", "currency", *SUMS],
        invoices,
    ),
    "lines": (
        [
            *("number", "workspace_id", "line_id", "kind", "description", "model", "service_tier", "component", "month"),
            *("quantity", "rate_per_million", "amount_exact", "amount", "currency", "unit", "rate", "rate_for"),
        ],
        lines,
    ),
    "payments": (
        ["document", "id", "at", "workspace_id", "for", "method", "reference", "currency", "amount"],
        payments,
    ),
    "credits": (
        ["id", "at", "workspace_id", "credit_id", "credit_kind", "movement", "invoice", "note", "amount", "currency"],
        credits,
    ),
}
