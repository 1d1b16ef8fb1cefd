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

# From one grant to another, so much.
Move = tuple[CreditGrant, CreditGrant, Decimal]


def movable(lefts: Sequence[Remaining], kind: str | None, now: datetime) -> list[Remaining]:
    """What of a workspace's credit can be transferred, in the order of use: what has not expired, of one kind or of all."""
    return [each for each in lefts if kind in (None, each.grant.kind) and not each.grant.has_expired(now)]


def move_credit(transfer: CreditTransfer, lefts: Sequence[Remaining], actor: str, now: datetime) -> list[CreditGrant]:
    """Moves the transfer's amount out of these, a grant for each that it uses, in one balanced entry of the journal.

    The transaction holds both workspaces, and `lefts` are at least the amount.
    """
    rest, moves = transfer.amount, list[Move]()
    for each in lefts:
        part = min(rest, each.left)
        if part <= 0:
            break
        moves.append((each.grant, _grant_like(each.grant, part, transfer, actor, now), part))
        rest -= part
    if rest:
        raise ValueError(f"{rest} of the transfer {transfer.public_id} are missing")
    enter_and_post(transfer, moves, actor, now)
    return [given for _, given, _ in moves]


def enter_and_post(transfer: CreditTransfer, moves: Sequence[Move], actor: str, now: datetime) -> None:
    """What a transfer moves from grant to grant, in both ledgers and in one balanced entry of the journal."""
    postings = []
    for source, target, part in moves:
        for grant, amount in ((source, -part), (target, part)):
            _enter(grant, amount, transfer, now)
            held: JournalAccount = HELD_AS[Given(grant.kind)]
            postings.append(Posting(held, -amount, grant.public_id, grant.workspace_id))
    about = transfer.from_workspace_id, transfer.public_id, transfer.currency
    post(EntryDraft(Kind.TRANSFER, *about, now, actor, postings), now)


def source_of_transferred(transfer_id: str, grant: CreditGrant) -> str:
    """Of what a grant became: both by their public ids."""
    return sources_of(transfer_id) + grant.public_id


def sources_of(transfer_id: str) -> str:
    """What the sources of all that a transfer moved begin with."""
    return f"transfer:{transfer_id}:"


def _grant_like(grant: CreditGrant, amount: Decimal, transfer: CreditTransfer, actor: str, now: datetime) -> CreditGrant:
    return CreditGrant.objects.create(
        workspace=transfer.to_workspace,
        kind=grant.kind,
        amount=amount,
        currency=grant.currency,
        priority=grant.priority,
        expires_at=grant.expires_at,
        note=f"Transferred from {transfer.from_workspace}"[:300],
        source=source_of_transferred(transfer.public_id, grant),
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
