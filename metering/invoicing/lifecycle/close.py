"""Closing a month: one draft per workspace, some hundred in a transaction, so that dying half way loses nothing."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from itertools import islice
from typing import NamedTuple

import structlog
from django.db import transaction

from metering.invoicing.allowed import check_month_ended
from metering.invoicing.composing.compose import compose
from metering.invoicing.composing.read import books_by_workspace
from metering.invoicing.fees.models import ManualLine, RecurringFee
from metering.invoicing.lifecycle.draft import Draft, write_drafts
from metering.invoicing.lifecycle.freeze import freeze_all
from metering.invoicing.lifecycle.hold_reasons import hold_reasons, warnings_by_workspace
from metering.invoicing.locks import lock_current_invoices
from metering.invoicing.models import Invoice
from metering.invoicing.terms.models import AgreedPricing
from metering.periods import Period
from metering.rollups.models import DailyRollup
from omixa_billing.outage import STORAGE_ERRORS
from workspaces.locks import lock_workspaces
from workspaces.models import Workspace

log = structlog.get_logger(__name__)
ACTOR = "close_month"
# Workspaces in one transaction: enough to share its statements among, and few enough that other acts wait a second at most.
AT_ONCE = 200


class ClosedMonth(NamedTuple):
    """What closing a month of a workspace came to: its invoice, if there is one, and what it leaves out."""

    invoice: Invoice | None
    warnings: list[str]


def close_workspaces(
    period: Period, now: datetime, workspace: Workspace | None = None, finalize: bool = False, actor: str = ACTOR
) -> list[Invoice]:
    """Create or refresh the month's draft of every workspace with something to bill, or of one; `finalize` freezes it.

    Returns the month's standing invoices in the workspaces' order; those already finalized are as they were. Raises
    MonthNotEnded. One workspace's failure does not stop the others: failures are raised together at the end.
    """
    check_month_ended(period, now)
    invoices, failures = [], []
    every = [workspace] if workspace is not None else billable_workspaces(period)
    for one, closed in zip(every, close_each([each.pk for each in every], period, now, finalize, actor), strict=True):
        if isinstance(closed, STORAGE_ERRORS):
            raise closed  # the database is away: the others would fail alike
        if isinstance(closed, Exception):
            closed.add_note(f"while closing {period} for {one.public_id}")
            failures.append(closed)
        elif closed.invoice is not None:
            invoices.append(closed.invoice)
    if failures:
        raise ExceptionGroup(f"{len(failures)} workspaces could not be closed; the others are", failures)
    return invoices


def close_each(
    workspace_ids: Iterable[int], period: Period, now: datetime, finalize: bool, actor: str
) -> Iterator[ClosedMonth | Exception]:
    """What closing the month of each workspace came to, in their order, or why it failed.

    Many are closed together in one transaction. If that fails each of them is closed alone, so that only the one at fault
    fails.
    """
    rest = iter(workspace_ids)
    while some := list(islice(rest, AT_ONCE)):
        yield from _close_some(some, lambda ids: close_together(ids, period, now, finalize, actor))


def _close_some(
    workspace_ids: list[int], close: Callable[[list[int]], dict[int, ClosedMonth]]
) -> Iterator[ClosedMonth | Exception]:
    try:
        closed = close(workspace_ids)
    except Exception as error:
        if len(workspace_ids) == 1:
            yield error
            return
        log.warning("workspaces_closed_alone", workspaces=len(workspace_ids), error=repr(error))
        for one in workspace_ids:
            yield from _close_some([one], close)
    else:
        yield from (closed[pk] for pk in workspace_ids)


def close_workspace(
    workspace: Workspace, period: Period, now: datetime, finalize: bool, actor: str, reissuing: bool = False
) -> ClosedMonth:
    """One workspace's invoice for the month, as `close_together` makes it."""
    return close_together([workspace.pk], period, now, finalize, actor, reissuing)[workspace.pk]


@transaction.atomic
def close_together(
    workspace_ids: Sequence[int], period: Period, now: datetime, finalize: bool, actor: str, reissuing: bool = False
) -> dict[int, ClosedMonth]:
    """The invoices of these workspaces for the month, by their primary keys, with a handful of statements however many. None
    when nothing, or less than the minimum, is to bill. Safe to run again, and at once.

    An implausible invoice stays a draft with its reason, `held`, until a person decides. A month whose invoice was voided
    is billed again by a person only, who is `reissuing` it; of a closed workspace only so.
    """
    workspaces = lock_workspaces(workspace_ids)
    current = lock_current_invoices(workspaces, period)
    of_month = Invoice.objects.filter(workspace__in=workspace_ids, period_start=period.start)
    voided = set() if reissuing else set(of_month.values_list("workspace", flat=True)) - current.keys()
    closed, to_close = {}, []
    for workspace in workspaces:
        invoice = current.get(workspace.pk)
        is_over = workspace.closed_at is not None and not reissuing
        if workspace.sandbox or workspace.pk in voided:
            closed[workspace.pk] = ClosedMonth(None, [])
        elif is_over or (invoice is not None and invoice.status != Invoice.Status.DRAFT):
            closed[workspace.pk] = ClosedMonth(invoice, [])
        else:
            to_close.append(workspace)
    return closed | _close(to_close, current, period, now, finalize, actor)


def _close(
    workspaces: list[Workspace], current: dict[int, Invoice], period: Period, now: datetime, finalize: bool, actor: str
) -> dict[int, ClosedMonth]:
    if not workspaces:
        return {}
    warnings, books = warnings_by_workspace(workspaces, period), books_by_workspace(workspaces, period.end)
    drafts, empty = [], []
    for workspace in workspaces:
        preview, invoice = compose(workspace, period, books=books[workspace.pk]), current.get(workspace.pk)
        holds = hold_reasons(preview, warnings[workspace.pk])
        if holds or (preview.is_issuable if finalize else preview.is_billable):
            drafts.append(Draft(invoice, preview, warnings[workspace.pk], holds))
        elif invoice is not None:
            empty.append(invoice.pk)
    if empty:
        Invoice.objects.filter(pk__in=empty).delete()
    written = write_drafts(drafts)
    if finalize:
        pairs = zip(written, drafts, strict=True)
        freeze_all([(invoice, draft.preview) for invoice, draft in pairs if not draft.holds], actor, now)
    if written:
        _refresh_later_drafts([draft.preview.workspace for draft in drafts], period)
    invoices = {invoice.workspace_id: invoice for invoice in written}
    return {each.pk: ClosedMonth(invoices.get(each.pk), warnings[each.pk]) for each in workspaces}


def _refresh_later_drafts(workspaces: Iterable[Workspace], period: Period) -> None:
    """After drafts of a month were written: those of later months show neither its usage nor the credit that it uses."""
    written = {each.pk: each for each in workspaces}
    later = Invoice.objects.drafts().filter(workspace__in=written, period_start__gt=period.start)
    for draft in later.order_by("workspace", "period_start"):
        workspace = written[draft.workspace_id]
        preview = compose(workspace, draft.period)
        if preview.is_billable:
            warnings = warnings_by_workspace([workspace], draft.period)[workspace.pk]
            write_drafts([Draft(draft, preview, warnings, hold_reasons(preview, warnings))])


def billable_workspaces(period: Period) -> list[Workspace]:
    """Workspaces that ever used anything billable up to the month's end, have an invoice for the month, a minimum,
    a fee, or a manual line.
    """
    used = DailyRollup.objects.filter(day__lt=period.end, price_id__gt=0)
    invoiced = Invoice.objects.filter(period_start=period.start)
    with_fees = RecurringFee.objects.filter(agreed__effective_from__lt=period.end)
    with_lines = ManualLine.objects.filter(month__lte=period.start)
    committed = AgreedPricing.objects.filter(minimum_commitment__isnull=False, effective_from__lte=period.start)
    # Each is one question that names no row of another table, so that a cluster can carry it out. PostgreSQL looks into the
    # rollups once for each workspace: an OR of them, or a DISTINCT in them, would make it read all of them.
    billed = Workspace.objects.filter(sandbox=False, closed_at__isnull=True)
    found = [
        billed.filter(pk__in=each.order_by().values_list("workspace_id", flat=True))
        for each in (used, invoiced, committed, with_fees, with_lines)
    ]
    return list(found[0].union(*found[1:]).order_by("pk"))
