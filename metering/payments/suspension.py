"""Refusing a workspace's live keys while it owes what is past due, where its terms say so. Lifts by itself."""

from datetime import datetime

from metering.invoicing.models import Invoice
from metering.invoicing.settle import OWED
from metering.invoicing.terms import terms_of
from metering.payments.models import Dunning
from workspaces import audit
from workspaces.models import Workspace

ACTOR = "metering.dun_invoices"


def suspend_for(invoice: Invoice, now: datetime) -> None:
    """Suspends the invoice's workspace, which the transaction holds, if that was agreed."""
    workspace = Workspace.objects.get(pk=invoice.workspace_id)
    if workspace.suspended_at is not None or not terms_of(workspace).suspend_when_past_due:
        return
    reason = f"The invoice {invoice.number} is past due."
    Workspace.objects.filter(pk=workspace.pk).update(suspended_at=now, suspended_because=reason)
    audit.record(ACTOR, "workspace.suspended", workspace.public_id, workspace, now=now, reason=reason)


def lift_if_settled(workspace_id: int, now: datetime) -> None:
    """Lets the keys work again when nothing of the workspace is past due any more."""
    workspace = Workspace.objects.get(pk=workspace_id)
    if workspace.suspended_at is None:
        return
    past_due = Dunning.objects.filter(invoice__workspace=workspace, state=Dunning.State.PAST_DUE, invoice__status__in=OWED)
    if not past_due.exists():
        Workspace.objects.filter(pk=workspace.pk).update(suspended_at=None, suspended_because="")
        audit.record(ACTOR, "workspace.unsuspended", workspace.public_id, workspace, now=now)
