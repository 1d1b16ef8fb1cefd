"""Reads what composing a workspace's invoices has to know: rollups and lines, never an event."""

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.conf import settings

from metering.credits.ledger import LEFT, remaining_from
from metering.invoicing.composing.books import Billed, BookedInvoice, Books, CreditedMonth, ItemKey, item_of, waiting_invoices
from metering.invoicing.composing.charged_taxes import ChargedTaxes
from metering.invoicing.composing.lines import LineKey, Quantities, prices_and_models_of, used_by_workspace
from metering.invoicing.composing.taxes import TaxShare
from metering.invoicing.fees.agreed import FEES, MANUAL_LINES, fees_from, manual_lines_from
from metering.invoicing.fees.models import ManualLine
from metering.invoicing.fees.proration import FeeHistory
from metering.invoicing.models import Invoice
from metering.invoicing.terms.in_force import (
    PRICING,
    RATES,
    TERMS,
    pricing_from,
    rates_by_workspace,
    terms_from,
)
from metering.invoicing.terms.models import AgreedPricing, BillingTerms
from metering.money import round_to_cents
from metering.rows import fetch_together
from workspaces.models import Workspace

NOTHING = Decimal("0.00")


def read_books(workspace: Workspace, end: datetime, start: datetime | None = None) -> Books:
    """The books of the months from `start` (None: from the first) up to `end`. Raises LedgerMismatch."""
    return books_by_workspace([workspace], end, start)[workspace.pk]


def books_by_workspace(workspaces: Sequence[Workspace], end: datetime, start: datetime | None = None) -> dict[int, Books]:
    """The same of many, by their primary keys: a query for each table, however many there are."""
    return books_on(read_basis(workspaces), used_by_workspace(workspaces, start, end), end, start)


@dataclass(frozen=True, slots=True)
class Basis:
    """What of workspaces' books is small, by their primary keys: terms, and invoices without their lines."""

    workspaces: Sequence[Workspace]
    terms: Mapping[int, BillingTerms]
    taxes: Mapping[int, tuple[TaxShare, ...]]
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
    return read_basis_and(workspaces, [])[0]


def read_basis_and(workspaces: Sequence[Workspace], statements: Sequence[str]) -> tuple[Basis, list[list[tuple[Any, ...]]]]:
    """The basis and, asked with it, the rows of further `statements` about the `workspaces`."""
    asked = {"workspaces": [each.pk for each in workspaces]}
    found = fetch_together([TERMS, RATES, PRICING, FEES, MANUAL_LINES, INVOICES, *statements], asked)
    terms, rates, pricing, fees, manual_lines, invoices, *others = found
    agreed = terms_from(terms, workspaces)
    basis = Basis(
        workspaces,
        agreed,
        rates_by_workspace(rates, agreed),
        pricing_from(pricing, workspaces),
        fees_from(fees, workspaces),
        manual_lines_from(manual_lines, workspaces),
        booked_from(invoices, workspaces),
    )
    return basis, others


def books_on(
    basis: Basis, quantities: Mapping[int, Quantities], end: datetime, start: datetime | None = None
) -> dict[int, Books]:
    """The books of the workspaces of `basis`, where so much was used."""
    workspaces, terms = basis.workspaces, basis.terms
    waiting = [each.id for of_one in basis.invoices.values() for each in waiting_invoices(of_one)]
    asked = {"workspaces": list(basis.invoices), "start": start, "end": end, "waiting": waiting}
    found = fetch_together([BILLED, SETTLED, AGREED, NOTES, CREDITED, LEFT, CREDITED_LINES, SETTLED_BY_NOTES], asked)
    billing, settled, agreed, notes, credited, left, credited_lines, settled_by_notes = found
    billed = billed_from([*billing, *settled], basis.invoices, set(waiting))
    invoices = with_terms(basis.invoices, agreed)
    charged, credit = charged_taxes(invoices, notes, credited), remaining_from(left, workspaces)
    months = credited_months(credited_lines, settled_by_notes, workspaces)
    keys = {key for pk in invoices for key in (*quantities[pk], *billed[pk][0].tokens, *billed[pk][1].tokens)}
    prices, models = prices_and_models_of(keys)
    return {
        each.pk: Books(
            workspace=each,
            terms=terms[each.pk],
            taxes=basis.taxes[each.pk],
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
            credited=months[each.pk],
            credit=credit[each.pk],
            prices=prices,
            models=models,
        )
        for each in workspaces
    }


def booked_from(rows: Iterable[Sequence[Any]], workspaces: Sequence[Workspace]) -> dict[int, list[BookedInvoice]]:
    """Invoices by workspace, in the order of month and age; their terms and taxes are read with the lines."""
    found: dict[int, list[BookedInvoice]] = {each.pk: [] for each in workspaces}
    for owner, pk, month, status, finalized_at, reissued_at, *figures in rows:
        found[owner].append(BookedInvoice(pk, month, status, finalized_at, reissued_at, {}, [], will_stand(status, *figures)))
    return found


def with_terms(
    invoices: Mapping[int, Sequence[BookedInvoice]], rows: Iterable[Sequence[Any]]
) -> dict[int, list[BookedInvoice]]:
    """The invoices with the terms and taxes of AGREED: those before the first month that is looked at have none."""
    kept = {pk: (json.loads(terms), json.loads(taxes)) for pk, terms, taxes in rows}
    return {
        owner: [replace(each, terms=kept[each.id][0], taxes=kept[each.id][1]) if each.id in kept else each for each in of_one]
        for owner, of_one in invoices.items()
    }


def will_stand(
    status: str, subtotal: Decimal, promotional: Decimal, total: Decimal, amount_due: Decimal, holds: list[str]
) -> bool:
    """Whether it is a draft that will be issued, by its figures, or that waits for a person."""
    issuable = (subtotal > 0 and amount_due == 0) or total + promotional >= settings.INVOICE_MINIMUM
    return status == Invoice.Status.DRAFT and (issuable or bool(holds))


def billed_from(
    rows: Iterable[Sequence[Any]], workspaces: Iterable[int], waiting: set[int]
) -> dict[int, tuple[Billed, Billed]]:
    """What invoices that stand bill of the months, and what waits for its reissue, by workspace."""
    found = {pk: (Billed(), Billed()) for pk in workspaces}
    for owner, invoice, kind, month, model, tier, price, component, tokens, amount in rows:
        key = LineKey(month, model or 0, tier, price, component)
        found[owner][invoice in waiting].add(key, kind, int(tokens), amount, invoice)
    return found


def credited_months(
    rows: Iterable[Sequence[Any]], settled: Iterable[Sequence[Any]], workspaces: Sequence[Workspace]
) -> dict[int, list[CreditedMonth]]:
    """What credit notes gave back of months beyond the corrections that they settled, by workspace, oldest first."""
    found: dict[int, list[CreditedMonth]] = {each.pk: [] for each in workspaces}
    before = {(note, month): round_to_cents(-exact) for note, month, exact in settled}
    amounts: dict[tuple[int, int, int, datetime], Decimal] = defaultdict(Decimal)
    items: dict[tuple[int, int, int, datetime], set[ItemKey]] = defaultdict(set)
    for owner, note, invoice, month, model, tier, price, component, amount in rows:
        amounts[owner, note, invoice, month] += amount
        items[owner, note, invoice, month].add(item_of(LineKey(month, model or 0, tier, price, component)))
    for (owner, note, invoice, month), amount in amounts.items():
        left = amount - before.get((note, month), NOTHING)
        if left > 0:
            found[owner].append(CreditedMonth(note, invoice, month, frozenset(items[owner, note, invoice, month]), left))
    return found


def charged_taxes(
    invoices: Mapping[int, Iterable[BookedInvoice]], notes: Iterable[Sequence[Any]], credited: Iterable[Sequence[Any]]
) -> dict[int, ChargedTaxes]:
    """What current invoices charged, less what credit notes took back of each month, in whole cents before tax."""
    found: dict[int, ChargedTaxes] = {}
    terms: dict[int, tuple[int, Any]] = {}
    for pk, of_one in invoices.items():
        found[pk] = ChargedTaxes()
        for each in of_one:
            if each.stands and each.taxes:
                found[pk].add_invoice(each.terms, each.taxes)
                terms[each.id] = (pk, each.terms)
    amounts: dict[int, dict[str, Decimal]] = defaultdict(dict)
    for note, month, amount in credited:
        amounts[note][f"{month:%Y-%m}"] = amount
    for note, invoice, taxes in notes:
        if invoice in terms:
            pk, of_invoice = terms[invoice]
            found[pk].subtract_credit_note(of_invoice, json.loads(taxes), amounts[note])
    return found


# No invoice bills anything of a month after its own.
OF_THESE = (
    "invoice.workspace_id = ANY(%(workspaces)s) AND (%(start)s::timestamptz IS NULL OR invoice.period_start >= %(start)s)"
)
FINALIZED = "'open', 'paid', 'uncollectible'"
INVOICES = """
SELECT workspace_id, id, period_start, status, finalized_at, reissued_at, subtotal, promotional, total, amount_due, holds
FROM metering_invoice WHERE workspace_id = ANY(%(workspaces)s) ORDER BY workspace_id, period_start, id
"""
WHAT = "language_model_id, service_tier, price, component, sum(quantity), sum(amount_exact)"
BILLED = f"""
SELECT invoice.workspace_id, invoice_id, kind, line.period_start, {WHAT}
FROM metering_invoiceline line JOIN metering_invoice invoice ON invoice.id = invoice_id
WHERE {OF_THESE} AND (status IN ({FINALIZED}) OR invoice.id = ANY(%(waiting)s) AND line.period_start = invoice.period_start)
  AND line.period_start < %(end)s AND (%(start)s::timestamptz IS NULL OR line.period_start >= %(start)s)
GROUP BY 1, 2, 3, 4, 5, 6, 7, 8
"""  # noqa: S608 - constants
# What credit notes gave back of corrections, which counts as billed.
SETTLED = f"""
SELECT invoice.workspace_id, invoice_id, kind, month, {WHAT}
FROM metering_settledadjustment JOIN metering_creditnote note ON note.id = credit_note_id
JOIN metering_invoice invoice ON invoice.id = invoice_id
WHERE {OF_THESE} AND month < %(end)s AND (%(start)s::timestamptz IS NULL OR month >= %(start)s)
GROUP BY 1, 2, 3, 4, 5, 6, 7, 8
"""  # noqa: S608 - constants
AGREED = f"SELECT id, terms, taxes FROM metering_invoice invoice WHERE {OF_THESE}"  # noqa: S608 - constants
NOTES = f"""
SELECT note.id, invoice_id, note.taxes FROM metering_creditnote note JOIN metering_invoice invoice ON invoice.id = invoice_id
WHERE {OF_THESE} ORDER BY note.id
"""  # noqa: S608 - constants
CREDITED = f"""
SELECT credit_note_id, line.period_start, sum(credited.amount)
FROM metering_creditnoteline credited JOIN metering_invoiceline line ON line.id = invoice_line_id
JOIN metering_invoice invoice ON invoice.id = line.invoice_id WHERE {OF_THESE} GROUP BY 1, 2
"""  # noqa: S608 - constants
# By line, for what corrects it later; manual lines are corrected by nothing.
CREDITED_LINES = f"""
SELECT invoice.workspace_id, credit_note_id, invoice.id, line.period_start, language_model_id, service_tier, price, component,
       credited.amount
FROM metering_creditnoteline credited JOIN metering_invoiceline line ON line.id = invoice_line_id
JOIN metering_invoice invoice ON invoice.id = line.invoice_id
WHERE {OF_THESE} AND line.kind <> 'manual' AND line.period_start < %(end)s
  AND (%(start)s::timestamptz IS NULL OR line.period_start >= %(start)s)
ORDER BY credit_note_id
"""  # noqa: S608 - constants
SETTLED_BY_NOTES = f"""
SELECT credit_note_id, month, sum(amount_exact)
FROM metering_settledadjustment JOIN metering_creditnote note ON note.id = credit_note_id
JOIN metering_invoice invoice ON invoice.id = invoice_id WHERE {OF_THESE} GROUP BY 1, 2
"""  # noqa: S608 - constants
