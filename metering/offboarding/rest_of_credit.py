"""What becomes of the credit of a workspace that is closed, once its last invoice has used what it could."""

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from metering.credits import ledger
from metering.credits.models import CreditGrant
from metering.payments.balance.expiry import may_still_be_used
from metering.payments.models import Refund
from metering.payments.refunds.credit_refunds import owe_credit, refund_credit
from workspaces.models import Workspace

NOTHING = Decimal("0.00")
REASON = "The workspace is closed"
# What a credit note kept for the customer is owed, whatever is agreed about credit that was bought.
OF_CREDIT_NOTES = "credit_note:"


@dataclass(slots=True)
class RestOfCredit:
    """In whole cents; `refunds` are begun and not yet sent."""

    refunds: list[Refund] = field(default_factory=list)
    refunded: Decimal = NOTHING
    owed: Decimal = NOTHING
    expired: Decimal = NOTHING
    given_expired: Decimal = NOTHING


def end_credit(workspace: Workspace, is_refunded: bool, actor: str, now: datetime) -> RestOfCredit:
    """Given credit expires, unless a void month waits for its reissue, which uses it first. Bought credit goes back to the
    payments behind it and else is owed, or it expires too.
    """
    rest = RestOfCredit()
    for each in ledger.remaining_grants(workspace):
        grant = each.grant
        if grant.kind != CreditGrant.Kind.PURCHASED:
            grant.workspace = workspace
            if not may_still_be_used(grant, now):
                rest.given_expired += ledger.write_off(grant, now)
        elif is_refunded or (grant.source or "").startswith(OF_CREDIT_NOTES):
            begun = list(refund_credit(grant, each.left, REASON, actor, now))
            rest.refunds += begun
            rest.refunded += sum((refund.amount for refund in begun), NOTHING)
            rest.owed += owe_credit(grant, REASON, actor, now)
        else:
            rest.expired += ledger.write_off(grant, now)
    return rest
