"""The running month as an invoice preview: what closing now would bill, adjustments of earlier months included."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal

from metering.credits.ledger import Remaining
from metering.invoicing.composing.books import Books
from metering.invoicing.composing.compose import NOTHING, InvoicePreview, composed
from metering.invoicing.lifecycle.current_books import books_until_now, months_to_close
from metering.periods import month_of
from workspaces.models import Workspace

__all__ = ["InvoicePreview", "upcoming"]


def upcoming(workspace: Workspace, now: datetime) -> InvoicePreview:
    """The preview of the month `now` falls in. A total below zero is a credit that waits for the next invoice.

    An ended month that the daily run has yet to close is left out with all before it: it gets an invoice of its own,
    unless it comes to less than is issued.
    """
    books = books_until_now(workspace, now)
    ended = _ended(books, now)
    return composed(books, month_of(now), ended.since, ended.credit)


def carried_over(workspace: Workspace, now: datetime) -> Decimal:
    """What ended months come to that have no invoice, because it is less than is issued: it waits for the next one."""
    return _ended(books_until_now(workspace, now), now).carried


@dataclass(frozen=True, slots=True)
class _Ended:
    """What the ended months leave to the running one: usage from `since` on, `credit`, and what is `carried`, in cents."""

    since: datetime | None
    credit: Sequence[Remaining]
    carried: Decimal


def _ended(books: Books, now: datetime) -> _Ended:
    ended = _Ended(None, books.credit, NOTHING)
    for month in months_to_close(books, now):
        due = composed(books, month, ended.since, ended.credit)
        if due.is_issuable:
            ended = _Ended(month.end, due.leaves_of(ended.credit), NOTHING)
        else:
            ended = replace(ended, carried=max(due.amount_due, NOTHING))
    return ended
