"""One rule for whatever arrives late or is corrected: what should have been billed minus what was billed.

It is asked for every month up to the invoice's own, so a month's first billing, a late event, a void and a re-rating
are the same subtraction, and doing it again finds nothing left.

A month whose invoice is void is billed in two parts. As much of what that invoice billed as is still used waits for the
reissue; the rest is for later invoices, in both directions, and they never take back more than they billed.
"""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import TypeVar

from metering.invoicing.composing.books import Books
from metering.invoicing.composing.lines import Quantities
from metering.periods import Period

# Tokens, or exact USD of a fee.
Number = TypeVar("Number", int, Decimal)


@dataclass(frozen=True, slots=True)
class Unbilled:
    """`left` is what an invoice has to bill; `used` all that was used in the months it looks at, beginning at `start`.

    `waits` is what void invoices billed of these months, and `waiting` as much of it as is still used.
    """

    left: Quantities
    used: Quantities
    start: datetime | None
    waits: Quantities
    waiting: Quantities


def not_yet_billed(books: Books, period: Period, since: datetime | None = None) -> Unbilled:
    """Tokens, above or below zero, that the invoice for `period` has to bill: its own month's and earlier months'.

    An earlier month belongs to the first invoice after it that is not finalized, so an earlier draft leaves nothing of
    its own month and those before it, unless it comes to too little to be issued. What lies before `since` is taken as
    billed elsewhere.
    """
    starts = (books.start, since, end_of_earlier_drafts(books, period))
    start = max((at for at in starts if at is not None), default=None)

    def of_months(quantities: Quantities, end: datetime = period.end) -> Quantities:
        return {key: tokens for key, tokens in quantities.items() if key.month < end and (start is None or key.month >= start)}

    used, waits = of_months(books.used), of_months(books.waiting.tokens, period.start)
    waiting = {key: still_used(tokens, used.get(key, 0)) for key, tokens in waits.items()}
    billed = of_months(books.billed.tokens)
    left = {key: used.get(key, 0) - waiting.get(key, 0) - billed.get(key, 0) for key in (*used, *waiting, *billed)}
    return Unbilled({key: tokens for key, tokens in left.items() if tokens}, used, start, waits, waiting)


def still_used(waits: Number, used: Number) -> Number:
    """What a void invoice took back waits as it is: a reissue takes it back again."""
    return min(waits, used) if waits > 0 else waits


def end_of_earlier_drafts(books: Books, period: Period) -> datetime | None:
    """Where the latest draft before `period` that will be issued, or waits for a person, ends: what lies before is its."""
    return max((each.period.end for each in books.drafts_before(period)), default=None)
