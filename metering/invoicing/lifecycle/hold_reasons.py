"""What a person should see before an invoice goes out: events it does not bill, and sums that make no sense."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from django.conf import settings
from django.db import connection
from django.db.models import Avg, Sum

from metering.components import component_named
from metering.ingest.models import IS_OPEN, EventStatus
from metering.invoicing.composing.compose import InvoicePreview
from metering.invoicing.composing.lines import DraftLine
from metering.invoicing.composing.withdrawn import explained_tokens, last_billed
from metering.invoicing.lifecycle.models import AcceptedTakeBack
from metering.invoicing.models import Invoice
from metering.money import cents_text
from metering.periods import Period
from metering.rollups.models import DailyRollup
from workspaces.models import Workspace

MONTHS_OF_MEAN = 6
QUARANTINED = rf"""
SELECT workspace_id, count(*) FROM metering_quarantinedevent
WHERE workspace_id = ANY(%s) AND {IS_OPEN} AND coalesce(
    substring(encode(content, 'escape') FROM '"occurred_at"\s*:\s*"(\d{{4}}-\d{{2}})-\d{{2}}'),
    to_char(created_at AT TIME ZONE 'UTC', 'YYYY-MM')) = %s
GROUP BY 1
"""  # noqa: S608 - a constant


def warnings_of(workspace: Workspace, period: Period) -> list[str]:
    """Sentences about events that the month's invoice leaves out: those without a price, and those in the quarantine.

    A quarantined event counts for the month that it names, or in which it arrived where that cannot be read.
    """
    return warnings_by_workspace([workspace], period)[workspace.pk]


def warnings_by_workspace(workspaces: Sequence[Workspace], period: Period) -> dict[int, list[str]]:
    """The same of many, by their primary keys."""
    ids = [workspace.pk for workspace in workspaces]
    rollups = DailyRollup.objects.filter(workspace__in=ids, day__gte=period.start, day__lt=period.end, price_id=0)
    of_each = rollups.exclude(status=EventStatus.FAILED).order_by().values_list("workspace_id")
    unpriced = dict(of_each.annotate(requests=Sum("requests")))
    with connection.cursor() as cursor:
        cursor.execute(QUARANTINED, [ids, f"{period.start:%Y-%m}"])
        quarantined = dict(cursor.fetchall())
    return {pk: _sentences(period, int(unpriced.get(pk, 0)), quarantined.get(pk, 0)) for pk in ids}


def _sentences(period: Period, unpriced: int, quarantined: int) -> list[str]:
    found = []
    if unpriced:
        found.append(f"{unpriced:,} request{'s' * (unpriced > 1)} of {period.start:%B %Y} without a price yet: not billed.")
    if quarantined:
        found.append(f"{quarantined:,} event{'s' * (quarantined > 1)} of {period.start:%B %Y} in the quarantine: not billed.")
    return found


@dataclass(frozen=True, slots=True)
class HoldReasons:
    """Why a draft waits for a person: codes, and the same as sentences. False where it does not."""

    codes: list[str] = field(default_factory=list)
    text: str = ""

    def __bool__(self) -> bool:
        return bool(self.codes)


def hold_reasons(preview: InvoicePreview, warnings: list[str]) -> HoldReasons:
    found = {
        Invoice.Hold.IMPLAUSIBLE: [large] if (large := implausibly_large(preview)) else [],
        Invoice.Hold.UNEXPLAINED: [withdrawal_sentence(line) for line in unexplained(preview)],
        Invoice.Hold.EVENTS: warnings if settings.INVOICE_WAITS_FOR_EVENTS else [],
    }
    sentences = [sentence for reasons in found.values() for sentence in reasons]
    return HoldReasons([str(code) for code, reasons in found.items() if reasons], " ".join(sentences))


def implausibly_large(preview: InvoicePreview) -> str:
    """Many times what the workspace's last invoices came to on average; without one to compare with, above the ceiling."""
    small = preview.subtotal < settings.INVOICE_SAFETY_FLOOR
    if small and preview.subtotal <= settings.INVOICE_SAFETY_CEILING:
        return ""  # as most are: no need to look at what came before
    mean = mean_of_last(preview)
    if mean is None:
        return above_ceiling(preview.subtotal)
    if small or preview.subtotal <= mean * settings.INVOICE_SAFETY_FACTOR:
        return ""
    times = (preview.subtotal / mean).quantize(Decimal(1)) if mean else None
    return (
        f"The subtotal of {cents_text(preview.subtotal)} USD is {f'{times} times' if times else 'far above'} the mean "
        f"of the last invoices, {cents_text(mean)} USD."
    )


def above_ceiling(subtotal: Decimal) -> str:
    if subtotal <= settings.INVOICE_SAFETY_CEILING:
        return ""
    return (
        f"The subtotal of {cents_text(subtotal)} USD is above {cents_text(settings.INVOICE_SAFETY_CEILING)} USD, and the "
        "workspace has no earlier invoice to compare it with."
    )


def mean_of_last(preview: InvoicePreview) -> Decimal | None:
    """The mean subtotal of the workspace's last finalized invoices before this month; None: there is none."""
    last = preview.workspace.invoices.finalized().filter(period_start__lt=preview.period.start)
    newest = Invoice.objects.filter(pk__in=last.order_by("-period_start").values("pk")[:MONTHS_OF_MEAN])
    mean: Decimal | None = newest.aggregate(mean=Avg("subtotal"))["mean"]
    return mean


def withdrawal_sentence(line: DraftLine) -> str:
    component = component_named(line.component)
    quantity = component.quantity_text(-line.quantity) + (" tokens" if component.is_tokens else "")
    return f"{quantity} are taken back ({line.description}) and nothing explains it."


def unexplained(preview: InvoicePreview) -> list[DraftLine]:
    """Lines that take tokens back though nothing took them from what was billed, nor a person accepted it."""
    negative = {
        (preview.workspace.pk, line.period.start, line.key.model_id, line.service_tier, line.price, line.component): line
        for line in preview.lines
        if line.quantity < 0
    }
    if not negative:
        return []
    explained, last = explained_tokens(negative), last_billed(negative)
    return [
        line
        for item, line in negative.items()
        if explained.get(item, 0) + accepted_tokens(preview.workspace, line, last[item].at if item in last else None)
        < -line.quantity
    ]


def accepted_tokens(workspace: Workspace, line: DraftLine, since: datetime | None) -> int:
    """Tokens of the line's item that a person let go since it was billed last."""
    of_item = AcceptedTakeBack.objects.filter(
        workspace=workspace,
        month=line.period.start,
        language_model=line.key.model_id,
        service_tier=line.service_tier,
        price=line.price,
        component=line.component,
    )
    if since is not None:
        of_item = of_item.filter(accepted_at__gt=since)
    return of_item.aggregate(tokens=Sum("tokens"))["tokens"] or 0
