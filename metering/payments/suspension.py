"""Refusing a workspace's live keys: while an invoice is past due, if that was agreed, or while prepaid credit is used up.

Lifts by itself, when nothing of it is so any more.
"""

from datetime import datetime
from decimal import Decimal

from metering.invoicing.models import Invoice
from metering.invoicing.settle import OWED
from metering.invoicing.terms import terms_of
from metering.invoicing.terms_models import BillingTerms
from metering.payments.models import Dunning
from workspaces import audit
from workspaces.models import Workspace

ACTOR = "metering"
USED_UP = "Its prepaid credit is used up."


def suspend_for(invoice: Invoice, now: datetime) -> None:
    """Suspends the past due invoice's workspace, which the transaction holds, if that was agreed."""
    workspace = Workspace.objects.get(pk=invoice.workspace_id)
    if terms_of(workspace).suspend_when_past_due:
        _suspend(workspace, _why_past_due(invoice), now)


def lift_if_settled(workspace_id: int, now: datetime) -> None:
    """Lets the keys work again when nothing of the workspace is past due any more. Used up credit is judged elsewhere."""
    workspace = Workspace.objects.get(pk=workspace_id)
    if workspace.suspended_because != USED_UP and _past_due(workspace) is None:
        _lift(workspace, now)


def judge_prepaid(workspace: Workspace, left: Decimal, now: datetime) -> None:
    """With `left` of its balance, exact USD: a prepaid workspace's keys work while there is some."""
    workspace.refresh_from_db(fields=["suspended_at", "suspended_because"])
    terms = terms_of(workspace)
    if terms.mode == BillingTerms.Mode.PREPAID and left <= 0:
        _suspend(workspace, USED_UP, now)
    elif workspace.suspended_because == USED_UP:
        invoice = _past_due(workspace) if terms.suspend_when_past_due else None
        _lift(workspace, now)
        if invoice is not None:
            _suspend(Workspace.objects.get(pk=workspace.pk), _why_past_due(invoice), now)


def _suspend(workspace: Workspace, reason: str, now: datetime) -> None:
    if workspace.suspended_at is None:
        Workspace.objects.filter(pk=workspace.pk).update(suspended_at=now, suspended_because=reason)
        audit.record(ACTOR, "workspace.suspended", workspace.public_id, workspace, now=now, reason=reason)


def _lift(workspace: Workspace, now: datetime) -> None:
    if workspace.suspended_at is not None:
        Workspace.objects.filter(pk=workspace.pk).update(suspended_at=None, suspended_because="")
        audit.record(ACTOR, "workspace.unsuspended", workspace.public_id, workspace, now=now)


def _past_due(workspace: Workspace) -> Invoice | None:
    due = Invoice.objects.filter(workspace=workspace, status__in=OWED, dunning__state=Dunning.State.PAST_DUE)
    return due.order_by("pk").first()


def _why_past_due(invoice: Invoice) -> str:
    return f"The invoice {invoice.number} is past due."
