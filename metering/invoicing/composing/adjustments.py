"""One rule for whatever arrives late or is corrected: what should have been billed minus what was billed.

It is asked for every month up to the invoice's own, so a month's first billing, a late event, a void and a re-rating
are the same subtraction, and doing it again finds nothing left.
"""

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.db.models import F, Q, Sum

from metering.invoicing.composing.lines import LineKey, Quantities, used
from metering.invoicing.models import Invoice, InvoiceLine
from metering.periods import Period
from workspaces.models import Workspace

BILLS_TOKENS = (InvoiceLine.Kind.USAGE, InvoiceLine.Kind.ADJUSTMENT)


@dataclass(frozen=True, slots=True)
class Unbilled:
    """`left` is what an invoice has to bill; `used` all that was used in the months it looks at, beginning at `start`."""

    left: Quantities
    used: Quantities
    start: datetime | None
    voided: set[datetime]


def not_yet_billed(workspace: Workspace, period: Period, since: datetime | None = None) -> Unbilled:
    """Tokens, above or below zero, that the invoice for `period` has to bill: its own month's and earlier months'.

    An earlier month belongs to the first invoice after it that is not finalized, so an earlier draft leaves nothing of
    its own month and those before it, unless it comes to too little to be issued. A voided month waits for its own reissue.
    What lies before `since` is taken as billed elsewhere. Loads no event.
    """
    start = max((at for at in (since, end_of_earlier_drafts(workspace, period)) if at is not None), default=None)
    everything = used(workspace, start, period.end)
    left = dict(everything)
    for key, quantity in billed(workspace, start, period.end).items():
        left[key] = left.get(key, 0) - quantity
    voided = voided_months(workspace, period)
    return Unbilled(
        left={key: quantity for key, quantity in left.items() if quantity and key.month not in voided},
        used={key: quantity for key, quantity in everything.items() if key.month not in voided},
        start=start,
        voided=voided,
    )


def billed(workspace: Workspace, start: datetime | None, end: datetime) -> Quantities:
    """Tokens on finalized invoices for the months from `start` (None: from the first) up to `end`."""
    lines = InvoiceLine.objects.filter(
        invoice__workspace=workspace, invoice__status__in=Invoice.FINALIZED, kind__in=BILLS_TOKENS, period_start__lt=end
    )
    if start is not None:
        lines = lines.filter(period_start__gte=start)
    rows = (
        lines.order_by()
        .values_list("period_start", "language_model_id", "service_tier", "price", "component")
        .annotate(tokens=Sum("quantity"))
    )
    return {LineKey(*key): int(tokens) for *key, tokens in rows}


def end_of_earlier_drafts(workspace: Workspace, period: Period) -> datetime | None:
    """Where the latest draft before `period` that will be issued, or waits for a person, ends: what lies before is its."""
    before_credits = F("total") + F("promotional")
    issuable = Q(subtotal__gt=0, amount_due=0) | Q(before_credits__gte=settings.INVOICE_MINIMUM)
    drafts = workspace.invoices.filter(status=Invoice.Status.DRAFT, period_start__lt=period.start)
    return (
        drafts.alias(before_credits=before_credits)
        .filter(issuable | ~Q(holds=[]))
        .order_by("-period_start")
        .values_list("period_end", flat=True)
        .first()
    )


def voided_months(workspace: Workspace, period: Period) -> set[datetime]:
    """Earlier months whose only invoices are void: reissuing them is a person's decision."""
    states: dict[datetime, set[str]] = defaultdict(set)
    earlier = workspace.invoices.filter(Q(period_start__lt=period.start)).order_by()
    for month, status in earlier.values_list("period_start", "status"):
        states[month].add(status)
    return {month for month, found in states.items() if found == {Invoice.Status.VOID}}
