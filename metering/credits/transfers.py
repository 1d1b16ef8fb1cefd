"""Credit that moves from one workspace to another: what it is stays as it is, bought or given, with its end."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

from metering.credits.booked import HELD_AS, Given
from metering.credits.ledger import Remaining
from metering.credits.models import CreditEntry, CreditGrant, CreditTransfer
from metering.journal.accounts import JournalAccount
from metering.journal.entries import EntryDraft, Kind, Posting
from metering.journal.post import post

NOTHING = Decimal("0.00")


def movable(lefts: Sequence[Remaining], kind: str | None, now: datetime) -> list[Remaining]:
    """What of a workspace's credit can be transferred, in the order of use: what has not expired, of one kind or of all."""
    return [each for each in lefts if kind in (None, each.grant.kind) and not _has_expired(each.grant, now)]


def move_credit(transfer: CreditTransfer, lefts: Sequence[Remaining], actor: str, now: datetime) -> list[CreditGrant]:
    """Moves the transfer's amount out of these, a grant for each that it uses, in one balanced entry of the journal.

    The transaction holds both workspaces, and `lefts` are at least the amount.
    """
    rest, made = transfer.amount, list[CreditGrant]()
    postings: list[Posting] = []
    for each in lefts:
        part = min(rest, each.left)
        if part <= 0:
            break
        given = _grant_like(each.grant, part, transfer, actor, now)
        for grant, amount in ((each.grant, -part), (given, part)):
            _enter(grant, amount, transfer, now)
            held: JournalAccount = HELD_AS[Given(grant.kind)]
            postings.append(Posting(held, -amount, grant.public_id, grant.workspace_id))
        made.append(given)
        rest -= part
    if rest:
        raise ValueError(f"{rest} of the transfer {transfer.public_id} are missing")
    about = transfer.from_workspace_id, transfer.public_id, transfer.currency
    post(EntryDraft(Kind.TRANSFER, *about, now, actor, postings), now)
    return made


def _grant_like(grant: CreditGrant, amount: Decimal, transfer: CreditTransfer, actor: str, now: datetime) -> CreditGrant:
    return CreditGrant.objects.create(
        workspace=transfer.to_workspace,
        kind=grant.kind,
        amount=amount,
        currency=grant.currency,
        priority=grant.priority,
        expires_at=grant.expires_at,
        note=f"Transferred from {transfer.from_workspace}"[:300],
        source=f"transfer:{transfer.public_id}:{grant.public_id}",
        granted_at=now,
        granted_by=actor,
    )


def _enter(grant: CreditGrant, amount: Decimal, transfer: CreditTransfer, now: datetime) -> None:
    CreditEntry.objects.create(
        workspace_id=grant.workspace_id,
        grant=grant,
        kind=CreditEntry.Kind.TRANSFER,
        amount=amount,
        reason=f"Transfer {transfer.reference}"[:300],
        at=now,
    )


def _has_expired(grant: CreditGrant, now: datetime) -> bool:
    return grant.expires_at is not None and grant.expires_at <= now
