"""Reads what composing a workspace's invoices has to know: rollups and lines, never an event."""

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.db.models import F, Q, QuerySet, Sum

from metering.catalogue.models import LanguageModel
from metering.credits.ledger import remaining_by_workspace
from metering.invoicing.composing.books import Billed, BookedInvoice, Books, waiting_invoices
from metering.invoicing.composing.charged_taxes import ChargedTaxes
from metering.invoicing.composing.lines import LineKey, Quantities, prices_of, used_by_workspace
from metering.invoicing.credit_notes.models import CreditNote, CreditNoteLine, SettledAdjustment
from metering.invoicing.fees.agreed import fees_by_workspace, manual_lines_by_workspace
from metering.invoicing.fees.models import ManualLine
from metering.invoicing.fees.proration import FeeHistory
from metering.invoicing.models import Invoice, InvoiceLine
from metering.invoicing.terms.in_force import pricing_by_workspace, tax_rates_of, terms_by_workspace
from metering.invoicing.terms.models import AgreedPricing, BillingTerms
from workspaces.models import Workspace

NOTHING = Decimal("0.00")
FACTS = ("id", "period_start", "status", "finalized_at", "reissued_at", "terms", "taxes")
FIGURES = ("subtotal", "promotional", "total", "amount_due", "holds")


def read_books(workspace: Workspace, end: datetime, start: datetime | None = None) -> Books:
    """Of the months from `start` (None: from the first) up to `end`. Raises LedgerMismatch."""
    return books_by_workspace([workspace], end, start)[workspace.pk]


def books_by_workspace(workspaces: Sequence[Workspace], end: datetime, start: datetime | None = None) -> dict[int, Books]:
    """The same of many, by their primary keys: a query for each table, however many there are."""
    return books_on(read_basis(workspaces), used_by_workspace(workspaces, start, end), end, start)


@dataclass(frozen=True, slots=True)
class Basis:
    """What of workspaces' books is small, by their primary keys: terms, and invoices without their lines."""

    workspaces: Sequence[Workspace]
    terms: Mapping[int, BillingTerms]
    pricing: Mapping[int, Sequence[AgreedPricing]]
    fees: Mapping[int, Sequence[FeeHistory]]
    manual_lines: Mapping[int, Sequence[ManualLine]]
    invoices: Mapping[int, Sequence[BookedInvoice]]

    def fingerprint(self, workspace_id: int) -> str:
        """Another one where months may be billed otherwise than they were: an invoice more, a void, another minimum or fee."""
        final = [each for each in self.invoices[workspace_id] if each.status != Invoice.Status.DRAFT]
        invoices = [(each.id, each.stands, str(each.reissued_at)) for each in final]
        agreed = [
            (str(each.effective_from), str(each.discount_percent), str(each.minimum_commitment))
            for each in self.pricing[workspace_id]
        ]
        fees = [str(each) for each in self.fees[workspace_id]]
        by_hand = [each.public_id for each in self.manual_lines[workspace_id]]
        return hashlib.sha256(json.dumps([invoices, agreed, fees, by_hand]).encode()).hexdigest()


def read_basis(workspaces: Sequence[Workspace]) -> Basis:
    return Basis(
        workspaces,
        terms_by_workspace(workspaces),
        pricing_by_workspace(workspaces),
        fees_by_workspace(workspaces),
        manual_lines_by_workspace(workspaces),
        booked_by_workspace(workspaces),
    )


def books_on(
    basis: Basis, quantities: Mapping[int, Quantities], end: datetime, start: datetime | None = None
) -> dict[int, Books]:
    """The books of the workspaces of `basis`, where so much was used."""
    workspaces, terms, invoices = basis.workspaces, basis.terms, basis.invoices
    billed = billed_lines(invoices, start, end)
    charged, credit = charged_taxes(invoices), remaining_by_workspace(workspaces)
    keys = {key for pk in invoices for key in (*quantities[pk], *billed[pk][0].tokens)}
    prices = prices_of(keys.union(*(waiting.tokens for _, waiting in billed.values())))
    models = LanguageModel.objects.in_bulk({key.model_id for key in keys})
    return {
        each.pk: Books(
            workspace=each,
            terms=terms[each.pk],
            taxes=tax_rates_of(terms[each.pk]),
            pricing=basis.pricing[each.pk],
            fees=basis.fees[each.pk],
            manual_lines=basis.manual_lines[each.pk],
            invoices=invoices[each.pk],
            start=start,
            end=end,
            used=quantities[each.pk],
            billed=billed[each.pk][0],
            waiting=billed[each.pk][1],
            charged=charged[each.pk],
            credit=credit[each.pk],
            prices=prices,
            models=models,
        )
        for each in workspaces
    }


def booked_invoices(workspace: Workspace) -> list[BookedInvoice]:
    return booked_by_workspace([workspace])[workspace.pk]


def booked_by_workspace(workspaces: Iterable[Workspace]) -> dict[int, list[BookedInvoice]]:
    """By month and age."""
    found: dict[int, list[BookedInvoice]] = {each.pk: [] for each in workspaces}
    rows = Invoice.objects.filter(workspace__in=list(found)).order_by("workspace", "period_start", "pk")
    for owner, *row in rows.values_list("workspace_id", *FACTS, *FIGURES):
        pk, month, status, finalized_at, reissued_at, terms, taxes, *figures = row
        stays = will_stand(status, *figures)
        found[owner].append(BookedInvoice(pk, month, status, finalized_at, reissued_at, terms, taxes, stays))
    return found


def will_stand(
    status: str, subtotal: Decimal, promotional: Decimal, total: Decimal, amount_due: Decimal, holds: list[str]
) -> bool:
    """Whether it is a draft that will be issued, by its figures, or that waits for a person."""
    issuable = (subtotal > 0 and amount_due == 0) or total + promotional >= settings.INVOICE_MINIMUM
    return status == Invoice.Status.DRAFT and (issuable or bool(holds))


def billed_lines(
    invoices: Mapping[int, Sequence[BookedInvoice]], start: datetime | None, end: datetime
) -> dict[int, tuple[Billed, Billed]]:
    """What invoices that stand bill of the months, and what waits for its reissue, by workspace."""
    found = {pk: (Billed(), Billed()) for pk in invoices}
    waiting_ids = {each.id for of_one in invoices.values() for each in waiting_invoices(of_one)}
    condition = Q(invoice__status__in=Invoice.FINALIZED)
    if waiting_ids:
        condition |= Q(invoice__in=waiting_ids, period_start=F("invoice__period_start"))
    lines = InvoiceLine.objects.filter(condition, invoice__workspace__in=list(invoices), period_start__lt=end)
    if start is not None:
        lines = lines.filter(period_start__gte=start)
    what = ("invoice_id", "kind", "period_start", "language_model_id", "service_tier", "price", "component")
    rows = lines.order_by().values_list("invoice__workspace_id", *what)
    for owner, invoice, kind, month, model, tier, price, component, tokens, amount in rows.annotate(
        tokens=Sum("quantity"), exact=Sum("amount_exact")
    ):
        key = LineKey(month, model or 0, tier, price, component)
        found[owner][invoice in waiting_ids].add(key, kind, int(tokens), amount, invoice)
    for owner, invoice, kind, month, model, tier, price, component, tokens, amount in settled_adjustments(invoices, start, end):
        key = LineKey(month, model or 0, tier, price, component)
        found[owner][0].add(key, kind, int(tokens), amount, invoice)
    return found


def settled_adjustments(workspaces: Iterable[int], start: datetime | None, end: datetime) -> QuerySet[Any, Any]:
    """What credit notes gave back of corrections, which counts as billed, in the shape of what invoices bill."""
    rows = SettledAdjustment.objects.filter(credit_note__invoice__workspace__in=list(workspaces), month__lt=end)
    if start is not None:
        rows = rows.filter(month__gte=start)
    of_note = ("credit_note__invoice__workspace_id", "credit_note__invoice_id")
    what = ("kind", "month", "language_model_id", "service_tier", "price", "component")
    return rows.order_by().values_list(*of_note, *what).annotate(tokens=Sum("quantity"), exact=Sum("amount_exact"))


def charged_taxes(invoices: Mapping[int, Iterable[BookedInvoice]]) -> dict[int, ChargedTaxes]:
    found: dict[int, ChargedTaxes] = {}
    terms: dict[int, tuple[int, Any]] = {}
    for pk, of_one in invoices.items():
        found[pk] = ChargedTaxes()
        for each in of_one:
            if each.stands and each.taxes:
                found[pk].add_invoice(each.terms, each.taxes)
                terms[each.id] = (pk, each.terms)
    if terms:
        notes = CreditNote.objects.filter(invoice__workspace__in=list(invoices)).values_list("pk", "invoice_id", "taxes")
        amounts = credited_by_month(list(invoices))
        for note, invoice, taxes in notes:
            if invoice in terms:
                pk, of_invoice = terms[invoice]
                found[pk].subtract_credit_note(of_invoice, taxes, amounts[note])
    return found


def credited_by_month(workspace_ids: Sequence[int]) -> dict[int, dict[str, Decimal]]:
    """What each credit note took back of each month, in whole cents before tax."""
    found: dict[int, dict[str, Decimal]] = defaultdict(dict)
    lines = CreditNoteLine.objects.filter(credit_note__invoice__workspace__in=workspace_ids).order_by()
    for note, month, amount in lines.values_list("credit_note_id", "invoice_line__period_start").annotate(Sum("amount")):
        found[note][f"{month:%Y-%m}"] = amount
    return found
