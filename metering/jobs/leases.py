"""A queue in a table: its rows wait to be worked off one at a time, for ever, less and less often after each failure.

A row is leased while it is worked on, so that two runs never have the same one; a run that dies leaves its row to the next
one. What is done to a row may therefore happen twice, and never not at all.
"""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import ClassVar, Self, TypeVar

from django.db import models, transaction
from django.db.models import F, Q

from metering.jobs.progress import Progress, unheard

LONGEST_WAIT = timedelta(hours=4)
AT_ONCE = 200  # rows in one run
LONGEST_ERROR = 2_000

Row = TypeVar("Row", bound="Leased")


class LeasedQuerySet(models.QuerySet[Row]):
    def due(self, now: datetime) -> Self:
        """Those that are not leased, and have no wait before them."""
        return self.filter(Q(next_try_at__isnull=True) | Q(next_try_at__lte=now))

    def claim(self, now: datetime) -> Row | None:
        """The next that nobody else has, leased: what was never tried first, so that what fails holds nothing up."""
        order = (F("next_try_at").asc(nulls_first=True), "pk")
        with transaction.atomic():
            row = self.due(now).select_for_update(skip_locked=True, of=("self",)).order_by(*order).first()
            if row is not None:
                row.next_try_at = now + self.model.LEASE
                row.save(update_fields=["next_try_at"])
            return row

    def each_due(self, clock: Callable[[], datetime], progress: Progress = unheard) -> Iterator[tuple[Row, datetime]]:
        """Claims and yields one after the other, with the instant: a lease begins when its row is claimed, not with the run."""
        waiting = min(self.due(clock()).count(), AT_ONCE)
        for done in range(AT_ONCE):
            now = clock()
            row = self.claim(now)
            if row is None:
                return
            yield row, now
            progress(done + 1, max(waiting, done + 1))


class Leased(models.Model):
    # Each queue says its own: longer than anything that is done to one of its rows.
    LEASE: ClassVar[timedelta]

    tries = models.IntegerField(default=0)
    # Until then it is leased, or put off after a failure; null: it is due.
    next_try_at = models.DateTimeField(null=True)
    # Of the last failure; operators read it.
    error = models.TextField(default="")

    class Meta:
        abstract = True

    def put_off(self, error: Exception, now: datetime) -> None:
        """After a failure. `status` and the like are the caller's to save."""
        self.next_try_at = now + min(timedelta(minutes=2 ** min(self.tries, 10)), LONGEST_WAIT)
        self.tries += 1
        self.error = f"{type(error).__name__}: {error}"[:LONGEST_ERROR]
        self.save(update_fields=["tries", "next_try_at", "error"])
