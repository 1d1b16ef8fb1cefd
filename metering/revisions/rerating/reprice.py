"""Prices the events that waited for a price which now exists, and moves their rollups in the same transaction.

Runs by itself whenever a price is set and at every sweep. What is priced keeps its price; what no price covers still waits. A
first price is no correction: it leaves no entry on the trail.
"""

from django.db import transaction
from django.utils import timezone

from metering.pricing.current import current_rates
from metering.revisions.change_events import change_events
from metering.revisions.rerating.intervals import BEGINNING, RatingPosition, RatingScope
from metering.revisions.rerating.rerate_events import changes_of_rating, next_events
from metering.revisions.stored_events import look_up_by_key
from omixa_billing.instants import FIRST_INSTANT, LAST_INSTANT

WAITING = RatingScope(FIRST_INSTANT, LAST_INSTANT, unpriced=True)


def price_waiting() -> int:
    """Prices every waiting event that a price covers, and returns how many. Safe to run twice at once."""
    priced = 0
    at: RatingPosition | None = BEGINNING
    while at is not None:
        count, at = _price_some(at)
        priced += count
    return priced


def _price_some(after: RatingPosition) -> tuple[int, RatingPosition | None]:
    """One transaction's worth: how many it priced, and where to continue; None at the end."""
    with transaction.atomic():
        rates = current_rates()
        look_up_by_key()
        found = next_events(WAITING, rates, after, lock=True)
        changes = changes_of_rating(found.events, rates)
        change_events(changes, timezone.now())
    return len(changes), found.next
