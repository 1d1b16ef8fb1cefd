"""What a movement of credit is in the journal. The table of all acts is in docs/journal.md."""

from metering.credits.models import CreditEntry, CreditGrant
from metering.journal.accounts import JournalAccount
from metering.journal.entries import EntryDraft, Kind, Subaccount, between

Moved, Given = CreditEntry.Kind, CreditGrant.Kind
HELD_AS = {
    Given.PROMOTIONAL: JournalAccount.CREDIT_PROMOTIONAL,
    Given.GOODWILL: JournalAccount.CREDIT_GOODWILL,
    Given.PURCHASED: JournalAccount.CREDIT_BOUGHT,
}
# Credit that costs us: it is an expense from the day on which it is granted, as far as it does not expire.
COSTS = {Given.PROMOTIONAL: JournalAccount.PROMOTIONS_GIVEN, Given.GOODWILL: JournalAccount.GOODWILL_GIVEN}
# Sources of bought credit that came out of money or a claim which the journal has.
PAID_FOR = ("topup:", "credit_note:", "surplus:", "transfer:")


def credit_movement(entry: CreditEntry, actor: str, against: Subaccount | None = None) -> EntryDraft:
    """Credit that comes is credited to its account, credit that goes is debited; `against` is the other side."""
    given = entry.grant
    held = Subaccount(HELD_AS[Given(given.kind)], given.public_id)
    return EntryDraft(
        kind=_kind_of(entry),
        workspace_id=entry.workspace_id,
        document=entry.public_id,
        currency=given.currency,
        happened_at=entry.at,
        actor=actor,
        postings=between(entry.amount, debited=against or _other_side(entry, given), credited=held),
    )


def owed_as(grant: CreditGrant) -> Subaccount:
    """Credit that was taken back and is to be paid out."""
    return Subaccount(JournalAccount.OWED_TO_CUSTOMER, grant.public_id)


def _kind_of(entry: CreditEntry) -> Kind:
    if entry.kind == Moved.REVERSAL:
        return Kind.CREDIT_RETURNED if entry.amount > 0 else Kind.CREDIT_REVERSED
    return {
        Moved.GRANT: Kind.CREDIT_GRANTED,
        Moved.CONSUMPTION: Kind.CREDIT_USED,
        Moved.EXPIRY: Kind.CREDIT_EXPIRED,
    }[Moved(entry.kind)]


def _other_side(entry: CreditEntry, given: CreditGrant) -> Subaccount:
    """An invoice that it pays; else what it costs us, or, of bought credit, where its money is or stays."""
    if entry.invoice is not None:
        return Subaccount(JournalAccount.RECEIVABLE, entry.invoice.public_id)
    if given.kind in COSTS:
        return Subaccount(COSTS[Given(given.kind)])
    if entry.kind == Moved.EXPIRY:
        return Subaccount(JournalAccount.BREAKAGE)
    if (given.source or "").startswith(PAID_FOR):
        return owed_as(given)
    return Subaccount(JournalAccount.MONEY_OTHER, given.public_id)
