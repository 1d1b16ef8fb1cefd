"""An invoice worked out and rounded, before anything is written: for drafts, finalization and the preview alike."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.conf import settings

from metering.credits.ledger import AFTER_TAX, BEFORE_TAX, Remaining, Use, draw, drawn, remaining_grants
from metering.invoicing.composing.adjustments import not_yet_billed
from metering.invoicing.composing.discounts_and_minimums import Agreed, agreed_json, discount_and_minimum_lines
from metering.invoicing.composing.lines import DraftLine, draft_lines
from metering.invoicing.composing.taxes import Tax, TaxShare, taxed
from metering.invoicing.models import InvoiceLine
from metering.invoicing.terms.in_force import terms_notes, terms_of
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
    def amount_due(self) -> Decimal:
        return self.total - self.credits_applied

    @property
    def still_due(self) -> Decimal:
        return self.amount_due

    @property
    def is_billable(self) -> bool:
        """A month that comes to nothing, or to a credit, has no draft: its lines wait for the next one."""
        return self.subtotal_exact > 0

    @property
    def comes_to_something(self) -> bool:
        """At least a cent, as every invoice with a number does."""
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
    workspace: Workspace, period: Period, since: datetime | None = None, credit: Sequence[Remaining] | None = None
) -> InvoicePreview:
    """The invoice for `period` as the ledger stands; a sandbox's is empty. Writes nothing; raises LedgerMismatch.

    With `since`, as if other invoices billed all that lies before; with `credit`, as if so much credit were left.
    """
    terms = terms_of(workspace)
    lines, agreed, carried = ([], {}, []) if workspace.sandbox else lines_and_terms(terms, period, since)
    subtotal_exact = Decimal(0)
    for line in lines:
        subtotal_exact = WIDE.add(subtotal_exact, line.amount_exact)
    subtotal = round_to_cents(subtotal_exact) + NOTHING  # adding zero turns -0.00 into 0.00
    shares = share_out(subtotal, [line.amount_exact for line in lines])
    usable = [each for each in (remaining_grants(workspace) if credit is None else credit) if is_usable(each, period)]
    promotional = draw([each for each in usable if each.grant.kind in BEFORE_TAX], subtotal)
    taxes = taxed(parts_of(lines, shares, agreed, period), drawn(promotional))
    total = subtotal - drawn(promotional) + sum((tax.amount for tax in taxes), NOTHING)
    notes = terms_notes(terms) | ({"carried": carried_text(carried)} if carried else {})
    return InvoicePreview(
        workspace=workspace,
        period=period,
        currency=workspace.currency,
        terms=terms,
        lines=tuple(line.showing(share) for line, share in zip(lines, shares, strict=True)),
        subtotal_exact=subtotal_exact,
        subtotal=subtotal,
        promotional_uses=promotional,
        credit_uses=draw([each for each in usable if each.grant.kind in AFTER_TAX], total),
        taxes=taxes,
        agreed=agreed_json({month: agreed[month] for month in sorted({line.key.month for line in lines})}),
        notes=notes,
    )


def lines_and_terms(
    terms: BillingTerms, period: Period, since: datetime | None
) -> tuple[list[DraftLine], dict[datetime, Agreed], list[datetime]]:
    """The lines in their order, the terms they follow, and the earlier months that had no invoice of their own."""
    workspace = terms.workspace
    unbilled = not_yet_billed(workspace, period, since)
    others, agreed = discount_and_minimum_lines(terms, unbilled, period)
    usage = draft_lines(unbilled.left, period)
    lines = sorted([*usage, *others], key=lambda line: (is_adjustment(line, period), line.period.start, line.kind in CHARGES))
    earlier = {line.period.start for line in lines if line.period.start < period.start}
    issued = workspace.invoices.exclude(status="draft").filter(period_start__in=earlier)
    return lines, agreed, sorted(earlier - set(issued.values_list("period_start", flat=True)))


CHARGES = (InvoiceLine.Kind.DISCOUNT, InvoiceLine.Kind.MINIMUM)


def parts_of(
    lines: Sequence[DraftLine], shares: Sequence[Decimal], agreed: Mapping[datetime, Agreed], own: Period
) -> list[tuple[Decimal, tuple[TaxShare, ...]]]:
    """What the lines show, summed by how their months are taxed, the invoice's own month first."""
    parts = {agreed[own.start].taxes: NOTHING} if agreed else {}
    for line, share in zip(lines, shares, strict=True):
        taxes = agreed[line.key.month].taxes
        parts[taxes] = parts.get(taxes, NOTHING) + share
    return [(amount, taxes) for taxes, amount in parts.items()]


def is_adjustment(line: DraftLine, own: Period) -> bool:
    return line.kind == InvoiceLine.Kind.ADJUSTMENT or line.period.start != own.start


def is_usable(each: Remaining, period: Period) -> bool:
    """Credit counts for every month in which it was valid for a time."""
    return each.grant.expires_at is None or each.grant.expires_at > period.start


def carried_text(months: Sequence[datetime]) -> str:
    return f"Carried over from {', '.join(f'{month:%B %Y}' for month in months)}, without an invoice of its own."
