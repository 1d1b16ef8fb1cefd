"""The rate table for estimates: what a request may cost is asked before it runs, so a table of seconds ago will do.

What is billed is rated by `current.py`, under the lock of prices.
"""

import time

from django.db import connection

from metering.pricing.current import STAMP
from metering.pricing.rates import RateTable, load_rates

SECONDS = 2

_kept: tuple[int, object, RateTable] | None = None


def recent_rates() -> RateTable:
    """The rates, at most SECONDS old. Threads may share them: they never change."""
    global _kept
    kept, now = _kept, time.monotonic_ns()
    if kept is not None and now - kept[0] < SECONDS * 1_000_000_000:
        return kept[2]
    with connection.cursor() as cursor:
        cursor.execute(STAMP)
        stamp = cursor.fetchone()
    table = kept[2] if kept is not None and kept[1] == stamp else load_rates()
    _kept = (now, stamp, table)
    return table


def forget_recent_rates() -> None:
    """Makes the next call read the table again."""
    global _kept
    _kept = None
