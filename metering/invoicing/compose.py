"""An invoice worked out and rounded, before anything is written: for drafts, finalization and the preview alike."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from metering.invoicing.adjustments import not_yet_billed
from metering.invoicing.lines import DraftLine, draft_lines
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
    lines: Sequence[DraftLine]
    subtotal_exact: Decimal
    subtotal: Decimal
    tax: Decimal
    total: Decimal
    credits_applied: Decimal
    amount_due: Decimal

    @property
    def is_billable(self) -> bool:
        """A month that comes to nothing, or to a credit, has no invoice: its lines wait for the next one."""
        return self.subtotal_exact > 0


def compose(workspace: Workspace, period: Period, since: datetime | None = None) -> InvoicePreview:
    """The invoice for `period` as the ledger stands; a sandbox's is empty. Writes nothing; raises LedgerMismatch.

    With `since`, as if other invoices billed all that lies before.
    """
    lines = [] if workspace.sandbox else draft_lines(not_yet_billed(workspace, period, since), period)
    subtotal_exact = Decimal(0)
    for line in lines:
        subtotal_exact = WIDE.add(subtotal_exact, line.amount_exact)
    subtotal = round_to_cents(subtotal_exact) + NOTHING  # adding zero turns -0.00 into 0.00
    shares = share_out(subtotal, [line.amount_exact for line in lines])
    tax = NOTHING
    return InvoicePreview(
        workspace=workspace,
        period=period,
        currency=workspace.currency,
        lines=tuple(line.showing(share) for line, share in zip(lines, shares, strict=True)),
        subtotal_exact=subtotal_exact,
        subtotal=subtotal,
        tax=tax,
        total=subtotal + tax,
        credits_applied=NOTHING,
        amount_due=subtotal + tax,
    )
