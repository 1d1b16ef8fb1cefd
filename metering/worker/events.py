"""Empties the inbox: claims waiting batches, as many as make one good transaction, and records them set by set.

What must be true together is written together: identities, events, rollups, the quarantine, the batches' own state. A killed
worker leaves its batches waiting, and any other worker, or the same one later, takes them up.
"""

from collections.abc import Callable
from datetime import datetime

import structlog
from django.db import transaction
from django.db.models import F

from metering.ingest.directory import directory
from metering.ingest.intake.inbox import Claimed, claim_fresh, claim_one
from metering.ingest.models import Batch
from metering.ingest.quarantine.revoked import quarantine_late
from metering.ingest.recording.arrivals import last_uses, resolve_names
from metering.ingest.recording.mark import mark_processed
from metering.ingest.recording.months import MonthMissing, make_missing
from metering.ingest.recording.record import Fold, record_events
from metering.pricing.current import current_rates
from metering.pricing.rates import RateTable
from metering.worker.one_by_one import record_one_by_one
from omixa_billing.outage import is_outage
from omixa_billing.reminders import remind
from workspaces.keys.last_used import note_uses

log = structlog.get_logger(__name__)

TRANSACTIONS_IN_A_ROW = 100


def process_waiting(now: Callable[[], datetime], fold: Fold) -> int:
    """Processes batches until none waits, and returns how many it took up. Raises only when the database is away.

    Where they come as fast as they are taken up, it stops after a while and asks to be called again: whatever else the broker
    has for the workers gets its turn, and no message is held for longer than a broker allows. The clock is read after each
    claim, so that nothing is processed before it was received.
    """
    taken = 0
    for _ in range(TRANSACTIONS_IN_A_ROW):
        batches = _process_some(now, fold)
        if not batches:
            return taken
        taken += batches
    remind("metering.process_waiting_batches")
    return taken


def process_failed(now: Callable[[], datetime], fold: Fold) -> tuple[int, int]:
    """Tries every batch that failed before once more, each alone. How many will do now, and how many failed again."""
    failed = Batch.objects.failing().filter(kind=Batch.Kind.EVENTS).order_by("id")
    done = [_process_alone(batch_id, now, fold) for batch_id in list(failed.values_list("id", flat=True))]
    return done.count(True), done.count(False)


def _process_some(now: Callable[[], datetime], fold: Fold) -> int:
    """One transaction over several batches; if anything in it fails, each of them alone."""
    batches: list[Claimed] = []
    try:
        with transaction.atomic():
            rates = current_rates()
            batches += claim_fresh(Batch.Kind.EVENTS)
            _record(batches, rates, now(), fold)
    except MonthMissing as missing:
        make_missing(missing)
        return _process_some(now, fold)
    except Exception as error:
        directory.forget()
        if is_outage(error):
            raise
        log.warning("batches_retried_alone", batches=[batch.id for batch in batches], error=repr(error))
        for batch in batches:
            _process_alone(batch.id, now, fold)
    return len(batches)


def _record(batches: list[Claimed], rates: RateTable, now: datetime, fold: Fold) -> None:
    """Everything that claimed batches come to, in the transaction that claimed them."""
    if not batches:
        return
    batches = quarantine_late(batches, now)
    outcome = record_events(resolve_names(arrival for batch in batches for arrival in batch.arriving()), rates, now)
    fold(outcome.recorded)
    mark_processed(batches, outcome, now)
    note_uses(last_uses(outcome.recorded, now))


def _process_alone(batch_id: int, now: Callable[[], datetime], fold: Fold) -> bool:
    """One batch in a transaction of its own, event by event if need be. A failure is noted on it, and it stays waiting."""
    for attempt in (_record, record_one_by_one):
        try:
            with transaction.atomic():
                rates = current_rates()
                batches = claim_one(batch_id)
                attempt(batches, rates, now(), fold)
            return True
        except MonthMissing as missing:
            make_missing(missing)
            return _process_alone(batch_id, now, fold)
        except Exception as error:
            directory.forget()
            if is_outage(error):
                raise
            failure = repr(error)
            log.exception("batch_failed", batch=batch_id)
    Batch.objects.filter(pk=batch_id).update(failures=F("failures") + 1, last_error=failure)
    return False
