"""Why a workspace's live keys are refused, in its members' words, and what lets them work again."""

from dataclasses import dataclass

from django.conf import settings

from metering.invoicing.models import Invoice
from metering.payments.balance.suspension import past_due_invoice
from metering.payments.provider.current import is_configured
from workspaces.models import Workspace

# By whether an invoice is past due, and whether credit is used up.
ENDS = {
    (True, False): "it is paid",
    (False, True): "{credit}",
    (True, True): "the invoice is paid and {credit}",
    (False, False): "it is settled",
}

CLOSED = "Its keys have stopped. Its documents stay here, and open invoices can still be paid."


@dataclass(frozen=True, slots=True)
class Suspension:
    """`why` and `until` are sentences. What ends it: to pay `invoice`, to buy credit where `credit` can be bought, or both."""

    why: str
    until: str
    invoice: Invoice | None
    credit: bool

    @property
    def can_pay(self) -> bool:
        """Whether it can be paid by Stripe; without it the invoice's page says how it is paid."""
        return is_configured()


def suspension_of(workspace: Workspace) -> Suspension | None:
    """None while its keys work. A closed workspace has none any more."""
    if workspace.closed_at is not None:
        return Suspension(f"This workspace was closed on {workspace.closed_at:%Y-%m-%d}.", CLOSED, None, False)
    if workspace.suspended_at is None:
        return None
    overdue = Workspace.Suspension.PAST_DUE in workspace.suspensions
    used_up = Workspace.Suspension.NO_CREDIT in workspace.suspensions
    invoice = past_due_invoice(workspace) if overdue else None
    reasons = [f"Invoice {invoice.number} is overdue."] if invoice else []
    reasons += ["Your prepaid credit is used up."] if used_up else []
    return Suspension(
        why=" ".join(reasons) or workspace.suspended_because,
        until=f"Live keys work again as soon as {ENDS[overdue, used_up].format(credit=_credit_comes())}.",
        invoice=invoice,
        credit=used_up and is_configured(),
    )


def _credit_comes() -> str:
    return "you buy credit" if is_configured() else f"{settings.SELLER_NAME} adds credit"
