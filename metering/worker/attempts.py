"""How the worker goes about what may fail: batches together if that works, else each alone, and what fails alone is noted.

Both kinds of batches are worked off like this. Only an outage of the database is raised: it is no batch's fault.
"""

from collections.abc import Callable, Sequence
from datetime import datetime

import structlog
from django.db.models import F

from metering.ingest.directory import directory
from metering.ingest.intake.inbox import Claimed, claim_one
from metering.ingest.models import Batch
from metering.ingest.quarantine.revoked import quarantine_late
from metering.ingest.recording.months import MonthMissing, make_missing
from metering.pricing.rates import RateTable
from omixa_billing.asynchronous_commit import asynchronous_commit
from omixa_billing.instants import Clock
from omixa_billing.outage import is_outage

log = structlog.get_logger(__name__)

# What is done to claimed batches, in the transaction that claimed them.
Attempt = Callable[[list[Claimed], RateTable, datetime], None]


def try_together(work: Callable[[], None], claimed: Sequence[Claimed]) -> bool:
    """Whether all of it went well, in one transaction. `work` fills `claimed`, and may be called again."""
    try:
        _in_one_transaction(work)
    except Exception as error:
        _raise_outage(error)
        log.warning("batches_retried_alone", batches=[batch.id for batch in claimed], error=repr(error))
        return False
    return True


def process_alone(batch_id: int, begin: Callable[[], RateTable], attempts: Sequence[Attempt], now: Clock) -> bool:
    """One batch in a transaction of its own, by the first of the attempts that succeeds.

    If none does, the failure is noted on the batch, which stays waiting, and the answer is False.
    """
    failure = ""
    for attempt in attempts:

        def work(attempt: Attempt = attempt) -> None:
            rates, batches = begin(), claim_one(batch_id)
            claimed_at = now()
            attempt(quarantine_late(batches, claimed_at), rates, claimed_at)

        try:
            _in_one_transaction(work)
        except Exception as error:
            _raise_outage(error)
            failure = repr(error)
            log.exception("batch_failed", batch=batch_id)
        else:
            return True
    Batch.objects.filter(pk=batch_id).update(failures=F("failures") + 1, last_error=failure)
    return False


def process_failing(kind: str, alone: Callable[[int], bool]) -> tuple[int, int]:
    """Tries every batch of this kind that failed before once more. How many succeeded now, and how many failed again."""
    failing = Batch.objects.failing().filter(kind=kind).order_by("id")
    done = [alone(batch_id) for batch_id in list(failing.values_list("id", flat=True))]
    return done.count(True), done.count(False)


def _in_one_transaction(work: Callable[[], object]) -> None:
    """Once more when an event lies in a month without a partition, which is made in between.

    Its commit does not wait for the disk, with accounts and rollups locked: the batch itself is on the disk, and waits again
    where a power cut takes what became of it.
    """
    while True:
        try:
            with asynchronous_commit():
                work()
            return
        except MonthMissing as missing:
            make_missing(missing)


def _raise_outage(error: Exception) -> None:
    directory.forget()  # what was learnt in the transaction is gone with it
    if is_outage(error):
        raise error
