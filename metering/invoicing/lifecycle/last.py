"""The last invoices of a workspace that is closed: what was used up to now is billed now."""

from datetime import datetime

from metering.invoicing.composing.compose import compose
from metering.invoicing.lifecycle.close import close_workspace
from metering.invoicing.lifecycle.draft import write_draft
from metering.invoicing.lifecycle.freeze import freeze
from metering.invoicing.lifecycle.hold_reasons import warnings_of
from metering.invoicing.models import Invoice
from metering.periods import Period
from workspaces.models import Workspace


def last_invoice(workspace: Workspace, period: Period, actor: str, now: datetime) -> Invoice | None:
    """The month's invoice, finalized, though the month may still run. None where nothing, or less than is issued, is to bill.

    The transaction holds the workspace. A draft that was on hold is released: who closes a workspace decides about it.
    """
    invoice = close_workspace(workspace, period, now, True, actor, reissuing=True).invoice
    if invoice is None or invoice.status != Invoice.Status.DRAFT:
        return invoice
    preview = compose(workspace, period)
    if not preview.is_issuable:
        invoice.delete()
        return None
    write_draft(invoice, preview, warnings_of(workspace, period))
    freeze(invoice, preview, actor, now)
    return invoice
