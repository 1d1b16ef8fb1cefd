"""Why a workspace's live keys are refused, in its members' words, and what lets them work again."""

import re
from dataclasses import dataclass

from django.conf import settings

from metering.invoicing.models import Invoice
from metering.payments.balance.suspension import USED_UP
from metering.payments.stripe.client import is_configured
from workspaces.models import Workspace

# By whether an invoice is past due, and whether credit is used up.
ENDS = {
    (True, False): "it is paid",
    (False, True): "{credit}",
    (True, True): "the invoice is paid and {credit}",
    (False, False): "it is settled",
}
PAST_DUE = re.compile(r"The invoice (\S+) is overdue\.")


@dataclass(frozen=True, slots=True)
class Suspension:
    """`why` and `until` are sentences. What ends it: to pay `invoice`, to buy credit where `credit` can be bought, or both."""

    why: str
    until: str
    invoice: Invoice | None
    credit: bool

    @property
    def can_pay(self) -> bool:
        """By Stripe; without it the invoice's page says how it is paid."""
        return is_configured()


def suspension_of(workspace: Workspace) -> Suspension | None:
    """None while its keys work."""
    if workspace.suspended_at is None:
        return None
    because = workspace.suspended_because
    number = found[1] if (found := PAST_DUE.search(because)) else ""
    why = PAST_DUE.sub(r"Invoice \1 is overdue.", because).replace(USED_UP, "Your prepaid credit is used up.")
    return Suspension(
        why=why,
        until=f"Live keys work again as soon as {ENDS[bool(number), USED_UP in because].format(credit=_credit_comes())}.",
        invoice=Invoice.objects.filter(workspace=workspace, number=number).first() if number else None,
        credit=USED_UP in because and is_configured(),
    )


def _credit_comes() -> str:
    return "you buy credit" if is_configured() else f"{settings.SELLER_NAME} adds credit"
