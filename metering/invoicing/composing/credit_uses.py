"""Which credit pays for which months: by the month of the line, whatever invoice bills it.

Credit counts for every month in which it was valid for a time. Promotional credit counts from the month of its grant on. What
was bought or given to make up for something also pays for months before.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal

from metering.credits.ledger import Remaining, Use
from metering.credits.models import CreditGrant
from metering.periods import next_month

NOTHING = Decimal("0.00")


def pays_for(grant: CreditGrant, month: datetime) -> bool:
    """Whether the grant may pay for lines of the month that begins then."""
    begun = grant.kind != CreditGrant.Kind.PROMOTIONAL or grant.granted_at < next_month(month)
    return begun and not grant.has_expired(month)


def draw_by_month(
    lefts: Iterable[Remaining], amounts: Mapping[datetime, Decimal], most: Decimal
) -> tuple[list[Use], dict[datetime, Decimal]]:
    """Draws at most `most` from what is left, in its order, for months that come to `amounts`; and how much for which month.

    Each grant pays for the oldest month first. Writes nothing.
    """
    uses, unpaid = [], {month: max(amount, NOTHING) for month, amount in sorted(amounts.items())}
    paid = dict.fromkeys(unpaid, NOTHING)
    for each in lefts:
        left = min(each.left, most)
        for month in unpaid:
            if left > 0 and pays_for(each.grant, month):
                part = min(left, unpaid[month])
                unpaid[month] -= part
                paid[month] += part
                left -= part
        used = min(each.left, most) - left
        if used > 0:
            uses.append(Use(each.grant, used))
            most -= used
    return uses, paid
