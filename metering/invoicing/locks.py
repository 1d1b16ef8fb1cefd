"""Locks of billing: the workspace first, then its invoice, until the transaction ends.

That one order makes billing of a workspace one at a time: two closings, or a closing and a finalization, never both see the
same tokens as not yet billed.
"""

from collections.abc import Iterable

from metering.invoicing.models import Invoice
from metering.periods import Period
from workspaces.locks import lock_workspace
from workspaces.models import Workspace


def lock_invoice(invoice_id: int) -> Invoice:
    """The invoice with this primary key, as it is under the lock, and so is its `workspace`."""
    workspace = lock_workspace(Invoice.objects.values_list("workspace", flat=True).get(pk=invoice_id))
    invoice = Invoice.objects.select_for_update().get(pk=invoice_id)
    invoice.workspace = workspace
    return invoice


def lock_current_invoices(workspaces: Iterable[Workspace], period: Period) -> dict[int, Invoice]:
    """The month's invoices that are not void, by workspaces that the transaction has locked."""
    of_month = Invoice.objects.current().filter(workspace__in=[each.pk for each in workspaces], period_start=period.start)
    return {invoice.workspace_id: invoice for invoice in of_month.select_for_update().order_by("workspace")}
