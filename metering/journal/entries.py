"""An entry before it is posted: an act, and what it debits and credits."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from metering.journal.accounts import CHART, JournalAccount
from metering.journal.models import JournalEntry

Kind = JournalEntry.Kind


class Subaccount(NamedTuple):
    """An account, and which part of it; of another workspace than the entry's where it says so."""

    account: JournalAccount
    part: str = ""
    workspace_id: int | None = None


@dataclass(frozen=True, slots=True)
class Posting:
    """`amount` in units of the currency, such as dollars: a debit above zero, a credit below. `workspace_id`: the entry's."""

    account: JournalAccount
    amount: Decimal
    part: str = ""
    workspace_id: int | None = None

    def __post_init__(self) -> None:
        if bool(self.part) != bool(CHART[self.account].part):
            raise ValueError(f"{self.account} is posted {'without' if self.part else 'with'} a part.")


@dataclass(frozen=True, slots=True)
class EntryDraft:
    """What is posted once under `key`, which is made of kind and document where it is not given.

    `is_news`: a fact from outside, which is booked in the first open period where its own is locked.
    """

    kind: Kind
    workspace_id: int
    document: str
    currency: str
    happened_at: datetime
    actor: str
    postings: Sequence[Posting]
    key: str = ""
    is_news: bool = False

    @property
    def posted_once_as(self) -> str:
        return self.key or f"{self.kind}:{self.document}"


def debit(account: JournalAccount, amount: Decimal, part: str = "") -> Posting:
    return Posting(account, amount, part)


def credit(account: JournalAccount, amount: Decimal, part: str = "") -> Posting:
    return Posting(account, -amount, part)


def posting_on(where: Subaccount, amount: Decimal) -> Posting:
    """A debit above zero, a credit below."""
    return Posting(where.account, amount, where.part, where.workspace_id)


def between(amount: Decimal, debited: Subaccount, credited: Subaccount) -> list[Posting]:
    """The commonest entry: one amount from one account to another."""
    return [posting_on(debited, amount), posting_on(credited, -amount)]


def opposite(postings: Iterable[Posting]) -> list[Posting]:
    """What reverses these."""
    return [Posting(each.account, -each.amount, each.part, each.workspace_id) for each in postings]
