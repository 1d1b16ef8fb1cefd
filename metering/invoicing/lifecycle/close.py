"""Closing a month: one draft per workspace, each in a transaction of its own, so that dying half way loses nothing."""

from datetime import datetime
from typing import NamedTuple

from django.db import transaction

from metering.invoicing.allowed import check_month_ended
from metering.invoicing.composing.compose import compose
from metering.invoicing.lifecycle.draft import write_draft
from metering.invoicing.lifecycle.freeze import freeze
from metering.invoicing.lifecycle.hold_reasons import hold_reasons, warnings_of
from metering.invoicing.locks import lock_current_invoice
from metering.invoicing.models import Invoice
from metering.invoicing.terms.models import AgreedPricing
from metering.periods import Period
from metering.rollups.models import DailyRollup
from omixa_billing.outage import STORAGE_ERRORS
from workspaces.locks import lock_workspace
from workspaces.models import Workspace

ACTOR = "close_month"


def close_workspaces(
    period: Period, now: datetime, workspace: Workspace | None = None, finalize: bool = False, actor: str = ACTOR
) -> list[Invoice]:
    """Create or refresh the month's draft of every workspace with something to bill, or of one; `finalize` freezes it.

    Returns the month's standing invoices in the workspaces' order; those already finalized are as they were. Raises
    MonthNotEnded. One workspace's failure does not stop the others: failures are raised together at the end.
    """
    check_month_ended(period, now)
    invoices, failures = [], []
    for one in [workspace] if workspace is not None else billable_workspaces(period):
        try:
            invoice = close_workspace(one, period, now, finalize, actor).invoice
        except STORAGE_ERRORS:
            raise  # the database is away: the others would fail alike
        except Exception as error:
            error.add_note(f"while closing {period} for {one.public_id}")
            failures.append(error)
        else:
            invoices += [invoice] if invoice else []
    if failures:
        raise ExceptionGroup(f"{len(failures)} workspaces could not be closed; the others are", failures)
    return invoices


class ClosedMonth(NamedTuple):
    """What closing a month of a workspace came to: its invoice, if there is one, and what it leaves out."""

    invoice: Invoice | None
    warnings: list[str]


def close_workspace(
    workspace: Workspace, period: Period, now: datetime, finalize: bool, actor: str, reissuing: bool = False
) -> ClosedMonth:
    """One workspace's invoice for the month; none when nothing, or less than the minimum, is to bill. Safe to run again,
    and at once.

    An implausible invoice stays a draft with its reason, `held`, until a person decides. A month whose invoice was voided
    is billed again by a person only, who is `reissuing` it.
    """
    with transaction.atomic():
        workspace = lock_workspace(workspace.pk)
        invoice = lock_current_invoice(workspace, period)
        voided = invoice is None and workspace.invoices.filter(period_start=period.start).exists()
        if workspace.sandbox or (voided and not reissuing):
            return ClosedMonth(None, [])
        if invoice is not None and invoice.status != Invoice.Status.DRAFT:
            return ClosedMonth(invoice, [])
        preview = compose(workspace, period)
        warnings = warnings_of(workspace, period)
        holds = hold_reasons(preview, warnings)
        if not holds and not (preview.is_issuable if finalize else preview.is_billable):
            if invoice is not None:
                invoice.delete()
            return ClosedMonth(None, warnings)
        invoice = write_draft(invoice, preview, warnings, holds)
        if finalize and not holds:
            freeze(invoice, preview, actor, now)
        return ClosedMonth(invoice, warnings)


def billable_workspaces(period: Period) -> list[Workspace]:
    """Workspaces that ever used anything billable up to the month's end, have an invoice for the month, or a minimum."""
    used = DailyRollup.objects.filter(day__lt=period.end, price_id__gt=0)
    invoiced = Invoice.objects.filter(period_start=period.start)
    committed = AgreedPricing.objects.filter(minimum_commitment__isnull=False, effective_from__lte=period.start)
    # Each is one question that names no row of another table, so that a cluster can carry it out. PostgreSQL looks into the
    # rollups once for each workspace: an OR of the three, or a DISTINCT in them, would make it read all of them.
    billed = Workspace.objects.filter(sandbox=False)
    found = [
        billed.filter(pk__in=each.order_by().values_list("workspace_id", flat=True)) for each in (used, invoiced, committed)
    ]
    return list(found[0].union(*found[1:]).order_by("pk"))
