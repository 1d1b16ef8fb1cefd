"""Recurring fees and manual lines, month by month: what they should come to minus what was billed of them.

Seats that change, a fee that ends and one that was agreed too late are the same subtraction as late usage: a later invoice
bills or takes back the difference. As much of what a void invoice billed of its month as is still owed waits for its reissue.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal

from metering.invoicing.composing.adjustments import still_used
from metering.invoicing.composing.books import NOTHING, Books
from metering.invoicing.composing.lines import DraftLine, LineKey
from metering.invoicing.fees.models import ManualLine
from metering.invoicing.fees.proration import FeeHistory
from metering.invoicing.models import InvoiceLine
from metering.money import WIDE
from metering.periods import Period, month_of

FEE, MANUAL = InvoiceLine.Kind.FEE, InvoiceLine.Kind.MANUAL


def months_with_fees(fees: Sequence[FeeHistory], manual: Sequence[ManualLine], end: datetime) -> set[datetime]:
    """Those before `end` that have something to bill, with usage or without."""
    of_fees = {month for fee in fees for month in fee.months(end)}
    return of_fees | {line.month for line in manual if line.month < end}


def fee_lines(books: Books, start: datetime | None, own: Period) -> list[DraftLine]:
    """Lines of fees from `start` (None: from the first month) to the invoice's own. A key has the id of what is billed."""
    owed = _owed(books, own)
    billed, waiting = (_charges(each, own) for each in (books.billed.charges, books.waiting.charges))
    texts = _texts(books)
    found = []
    for key in dict.fromkeys((*owed, *billed, *waiting)):
        month, kind, item = key
        if start is not None and month < start:
            continue
        should = owed.get(key, NOTHING)
        waits = waiting.get(key, NOTHING) if month < own.start else NOTHING
        left = WIDE.subtract(WIDE.subtract(should, still_used(waits, should)), billed.get(key, NOTHING))
        if left:
            found.append(_line(month, kind, item, left, texts[item], own))
    return found


Charges = Mapping[tuple[datetime, str, str], Decimal]


def _owed(books: Books, own: Period) -> Charges:
    fees = {(month, str(FEE), fee.public_id): fee.cost(month_of(month)) for fee in books.fees for month in fee.months(own.end)}
    manual = {(line.month, str(MANUAL), line.public_id): line.amount for line in books.manual_lines if line.month < own.end}
    return fees | manual


def _charges(charges: Charges, own: Period) -> Charges:
    return {key: amount for key, amount in charges.items() if key[1] in (FEE, MANUAL) and key[0] < own.end}


def _texts(books: Books) -> dict[str, FeeHistory | ManualLine]:
    return {fee.public_id: fee for fee in books.fees} | {line.public_id: line for line in books.manual_lines}


def _line(month: datetime, kind: str, item: str, amount: Decimal, what: FeeHistory | ManualLine, own: Period) -> DraftLine:
    period = month_of(month)
    text = what.text if isinstance(what, ManualLine) else what.text(period)
    if month != own.start:
        text = f"{month:%B %Y}: {text}"
    return DraftLine(LineKey(month, 0, "", item, ""), kind, text, "", 1, NOTHING, amount, period)
