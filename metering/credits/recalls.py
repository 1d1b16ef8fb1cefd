"""Credit that goes back to the workspace that bought it, because a bank or Stripe took back the money that paid for it.

What was transferred on is found by the grants that it became, however often it moved. Where the money comes back after all, so
does the credit. The transaction holds all of these workspaces.
"""

from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from django.db.models import Sum

from metering.credits.booked import owed_as
from metering.credits.ledger import remaining_of_grant, restore
from metering.credits.models import CreditGrant, CreditTransfer
from metering.credits.transfers import enter_and_post, source_of_transferred
from metering.journal.accounts import JournalAccount
from metering.journal.balances import balance_of_account
from metering.limits.changed import note_change
from metering.money import cents_text
from workspaces import audit

NOTHING = Decimal("0.00")
MONEY_GONE = "its money was taken back"
SAME_MONEY = "the same payment bought it"


class Cause(NamedTuple):
    """The dispute or refund that takes the money or does not take it any more, by its id, and what the trail says."""

    document: str
    why: str
    actor: str


def grants_with(grant: CreditGrant) -> Iterator[CreditGrant]:
    """The grant, and all that it became in other workspaces."""
    yield grant
    for child in _transferred_from(grant):
        yield from grants_with(child)


def recall(grant: CreditGrant, most: Decimal, cause: Cause, now: datetime) -> Decimal:
    """Moves at most so much of what was transferred out of the grant back to it; how much. What was used stays used."""
    rest = most
    for child in _transferred_from(grant):
        part = min(_available(child, rest, cause, now), rest)
        if part > 0:
            _move(child, grant, part, child, cause, MONEY_GONE, now)
            rest -= part
    return most - rest


def send_back(grant: CreditGrant, most: Decimal, cause: Cause, now: datetime) -> None:
    """Moves what was recalled back to where it was, as far as `most` goes."""
    for child in _transferred_from(grant):
        part = min(_recalled(child), most, remaining_of_grant(grant))
        if part > 0:
            _move(grant, child, part, child, cause, SAME_MONEY, now)
            send_back(child, part, cause, now)
            most -= part


def _transferred_from(grant: CreditGrant) -> list[CreditGrant]:
    """What parts of it became in other workspaces, the latest first."""
    transfers = CreditTransfer.objects.filter(from_workspace=grant.workspace_id, recalled=None)
    targets = dict(transfers.values_list("public_id", "to_workspace_id"))
    sources = [source_of_transferred(transfer, grant) for transfer in targets]
    return list(CreditGrant.objects.filter(workspace__in=set(targets.values()), source__in=sources).order_by("-pk"))


def _available(child: CreditGrant, wanted: Decimal, cause: Cause, now: datetime) -> Decimal:
    """What is left of it, with what it became elsewhere. What of it is owed to its customer is not owed any more."""
    left = remaining_of_grant(child)
    owed = owed_as(child)
    back = min(balance_of_account(child.workspace_id, JournalAccount(owed.account), child.currency, owed.part), wanted - left)
    if back > 0:
        restore(child, back, cause.why, cause.actor, now, owed)
        left += back
    return left + recall(child, wanted - left, cause, now) if left < wanted else left


def _recalled(child: CreditGrant) -> Decimal:
    """What was taken back from there and did not return, whatever for: a dispute may have got what a refund had taken."""
    moved = CreditTransfer.objects.filter(recalled=child)
    out = moved.filter(from_workspace=child.workspace_id).aggregate(sum=Sum("amount"))["sum"] or NOTHING
    back = moved.filter(to_workspace=child.workspace_id).aggregate(sum=Sum("amount"))["sum"] or NOTHING
    return out - back


def _move(
    source: CreditGrant,
    target: CreditGrant,
    amount: Decimal,
    recalled: CreditGrant,
    cause: Cause,
    one_payer: str,
    now: datetime,
) -> None:
    number = CreditTransfer.objects.filter(cause=cause.document, recalled__isnull=False).count() + 1
    made = CreditTransfer.objects.create(
        from_workspace_id=source.workspace_id,
        to_workspace_id=target.workspace_id,
        amount=amount,
        currency=source.currency,
        reference=f"{cause.document[:180]}:{number}",
        reason=cause.why[:300],
        one_payer=one_payer,
        recalled=recalled,
        cause=cause.document,
        at=now,
        by=cause.actor,
    )
    enter_and_post(made, [(source, target, amount)], cause.actor, now)
    for workspace in (source.workspace, target.workspace):
        what = {"amount": cents_text(amount), "reference": made.reference, "reason": cause.why}
        ends = {"from_workspace": source.workspace.public_id, "to_workspace": target.workspace.public_id}
        audit.record(cause.actor, "credit.transferred", made.public_id, workspace, now=now, **what, **ends)
        note_change(workspace.pk, now)
