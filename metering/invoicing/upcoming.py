"""The running month as an invoice preview: what closing now would bill, adjustments of earlier months included."""

from datetime import datetime

from metering.invoicing.compose import InvoicePreview, compose
from metering.periods import month_of
from workspaces.models import Workspace

__all__ = ["InvoicePreview", "upcoming"]


def upcoming(workspace: Workspace, now: datetime) -> InvoicePreview:
    """The preview of the month `now` falls in. A total below zero is a credit that waits for the next invoice."""
    return compose(workspace, month_of(now))
