"""The running month as an invoice preview: what closing now would bill, adjustments of earlier months included."""

from datetime import datetime

from metering.invoicing.compose import InvoicePreview, compose
from metering.invoicing.schedule import due_months
from metering.periods import month_of
from workspaces.models import Workspace

__all__ = ["InvoicePreview", "upcoming"]


def upcoming(workspace: Workspace, now: datetime) -> InvoicePreview:
    """The preview of the month `now` falls in. A total below zero is a credit that waits for the next invoice.

    An ended month that the daily run has yet to close is left out with all before it: it gets an invoice of its own,
    unless it comes to nothing.
    """
    since = None
    for month, _ in due_months(now, workspace):
        if compose(workspace, month, since).is_billable:
            since = month.end
    return compose(workspace, month_of(now), since)
