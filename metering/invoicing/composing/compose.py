"""An invoice worked out and rounded, before anything is written: for drafts, finalization and the preview alike."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.conf import settings

from metering.credits.ledger import AFTER_TAX, BEFORE_TAX, Remaining, Use, drawn, remaining_after
from metering.invoicing.composing.adjustments import not_yet_billed
from metering.invoicing.composing.books import BILLS_TOKENS, Books
from metering.invoicing.composing.credit_uses import draw_by_month, pays_for
from metering.invoicing.composing.credited import Settlement, settle_credited
from metering.invoicing.composing.discounts_and_minimums import Agreed, agreed_json, discount_and_minimum_lines
from metering.invoicing.composing.fee_lines import fee_lines
from metering.invoicing.composing.lines import DraftLine, draft_lines
from metering.invoicing.composing.read import read_books
from metering.invoicing.composing.taxes import MonthPart, Tax, lowered, taxed
from metering.invoicing.models import Invoice, InvoiceLine
from metering.invoicing.terms.in_force import terms_notes
from metering.invoicing.terms.models import BillingTerms
from metering.money import WIDE, round_to_cents, share_out
from metering.periods import Period
from workspaces.models import Workspace

NOTHING = Decimal("0.00")


@dataclass(frozen=True, slots=True)
class InvoicePreview:
    """What an invoice for `period` would say now. Amounts in `currency`; all but `subtotal_exact` in whole cents."""

    workspace: Workspace
    period: Period
    currency: str
    terms: BillingTerms = field(compare=False)
    lines: Sequence[DraftLine]
    subtotal_exact: Decimal
    subtotal: Decimal
    # Credits that lower what is taxed, and those that are applied as payments are.
    promotional_uses: Sequence[Use]
    credit_uses: Sequence[Use]
    taxes: Sequence[Tax]
    # The terms of each month it bills, as the invoice keeps them.
    agreed: dict[str, dict[str, Any]] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)
    # Corrections that it leaves out because credit notes gave them back.
    settlements: Sequence[Settlement] = ()

    @property
    def promotional(self) -> Decimal:
        return drawn(self.promotional_uses)

    @property
    def tax(self) -> Decimal:
        return sum((tax.amount for tax in self.taxes), NOTHING)

    @property
    def total(self) -> Decimal:
        return self.subtotal - self.promotional + self.tax

    @property
    def credits_applied(self) -> Decimal:
        return drawn(self.credit_uses)

    @property
    def amount_paid(self) -> Decimal:
        return NOTHING

    @property
    def credited(self) -> Decimal:
        return NOTHING

    @property
    def charged_back(self) -> Decimal:
        return NOTHING

    @property
    def amount_due(self) -> Decimal:
        return self.total - self.credits_applied

    @property
    def still_due(self) -> Decimal:
        return self.amount_due

    def leaves_of(self, credit: Sequence[Remaining]) -> list[Remaining]:
        """What would be left of the credit after it."""
        return remaining_after(credit, [*self.promotional_uses, *self.credit_uses])

    @property
    def is_billable(self) -> bool:
        """A month that comes to nothing, or to a credit, has no draft: its lines wait for the next one."""
        return self.subtotal_exact > 0

    @property
    def comes_to_something(self) -> bool:
        """Whether it comes to at least a cent, as every invoice with a number does."""
        return self.subtotal > 0 and self.total >= 0

    @property
    def is_issuable(self) -> bool:
        """What comes to less than the minimum, before any credit, is not issued either: its draft goes, and its lines are
        carried over. What credits cover wholly is issued, however little it is.
        """
        covered = self.comes_to_something and self.amount_due == 0
        enough = self.total >= 0 and self.promotional + self.total >= settings.INVOICE_MINIMUM
        return self.is_billable and (covered or enough)


def compose(
    workspace: Workspace,
    period: Period,
    since: datetime | None = None,
    credit: Sequence[Remaining] | None = None,
    books: Books | None = None,
) -> InvoicePreview:
    """The invoice for `period` as the ledger stands; a sandbox's is empty. Writes nothing; raises LedgerMismatch.

    With `since`, as if other invoices billed all that lies before; with `credit`, as if so much credit were left, and without
    it as drafts of earlier months leave it. `books` that reach to its end save reading them.
    """
    books = books or read_books(workspace, period.end)
    if credit is None:
        credit = credit_after_drafts(books, period)
    return composed(books, period, since, credit)


def credit_after_drafts(books: Books, period: Period) -> Sequence[Remaining]:
    """What the drafts of earlier months, as they would be written now, leave of the credit."""
    credit = books.credit
    for draft in books.drafts_before(period) if credit else ():
        credit = composed(books, draft.period, None, credit).leaves_of(credit)
    return credit


def composed(books: Books, period: Period, since: datetime | None, credit: Sequence[Remaining]) -> InvoicePreview:
    books, settlements = (books, []) if books.workspace.sandbox else settle_credited(books, period, since)
    lines, agreed, carried = ([], {}, []) if books.workspace.sandbox else lines_and_terms(books, period, since)
    subtotal_exact = Decimal(0)
    for line in lines:
        subtotal_exact = WIDE.add(subtotal_exact, line.amount_exact)
    subtotal = round_to_cents(subtotal_exact) + NOTHING  # adding zero turns -0.00 into 0.00
    shares = share_out(subtotal, [line.amount_exact for line in lines])
    parts: Sequence[MonthPart] = parts_of(lines, shares, agreed, period)
    before_tax, after_tax = ([each for each in credit if each.grant.kind in kinds] for kinds in (BEFORE_TAX, AFTER_TAX))
    promotional, parts = draw_promotional(before_tax, parts, subtotal)
    taxes, month_taxes = taxed(parts, books.charged.of)
    total = subtotal - drawn(promotional) + sum((tax.amount for tax in taxes), NOTHING)
    payable = {part.month: part.taxable + sum((tax.amount for tax in month_taxes[part.month]), NOTHING) for part in parts}
    notes = terms_notes(books.terms) | ({"carried": carried_text(carried)} if carried else {})
    notes |= final_note(books.workspace, period)
    billed = {month: agreed[month] for month in sorted({line.key.month for line in lines})}
    return InvoicePreview(
        workspace=books.workspace,
        period=period,
        currency=books.workspace.currency,
        terms=books.terms,
        lines=tuple(line.showing(share) for line, share in zip(lines, shares, strict=True)),
        subtotal_exact=subtotal_exact,
        subtotal=subtotal,
        promotional_uses=promotional,
        credit_uses=draw_by_month(after_tax, payable, total)[0],
        taxes=taxes,
        agreed=agreed_json(billed, month_taxes),
        notes=notes,
        settlements=settlements,
    )


def lines_and_terms(
    books: Books, period: Period, since: datetime | None
) -> tuple[list[DraftLine], dict[datetime, Agreed], list[datetime]]:
    """The lines in their order, the terms they follow, and the earlier months that had no invoice of their own."""
    unbilled = not_yet_billed(books, period, since)
    others, agreed = discount_and_minimum_lines(books, unbilled, period)
    usage = draft_lines(unbilled.left, period, books.prices, books.models)
    fees = fee_lines(books, unbilled.start, period)
    lines = sorted(
        [*usage, *others, *fees], key=lambda line: (is_adjustment(line, period), line.period.start, line.kind in CHARGES)
    )
    earlier = {line.period.start for line in lines if line.period.start < period.start}
    issued = {each.month for each in books.invoices if each.status != Invoice.Status.DRAFT}
    return lines, agreed, sorted(earlier - issued)


CHARGES = tuple(kind for kind in InvoiceLine.Kind if kind not in BILLS_TOKENS)


def parts_of(
    lines: Sequence[DraftLine], shares: Sequence[Decimal], agreed: Mapping[datetime, Agreed], own: Period
) -> list[MonthPart]:
    """What the lines show, summed by month, the invoice's own first."""
    months = {own.start: NOTHING} if agreed else {}
    for line, share in zip(lines, shares, strict=True):
        months[line.key.month] = months.get(line.key.month, NOTHING) + share
    return [MonthPart(month, amount, agreed[month].taxes) for month, amount in months.items()]


def draw_promotional(
    lefts: Sequence[Remaining], parts: Sequence[MonthPart], subtotal: Decimal
) -> tuple[list[Use], Sequence[MonthPart]]:
    """Promotional credit, and the parts less what it pays of each: in proportion where all of it is good for all of them."""
    uses, paid = draw_by_month(lefts, {part.month: part.amount for part in parts}, subtotal)
    if all(pays_for(use.grant, part.month) for use in uses for part in parts if part.amount > 0):
        return uses, lowered(parts, drawn(uses))
    return uses, [replace(part, promotional=paid[part.month]) for part in parts]


def is_adjustment(line: DraftLine, own: Period) -> bool:
    return line.kind == InvoiceLine.Kind.ADJUSTMENT or line.period.start != own.start


def final_note(workspace: Workspace, period: Period) -> dict[str, str]:
    """The invoice of the month in which the workspace was closed is its last one."""
    closed_at = workspace.closed_at
    if closed_at is None or not period.start <= closed_at < period.end:
        return {}
    return {"final": f"Final invoice: the workspace is closed since {closed_at:%d %B %Y}."}


def carried_text(months: Sequence[datetime]) -> str:
    return f"Carried over from {', '.join(f'{month:%B %Y}' for month in months)}, without an invoice of its own."
