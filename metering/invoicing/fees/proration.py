"""What a recurring fee costs in a month: by the day, rounded once, half up."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from metering.money import WIDE, cents_text, round_to_cents
from metering.periods import Period, month_of, next_month

NOTHING = Decimal("0.00")


@dataclass(frozen=True, slots=True)
class FeeSpan:
    """Days [start, end) on which a fee costs so much for a whole month; an end of None never comes."""

    start: datetime
    end: datetime | None
    monthly: Decimal
    seats: int | None

    @property
    def of_a_month(self) -> Decimal:
        return self.monthly if self.seats is None else WIDE.multiply(self.monthly, Decimal(self.seats))

    @property
    def price(self) -> str:
        """Such as "8 at 10.00 USD"."""
        return f"{'' if self.seats is None else f'{self.seats} at '}{cents_text(self.monthly)} USD"

    def days_in(self, month: Period) -> int:
        end = month.end if self.end is None else min(self.end, month.end)
        return max((end - max(self.start, month.start)).days, 0)


@dataclass(frozen=True, slots=True)
class FeeHistory:
    """A fee and all that was ever agreed of it, oldest first, without overlaps."""

    public_id: str
    name: str
    spans: Sequence[FeeSpan]

    def months(self, end: datetime) -> Iterator[datetime]:
        """Those before `end` in which it costs something."""
        month = month_of(self.spans[0].start)
        while month.start < end:
            if any(span.of_a_month for span, _ in self.parts(month)):
                yield month.start
            month = month_of(next_month(month.start))

    def parts(self, month: Period) -> list[tuple[FeeSpan, int]]:
        """What holds on some of the month's days, and on how many."""
        found = [(span, span.days_in(month)) for span in self.spans]
        return [(span, days) for span, days in found if days]

    def cost(self, month: Period) -> Decimal:
        """Whole cents: the price of each day is its month's share of what the fee costs for a whole month."""
        of_days = NOTHING
        for span, days in self.parts(month):
            of_days = WIDE.add(of_days, WIDE.multiply(span.of_a_month, Decimal(days)))
        return round_to_cents(WIDE.divide(of_days, Decimal((month.end - month.start).days)))

    def text(self, month: Period) -> str:
        """Such as "Seats: 5 at 10.00 USD for 14 of 30 days, 8 at 10.00 USD for 16 of 30 days"."""
        days_of_month = (month.end - month.start).days
        costs = [(span, days) for span, days in self.parts(month) if span.of_a_month]
        whole = all(days == days_of_month for _, days in costs)
        if whole and not any(span.seats for span, _ in costs):
            return self.name
        prices = [span.price + ("" if whole else f" for {days} of {days_of_month} days") for span, days in costs]
        return f"{self.name}: {', '.join(prices)}"
