"""Closing a month: one draft per workspace, each in a transaction of its own, so that dying half way loses nothing."""

from datetime import datetime

from django.db import transaction
from django.db.models import Exists, OuterRef, Q

from metering.errors import MonthNotEnded
from metering.invoicing.bounds import warnings_of, why_held
from metering.invoicing.compose import compose
from metering.invoicing.draft import hold, standing_invoice, write_draft
from metering.invoicing.freeze import freeze
from metering.invoicing.models import Invoice
from metering.periods import Period, instant_text
from metering.rollups.models import DailyRollup
from omixa_billing.outage import STORAGE_ERRORS
from workspaces.models import Workspace

ACTOR = "close_month"


def close_month(
    period: Period, now: datetime, workspace: Workspace | None = None, finalize: bool = False, actor: str = ACTOR
) -> list[Invoice]:
    """Create or refresh the month's draft of every workspace with something to bill, or of one; `finalize` freezes it.

    Returns the month's standing invoices in the workspaces' order; those already finalized are as they were. Raises
    MonthNotEnded. One workspace's failure does not stop the others: failures are raised together at the end.
    """
    refuse_running_month(period, now)
    invoices, failures = [], []
    for one in [workspace] if workspace is not None else billable_workspaces(period):
        try:
            invoice = close_workspace(one, period, now, finalize, actor)
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


def close_workspace(workspace: Workspace, period: Period, now: datetime, finalize: bool, actor: str) -> Invoice | None:
    """One workspace's invoice for the month, or None when there is nothing to bill. Safe to run again, and at once.

    Finalizing, less than the minimum is nothing to bill. An implausible invoice stays a draft with its reason, `held`,
    until a person finalizes it.
    """
    with transaction.atomic():
        workspace = hold(workspace.pk)
        if workspace.sandbox:
            return None
        invoice = standing_invoice(workspace, period)
        if invoice is not None and invoice.status != Invoice.Status.DRAFT:
            return invoice
        preview = compose(workspace, period)
        warnings = warnings_of(workspace, period)
        held = why_held(preview, warnings)
        if not held and not (preview.is_issuable if finalize else preview.is_billable):
            if invoice is not None:
                invoice.delete()
            return None
        invoice = write_draft(invoice, preview, warnings, held)
        if finalize and not held:
            freeze(invoice, preview, actor, now)
        return invoice


def billable_workspaces(period: Period) -> list[Workspace]:
    """Workspaces that ever used anything billable up to the month's end, have an invoice for the month, or a minimum."""
    used = DailyRollup.objects.filter(workspace=OuterRef("pk"), day__lt=period.end, price_id__gt=0)
    invoiced = Invoice.objects.filter(workspace=OuterRef("pk"), period_start=period.start)
    committed = Q(billing_terms__minimum_from__lte=period.start)
    return list(Workspace.objects.filter(Q(Exists(used)) | Q(Exists(invoiced)) | committed, sandbox=False).order_by("pk"))


def refuse_running_month(period: Period, now: datetime) -> None:
    """Raises MonthNotEnded while usage of the month can still happen."""
    if now < period.end:
        raise MonthNotEnded(
            f"The month {period.start:%Y-%m} ends at {instant_text(period.end)} and can be closed then: "
            f"it is {instant_text(now.replace(microsecond=0))} now."
        )
