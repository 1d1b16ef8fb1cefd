"""Empties the inbox of corrections: event, trail, rollups, quarantine and the batches' own state in one transaction.

One transaction at a time, whichever worker has it, so that corrections are weighed in the order they came. A correction that
overtakes its event waits in the quarantine and is applied by itself, under its own place in that order.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import structlog
from django.db import DatabaseError, transaction

from metering.ingest.directory import directory
from metering.ingest.formats.rejected import Known, Rejected
from metering.ingest.intake.inbox import Claimed, claim_fresh
from metering.ingest.intake.receive import Refused, quarantine
from metering.ingest.models import Batch, QuarantinedEvent
from metering.ingest.quarantine.revoked import quarantine_late
from metering.ingest.recording.mark import mark
from metering.pricing.current import current_rates
from metering.pricing.rates import RateTable
from metering.revisions.change_events import change_events, keep_usage
from metering.revisions.corrections.decide import DUPLICATE, RECORDED, Verdict, decide
from metering.revisions.corrections.sent import (
    UNKNOWN_EVENT,
    Place,
    SentCorrectionRow,
    find_arrived,
    kept_under_lock,
    locate,
    lock_events,
    lock_waiting,
    of_batches,
    of_waiting,
)
from metering.revisions.corrections.trail import append, corrections_so_far
from metering.revisions.stored_events import look_up_by_key
from metering.worker.attempts import process_alone, process_failing, try_together
from metering.worker.one_by_one import blames_the_event
from omixa_billing.advisory_locks import AdvisoryLock, lock
from omixa_billing.instants import Clock
from omixa_billing.outage import is_outage

log = structlog.get_logger(__name__)

WAITING_PER_TRANSACTION = 5_000
NEWEST_WAITING = 1_000
ALL_WAITING = 2**31

APPLIED = {RECORDED: "the event has arrived", DUPLICATE: "the same correction was recorded before"}

Verdicts = list[tuple[SentCorrectionRow, Verdict]]


def process_corrections(now: Clock, among: int = NEWEST_WAITING) -> int:
    """Processes corrections until none is left that can be applied, and returns how many batches it took up.

    Of those that wait for their event it looks at the newest `among`. Raises only when the database is away.
    """
    claimed = 0
    while _is_work(among):
        batches, waited = _process_some(now, among)
        if not batches and not waited:
            break  # another worker has them, or their event cannot be found where it should lie
        claimed += batches
    return claimed


def sweep_corrections(now: Clock) -> tuple[int, int]:
    """Looks at every correction that waits for its event, and tries every batch that failed before once more, each alone.

    Returns how many batches it took up, and how many failed again.
    """
    claimed = process_corrections(now, ALL_WAITING)
    succeeded, failed = process_failing(Batch.Kind.CORRECTIONS, lambda batch_id: _batch_alone(batch_id, now))
    return claimed + succeeded, failed


def _is_work(among: int) -> bool:
    fresh = Batch.objects.fresh().filter(kind=Batch.Kind.CORRECTIONS)
    return fresh.order_by().exists() or bool(find_arrived(among, 1))


def _process_some(now: Clock, among: int) -> tuple[int, int]:
    """One transaction over what there is; if anything in it fails, each batch and each that waited alone.

    Returns how many batches it took up, and how many that waited it is done with.
    """
    batches: list[Claimed] = []
    waiting: list[int] = []
    done = 0

    def work() -> None:
        nonlocal done
        rates = _begin()
        batches[:] = claim_fresh(Batch.Kind.CORRECTIONS)
        batches[:] = quarantine_late(batches, now())
        sent = of_batches(batches)
        # Before the quarantine is asked: then a worker that finds an event finds what waited for it as well.
        places = _places(sent)
        waiting[:] = lock_waiting(among, WAITING_PER_TRANSACTION)
        waited = of_waiting(waiting)
        verdicts = _correct([*sent, *waited], places | _places(waited), rates, now())
        _close_batches(batches, verdicts, now())
        done = _resolve_waiting(verdicts, now())

    if not try_together(work, batches):
        done = len(waiting)
        for quarantined in waiting:
            _waiting_alone(quarantined, now)
        for batch in batches:
            _batch_alone(batch.id, now)
    return len(batches), done


def _begin() -> RateTable:
    """Takes the locks that come before any row's."""
    rates = current_rates()
    lock(AdvisoryLock.CORRECTIONS)
    look_up_by_key()
    return rates


def _places(sent: Iterable[SentCorrectionRow]) -> set[Place]:
    return locate(each.identity for each in sent)


def _correct(sent: Iterable[SentCorrectionRow], places: set[Place], rates: RateTable, now: datetime) -> Verdicts:
    """Applies corrections in the order they were sent, in the transaction that holds their batches or rows."""
    sent = sorted(sent, key=lambda each: each.rank)
    events = lock_events(places)
    decided = decide(sent, events, corrections_so_far(list(events.values())), rates, kept_under_lock(sent, events))
    append(decided.entries, now)
    change_events(decided.changes, now)
    keep_usage({events[identity]: usage for identity, usage in decided.kept.items()})
    return list(zip(sent, decided.verdicts, strict=True))


def _close_batches(batches: Sequence[Claimed], verdicts: Verdicts, now: datetime) -> None:
    counts: dict[int, Counter[str]] = defaultdict(Counter)
    items: dict[int, list[dict[str, Any]]] = {batch.id: list(batch.items) for batch in batches}
    refused: dict[int, list[Refused]] = defaultdict(list)
    for sent, verdict in verdicts:
        if sent.waiting is not None:
            continue
        counts[sent.batch_id][verdict.outcome] += 1
        if verdict.code:
            items[sent.batch_id].append(_item(sent, verdict))
        if verdict.outcome == "rejected":
            refused[sent.batch_id].append(_refused(sent, verdict))
    for batch in batches:
        quarantine(batch.row, refused[batch.id], now)
    if batches:
        mark(batches, items, counts, now)


def _item(sent: SentCorrectionRow, verdict: Verdict) -> dict[str, Any]:
    """As the batch lists it."""
    correction = sent.correction
    known = {"index": correction.index, "request_id": correction.request_id, "attempt": correction.attempt}
    return known | {"outcome": verdict.outcome, "code": verdict.code, "message": verdict.message}


def _refused(sent: SentCorrectionRow, verdict: Verdict) -> Refused:
    correction = sent.correction
    known = Known(correction.request_id, correction.attempt, correction.key_id)
    return Refused(correction.index, Rejected(verdict.code, verdict.message, known), sent.content)


def _resolve_waiting(verdicts: Verdicts, now: datetime) -> int:
    """What was applied, or was a duplicate after all, is settled; what is refused now for another reason stays open.

    Returns how many wait no longer.
    """
    alike: dict[Verdict, list[int]] = defaultdict(list)
    for sent, verdict in verdicts:
        if sent.waiting is not None and verdict.code != UNKNOWN_EVENT:
            alike[verdict].append(sent.waiting)
    for verdict, pks in alike.items():
        rows = QuarantinedEvent.objects.filter(pk__in=pks)
        if verdict.outcome == "rejected":
            rows.update(code=verdict.code, message=verdict.message)
        else:
            rows.update(settled_at=now, settlement=f"applied: {APPLIED.get(verdict, verdict.message)}")
    return sum(map(len, alike.values()))


def _batch_alone(batch_id: int, now: Clock) -> bool:
    return process_alone(batch_id, _begin, (_correct_batch, _correct_one_by_one), now)


def _correct_batch(batches: list[Claimed], rates: RateTable, now: datetime) -> None:
    sent = of_batches(batches)
    _close_batches(batches, _correct(sent, _places(sent), rates, now), now)


def _correct_one_by_one(batches: list[Claimed], rates: RateTable, now: datetime) -> None:
    """Each correction behind a savepoint of its own: the one that the database refuses is quarantined."""
    verdicts: Verdicts = []
    for sent in of_batches(batches):
        try:
            with transaction.atomic():
                verdicts += _correct([sent], _places([sent]), rates, now)
        except DatabaseError as error:
            directory.forget()  # what was learnt behind the savepoint is gone with it
            if not blames_the_event(error):
                raise
            message = f"The database refused it: {str(error).splitlines()[0]}"
            verdicts.append((sent, Verdict("rejected", "refused_by_database", message)))
    _close_batches(batches, verdicts, now)


def _waiting_alone(quarantined: int, now: Clock) -> None:
    """One that waited in the quarantine. If it fails it stays there, and is not tried again by itself."""
    try:
        with transaction.atomic():
            rates = _begin()
            still_open = QuarantinedEvent.objects.open().filter(pk=quarantined)
            held = list(still_open.select_for_update(of=("self",)).values_list("pk", flat=True))
            waited = of_waiting(held)
            _resolve_waiting(_correct(waited, _places(waited), rates, now()), now())
    except Exception as error:
        directory.forget()
        if is_outage(error):
            raise
        log.exception("waiting_correction_failed", quarantined=quarantined)
        message = f"Its event has arrived, but it could not be applied: {' '.join(str(error).split())}"
        QuarantinedEvent.objects.filter(pk=quarantined).update(code="not_applied", message=message)
