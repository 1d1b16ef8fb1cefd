"""Why a workspace's live keys are refused, in its members' words, and what lets them work again."""

import re
from dataclasses import dataclass

from metering.invoicing.models import Invoice
from metering.payments.suspension import USED_UP
from workspaces.models import Workspace

# By whether an invoice is past due, and whether credit is used up.
ENDS = {
    (True, False): "it is paid",
    (False, True): "you buy credit",
    (True, True): "the invoice is paid and you buy credit",
    (False, False): "it is settled",
}
PAST_DUE = re.compile(r"The invoice (\S+) is past due\.")


@dataclass(frozen=True, slots=True)
class Suspension:
    """`why` and `until` are sentences; what ends it is to pay `invoice`, to buy credit, or both."""

    why: str
    until: str
    invoice: Invoice | None
    credit: bool


def suspension_of(workspace: Workspace) -> Suspension | None:
    """None while its keys work."""
    if workspace.suspended_at is None:
        return None
    because = workspace.suspended_because
    number = found[1] if (found := PAST_DUE.search(because)) else ""
    why = PAST_DUE.sub(r"Invoice \1 is past due.", because).replace(USED_UP, "Your prepaid credit is used up.")
    return Suspension(
        why=why,
        until=f"Live keys work again as soon as {ENDS[bool(number), USED_UP in because]}.",
        invoice=Invoice.objects.filter(workspace=workspace, number=number).first() if number else None,
        credit=USED_UP in because,
    )
