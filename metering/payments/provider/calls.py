"""One call at a time asks the provider to make something, and the call is written down before it is made.

So the next run, after a crash too, knows that there may be something at the provider, and since when nothing new can come of
the call. Only one has the turn; a process that dies with it leaves it to the next one when its time is over.
"""

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Any

import structlog
from django.conf import settings
from django.db.models import Q, QuerySet

from metering.payments.clock import ticking
from metering.payments.models import StripeCall
from metering.payments.provider.errors import ProviderRefused, ProviderUnavailable
from omixa_billing.instants import Clock

log = structlog.get_logger(__name__)
# By then a request that was answered with a failure, or whose answer was lost, has come to its end there.
FINISHES_WITHIN = timedelta(minutes=10)
A_MOMENT = timedelta(minutes=1)
# What the provider refused to us is not asked for again sooner: its reason, such as a wrong key, is there for a while.
AFTER_REFUSAL = timedelta(hours=1)


def reserve_turn(rows: QuerySet[Any], now: datetime, **stored: Any) -> bool:
    """Whether the one row, if it still is as `rows` says, is now the caller's to ask for. Committed at once."""
    longest = timedelta(seconds=settings.STRIPE_TIMEOUT_SECONDS * (settings.STRIPE_MAX_RETRIES + 1)) + A_MOMENT
    free = rows.filter(Q(busy_until__isnull=True) | Q(busy_until__lte=now))
    return bool(free.update(asked_at=now, busy_until=now + longest, **stored))


def end_turn(row: StripeCall, now: datetime, error: ProviderUnavailable | ProviderRefused, **stored: Any) -> None:
    """There is no answer that settles it: the next one may try. The row and `now` as they were when the turn was taken.

    Of a call that was refused nothing can come: it is as if it had not been made.
    """
    if isinstance(error, ProviderRefused) and not error.spends_key:
        stored["asked_at"] = row.asked_at
    mine = type(row)._default_manager.filter(pk=row.pk, asked_at=now)
    mine.update(busy_until=None, key_spent=error.spends_key, trouble=str(error)[:2000], **stored)


def is_busy(row: StripeCall, now: datetime) -> bool:
    return row.busy_until is not None and row.busy_until > now


def is_final(row: StripeCall, now: datetime) -> bool:
    """Whether nothing new can come of the last call any more."""
    return row.asked_at is None or now - row.asked_at >= FINISHES_WITHIN


def recover_rows(keys: Iterable[int], sync: Callable[[int, datetime], bool], now: datetime | Clock) -> dict[str, int]:
    """Takes up every row by its primary key: `sync` says whether it is settled then. Counts of outcomes.

    None holds up the others, whatever it raises.
    """
    clock = ticking(now)
    counts = {"settled": 0, "waiting": 0, "unavailable": 0, "failed": 0}
    for pk in keys:
        try:
            settled = sync(pk, clock())
        except ProviderUnavailable as error:
            log.warning("stripe_unavailable", pk=pk, error=str(error))
            counts["unavailable"] += 1
        except Exception:
            log.exception("recovery_failed", pk=pk)
            counts["failed"] += 1
        else:
            counts["settled" if settled else "waiting"] += 1
    return counts
