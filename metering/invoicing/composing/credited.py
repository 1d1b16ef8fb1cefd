"""What credit notes gave back before a correction of the same lines came: the correction gives back what goes beyond it.

A credit note says how much of a line it takes back, not of how many tokens. So it is set against whatever is taken back of its
lines, before it or after it: together they give back the larger of the two, in whichever order they come. As far as a note is
set against a correction, the correction counts as billed.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal

from metering.invoicing.composing.adjustments import Unbilled, not_yet_billed
from metering.invoicing.composing.books import Books, CreditedMonth, ItemKey, SettledItem, item_of
from metering.invoicing.composing.discounts_and_minimums import agreed_for, charges_on, less, usage_by_month
from metering.invoicing.composing.fee_lines import FEE, fee_lines
from metering.invoicing.composing.lines import LineKey, Quantities, amount_of, line_kind
from metering.money import ONE_PICO, WIDE, round_to_cents
from metering.periods import Period

NOTHING = Decimal(0)


@dataclass(frozen=True, slots=True)
class Settlement:
    """What a credit note settles of a month's corrections, as invoices bill them, and `net`, in whole cents before tax."""

    note_id: int
    month: datetime
    items: Sequence[SettledItem]
    net: Decimal


@dataclass(frozen=True, slots=True)
class _Reduction:
    """What the next invoice would take back of a note's lines: tokens, and exact USD of fees, discount and minimum."""

    tokens: Quantities
    charges: Mapping[tuple[str, LineKey], Decimal]
    net: Decimal


def settle_credited(books: Books, period: Period, since: datetime | None) -> tuple[Books, list[Settlement]]:
    """The books in which credit notes settled what they can of what the invoice for `period` would take back."""
    settlements = []
    for note in books.credited:
        found = _settled_by(note, books, period, since)
        if found is not None:
            settlements.append(found)
            books = replace(books, billed=books.billed.plus(found.items, note.invoice_id))
    return books, settlements


def _settled_by(note: CreditedMonth, books: Books, period: Period, since: datetime | None) -> Settlement | None:
    back = _reduction(note, books, period, not_yet_billed(books, period, since))
    if back is None:
        return None
    share = min(WIDE.divide(note.left, back.net), Decimal(1))
    items = [_of_tokens(key, tokens, share, books, period) for key, tokens in back.tokens.items()]
    items += [
        SettledItem(key, kind, 0, WIDE.multiply(amount, share).quantize(ONE_PICO, context=WIDE))
        for (kind, key), amount in back.charges.items()
    ]
    moving = [item for item in items if item.quantity or item.amount_exact]
    return Settlement(note.note_id, note.month, moving, min(note.left, back.net)) if moving else None


def _reduction(note: CreditedMonth, books: Books, period: Period, unbilled: Unbilled) -> _Reduction | None:
    """None where nothing goes back. Prices that succeed each other are one item: a re-rating takes back their difference."""
    if note.month >= period.end or (unbilled.start is not None and note.month < unbilled.start):
        return None
    of_items: dict[ItemKey, Quantities] = defaultdict(dict)
    for key, tokens in unbilled.left.items():
        if key.month == note.month and (item := item_of(key)) in note.items:
            of_items[item][key] = tokens
    back = {key: tokens for several in of_items.values() if _cost(several, books) < 0 for key, tokens in several.items()}
    fees = [line for line in fee_lines(books, unbilled.start, period) if line.kind == FEE and line.key.month == note.month]
    charges = {
        (str(FEE), line.key): line.amount_exact for line in fees if line.amount_exact < 0 and item_of(line.key) in note.items
    }
    charges |= _charges_of(back, note.month, books, period, unbilled) if back else {}
    net = -round_to_cents(WIDE.add(_cost(back, books), _sum(charges.values())))
    return _Reduction(back, charges, net) if net > 0 else None


def _charges_of(
    back: Quantities, month: datetime, books: Books, period: Period, unbilled: Unbilled
) -> dict[tuple[str, LineKey], Decimal]:
    """What a month's discount and minimum follow these corrections by."""
    used = {key: tokens for key, tokens in unbilled.used.items() if key.month == month}
    without = used | {key: used.get(key, 0) - tokens for key, tokens in back.items()}
    now, before = (usage_by_month(each, books).get(month) for each in (used, without))
    what = agreed_for(month, books, period)
    moved = less(charges_on(now, what), charges_on(before, what))
    return {(str(kind), LineKey(month, 0, "", "", "")): amount for kind, amount in moved.items() if amount}


def _of_tokens(key: LineKey, tokens: int, share: Decimal, books: Books, period: Period) -> SettledItem:
    """A whole number of tokens, so that their amount stays tokens times rate."""
    settled = int(WIDE.multiply(Decimal(tokens), share))
    return SettledItem(key, line_kind(key, settled, period), settled, amount_of(key, settled, books.prices))


def _cost(quantities: Quantities, books: Books) -> Decimal:
    return _sum(amount_of(key, tokens, books.prices) for key, tokens in quantities.items())


def _sum(amounts: Iterable[Decimal]) -> Decimal:
    total = NOTHING
    for amount in amounts:
        total = WIDE.add(total, amount)
    return total
