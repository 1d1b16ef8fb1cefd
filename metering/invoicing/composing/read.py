"""Reads what composing a workspace's invoices has to know: rollups and lines, never an event."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal

from django.conf import settings
from django.db.models import F, Q, Sum

from metering.catalogue.models import LanguageModel
from metering.credits.ledger import remaining_grants
from metering.invoicing.composing.books import Billed, BookedInvoice, Books, waiting_invoices
from metering.invoicing.composing.charged_taxes import ChargedTaxes
from metering.invoicing.composing.lines import LineKey, prices_of, used
from metering.invoicing.credit_notes.models import CreditNote, CreditNoteLine
from metering.invoicing.models import Invoice, InvoiceLine
from metering.invoicing.terms.in_force import pricing_of, tax_rates_of, terms_of
from workspaces.models import Workspace

NOTHING = Decimal("0.00")
FACTS = ("id", "period_start", "status", "finalized_at", "reissued_at", "terms", "taxes")
FIGURES = ("subtotal", "promotional", "total", "amount_due", "holds")


def read_books(workspace: Workspace, end: datetime, start: datetime | None = None) -> Books:
    """Of the months from `start` (None: from the first) up to `end`. Raises LedgerMismatch."""
    terms = terms_of(workspace)
    invoices = booked_invoices(workspace)
    billed, waiting = billed_lines(workspace, invoices, start, end)
    quantities = used(workspace, start, end)
    keys = {*quantities, *billed.tokens}
    return Books(
        workspace=workspace,
        terms=terms,
        taxes=tax_rates_of(terms),
        pricing=pricing_of(workspace),
        invoices=invoices,
        start=start,
        end=end,
        used=quantities,
        billed=billed,
        waiting=waiting,
        charged=charged_taxes(workspace, invoices),
        credit=remaining_grants(workspace),
        prices=prices_of({*keys, *waiting.tokens}),
        models=LanguageModel.objects.in_bulk({key.model_id for key in keys}),
    )


def booked_invoices(workspace: Workspace) -> list[BookedInvoice]:
    rows = workspace.invoices.order_by("period_start", "pk").values_list(*FACTS, *FIGURES)
    return [
        BookedInvoice(pk, month, status, finalized_at, reissued_at, terms, taxes, will_stand(status, *figures))
        for pk, month, status, finalized_at, reissued_at, terms, taxes, *figures in rows
    ]


def will_stand(
    status: str, subtotal: Decimal, promotional: Decimal, total: Decimal, amount_due: Decimal, holds: list[str]
) -> bool:
    """Whether it is a draft that will be issued, by its figures, or that waits for a person."""
    issuable = (subtotal > 0 and amount_due == 0) or total + promotional >= settings.INVOICE_MINIMUM
    return status == Invoice.Status.DRAFT and (issuable or bool(holds))


def billed_lines(
    workspace: Workspace, invoices: Sequence[BookedInvoice], start: datetime | None, end: datetime
) -> tuple[Billed, Billed]:
    """What invoices that stand bill of the months, and what waits for its reissue."""
    waiting_ids = {each.id for each in waiting_invoices(invoices)}
    condition = Q(invoice__status__in=Invoice.FINALIZED)
    if waiting_ids:
        condition |= Q(invoice__in=waiting_ids, period_start=F("invoice__period_start"))
    lines = InvoiceLine.objects.filter(condition, invoice__workspace=workspace, period_start__lt=end)
    if start is not None:
        lines = lines.filter(period_start__gte=start)
    what = ("invoice_id", "kind", "period_start", "language_model_id", "service_tier", "price", "component")
    rows = lines.order_by().values_list(*what).annotate(tokens=Sum("quantity"), exact=Sum("amount_exact"))
    billed, waiting = Billed(), Billed()
    for invoice, kind, month, model, tier, price, component, tokens, amount in rows:
        key = LineKey(month, model or 0, tier, price, component)
        (waiting if invoice in waiting_ids else billed).add(key, kind, int(tokens), amount, invoice)
    return billed, waiting


def charged_taxes(workspace: Workspace, invoices: Iterable[BookedInvoice]) -> ChargedTaxes:
    found, terms = ChargedTaxes(), {}
    for each in invoices:
        if each.stands and each.taxes:
            found.add_invoice(each.terms, each.taxes)
            terms[each.id] = each.terms
    if terms:
        notes = CreditNote.objects.filter(invoice__workspace=workspace).values_list("pk", "invoice_id", "taxes")
        amounts = credited_by_month(workspace)
        for note, invoice, taxes in notes:
            if invoice in terms:
                found.take_credit_note(terms[invoice], taxes, amounts[note])
    return found


def credited_by_month(workspace: Workspace) -> dict[int, dict[str, Decimal]]:
    """What each credit note took back of each month, in whole cents before tax."""
    found: dict[int, dict[str, Decimal]] = defaultdict(dict)
    lines = CreditNoteLine.objects.filter(credit_note__invoice__workspace=workspace).order_by()
    for note, month, amount in lines.values_list("credit_note_id", "invoice_line__period_start").annotate(Sum("amount")):
        found[note][f"{month:%Y-%m}"] = amount
    return found
