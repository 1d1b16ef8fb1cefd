"""What a workspace has left: credits less what it used and was not invoiced yet, tax included, in real time, from rollups."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from metering.credits.models import CreditGrant
from metering.invoicing.composing.books import Books
from metering.invoicing.composing.compose import InvoicePreview, composed
from metering.invoicing.lifecycle.current_books import books_until_now, months_to_close
from metering.invoicing.models import Invoice, InvoiceLine
from metering.money import WIDE, round_to_cents
from metering.periods import Period, month_of
from workspaces.models import Workspace

NOTHING = Decimal("0.00")


@dataclass(frozen=True, slots=True)
class Balance:
    """`credits` in whole cents, of which by kind; `unbilled` usage in exact USD, `tax` on it in whole cents, and `left`,
    credits less both.
    """

    workspace: Workspace
    credits: Decimal
    by_kind: dict[str, Decimal]
    unbilled: Decimal
    tax: Decimal
    at: datetime

    @property
    def left(self) -> Decimal:
        return WIDE.subtract(self.credits, WIDE.add(self.unbilled, self.tax))


def balance_of(workspace: Workspace, now: datetime) -> Balance:
    """Credit that has ended counts only as far as unbilled usage of its own time still uses it up."""
    books = books_until_now(workspace, now)
    lefts = books.credit
    ended = {each.grant.pk for each in lefts if (end := each.grant.end_in(workspace)) is not None and end <= now}
    valid = [each for each in lefts if each.grant.pk not in ended]
    kinds = {kind: sum((each.left for each in valid if each.grant.kind == kind), NOTHING) for kind in CreditGrant.Kind.values}
    unbilled, tax, lapsed = NOTHING, NOTHING, NOTHING
    for preview in invoices_to_come(books, now):
        usage = _usage_on(preview, books.billed.invoices.keys())
        tax_on_it = _tax_on(usage, preview)
        unbilled, tax = WIDE.add(unbilled, usage), tax + tax_on_it
        uses = [*preview.promotional_uses, *preview.credit_uses]
        expired = sum((use.amount for use in uses if use.grant.pk in ended), NOTHING)
        lapsed += max(NOTHING, min(expired, round_to_cents(usage) + tax_on_it))
    return Balance(workspace, sum(kinds.values(), NOTHING) + lapsed, kinds, unbilled, tax, now)


def invoices_to_come(books: Books, now: datetime) -> Iterator[InvoicePreview]:
    """The invoices to come, as they would be made now: of void months, of those not finalized yet, and of the running one.

    A closed workspace gets no other invoice than the reissues of its void months.
    """
    reissued, since, credit = books.as_reissued(), None, books.credit
    drafts = {each.month for each in books.invoices if each.status == Invoice.Status.DRAFT}
    is_over = books.workspace.closed_at is not None
    for month in sorted(_reissues_of(books, drafts) if is_over else {*_void_months(books), *months_to_close(reissued, now)}):
        preview = composed(reissued, month, since, credit)
        if preview.is_issuable or month.start in drafts:
            yield preview
            since, credit = month.end, preview.leaves_of(credit)
    if not is_over:
        yield composed(reissued, month_of(now), since, credit)


def _void_months(books: Books) -> set[Period]:
    current = {each.month for each in books.invoices if each.status != Invoice.Status.VOID}
    return {each.period for each in books.invoices if each.month not in current}


def _reissues_of(books: Books, drafts: set[datetime]) -> set[Period]:
    """Months that wait for their reissue, and those of which it is a draft."""
    return {month_of(month) for month in {*books.waiting_months(), *drafts}}


def _usage_on(preview: InvoicePreview, billed: Collection[datetime]) -> Decimal:
    """Exact USD, discounts taken off, corrections of `billed` months included.

    A minimum commitment is no usage; but where a month is billed, on whichever invoice, its minimum makes up for what its
    usage changes by.
    """
    total = NOTHING
    for line in preview.lines:
        if line.kind != InvoiceLine.Kind.MINIMUM or line.period.start in billed:
            total = WIDE.add(total, line.amount_exact)
    return total


def _tax_on(usage: Decimal, preview: InvoicePreview) -> Decimal:
    """The usage's part of the tax."""
    if not preview.tax or not preview.subtotal_exact:
        return NOTHING
    part = WIDE.divide(WIDE.multiply(preview.tax, usage), preview.subtotal_exact)
    return round_to_cents(part)
