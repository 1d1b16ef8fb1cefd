"""The running month as an invoice preview: what closing now would bill, adjustments of earlier months included."""

from datetime import datetime

from metering.credits.ledger import left_after, left_of
from metering.invoicing.compose import InvoicePreview, compose
from metering.invoicing.schedule import due_months
from metering.periods import month_of
from workspaces.models import Workspace

__all__ = ["InvoicePreview", "upcoming"]


def upcoming(workspace: Workspace, now: datetime) -> InvoicePreview:
    """The preview of the month `now` falls in. A total below zero is a credit that waits for the next invoice.

    An ended month that the daily run has yet to close is left out with all before it: it gets an invoice of its own,
    unless it comes to less than is issued.
    """
    since, credit = None, left_of(workspace)
    for month, _ in due_months(now, workspace):
        due = compose(workspace, month, since, credit)
        if due.is_issuable:
            since, credit = month.end, left_after(credit, [*due.promotional_uses, *due.credit_uses])
    return compose(workspace, month_of(now), since, credit)
