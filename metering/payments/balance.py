"""What a workspace has left: credits less what it used and was not invoiced yet, in real time, from rollups."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from metering.credits.ledger import Left, left_of
from metering.credits.models import CreditGrant
from metering.invoicing.compose import InvoicePreview, compose
from metering.invoicing.models import Invoice, InvoiceLine
from metering.invoicing.schedule import due_months
from metering.money import WIDE
from metering.periods import month_of
from workspaces.models import Workspace

NOTHING = Decimal(0)


@dataclass(frozen=True, slots=True)
class Balance:
    """`credits` in whole cents, of which by kind; `unbilled` usage and `left`, credits less unbilled, exact USD."""

    workspace: Workspace
    credits: Decimal
    by_kind: dict[str, Decimal]
    unbilled: Decimal
    at: datetime

    @property
    def left(self) -> Decimal:
        return WIDE.subtract(self.credits, self.unbilled)


def balance_of(workspace: Workspace, now: datetime) -> Balance:
    """Credit that has expired counts only as far as unbilled usage of its time may still use it up."""
    unbilled = unbilled_usage(workspace, now)
    lefts = left_of(workspace)
    valid = [each for each in lefts if not _is_expired(each, now)]
    lapsed = sum((each.left for each in lefts if _is_expired(each, now)), NOTHING)
    kinds = {kind: sum((each.left for each in valid if each.grant.kind == kind), NOTHING) for kind in CreditGrant.Kind.values}
    still_usable = min(lapsed, max(NOTHING, unbilled.quantize(Decimal("0.01"))))
    return Balance(workspace, sum(kinds.values(), NOTHING) + still_usable, kinds, unbilled, now)


def unbilled_usage(workspace: Workspace, now: datetime) -> Decimal:
    """Exact USD of usage on no finalized invoice, discounts taken off, corrections of billed months included.

    A minimum commitment of a month is no usage.
    """
    drafts = set(workspace.invoices.filter(status=Invoice.Status.DRAFT).values_list("period_start", flat=True))
    total, since = NOTHING, None
    for month, _ in due_months(now, workspace):
        preview = compose(workspace, month, since, [])
        if preview.is_billable or month.start in drafts:
            total, since = WIDE.add(total, _usage_on(preview)), month.end
    return WIDE.add(total, _usage_on(compose(workspace, month_of(now), since, [])))


def _usage_on(preview: InvoicePreview) -> Decimal:
    total = NOTHING
    for line in preview.lines:
        if line.kind != InvoiceLine.Kind.MINIMUM:
            total = WIDE.add(total, line.amount_exact)
    return total


def _is_expired(each: Left, now: datetime) -> bool:
    return each.grant.expires_at is not None and each.grant.expires_at <= now
