"""Empties the inbox: claims waiting batches, as many as make one good transaction, and records them set by set.

What must be true together is written together: identities, events, rollups, the quarantine, the batches' own state, budgets
and holds. A killed worker leaves its batches waiting, and any other worker, or the same one later, claims them.
"""

from datetime import datetime

from metering.ingest.intake.inbox import BYTES_PER_TRANSACTION, Claimed, claim_fresh
from metering.ingest.models import Batch
from metering.ingest.quarantine.revoked import quarantine_late
from metering.ingest.recording.arrivals import last_uses, resolve_names
from metering.ingest.recording.mark import mark_processed
from metering.ingest.recording.record import record_events
from metering.limits.settle import settle_recorded
from metering.pricing.current import current_rates
from metering.pricing.rates import RateTable
from metering.rollups.fold import fold_events
from metering.rollups.quantities import fold_others
from metering.worker.attempts import process_alone, process_failing, try_together
from metering.worker.one_by_one import record_one_by_one
from omixa_billing.instants import Clock
from omixa_billing.reminders import ENOUGH, remind
from workspaces.keys.last_used import note_uses

TRANSACTIONS_IN_A_ROW = 100


def process_waiting(now: Clock) -> int:
    """Processes batches until few wait, and returns how many it claimed. Raises only when the database is away.

    What arrived meanwhile has a reminder of its own, so a transaction for a few events is not followed by another at once:
    it costs as much as one for a hundred. Where they come as fast as they are claimed, it stops after a while and asks to be
    called again: whatever else the broker has for the workers gets its turn, and no message is held for longer than a broker
    allows. The clock is read after each claim, so that nothing is processed before it was received.
    """
    claimed = 0
    for _ in range(TRANSACTIONS_IN_A_ROW):
        batches = _process_some(now)
        claimed += len(batches)
        if _are_few(batches):
            return claimed
    remind("metering.process_waiting_batches")
    return claimed


def _are_few(batches: list[Claimed]) -> bool:
    """Less than a transaction's worth, and all that was to be had: not cut off for its size."""
    size = sum(len(batch.compressed) for batch in batches)
    return sum(batch.event_count for batch in batches) < ENOUGH and size < BYTES_PER_TRANSACTION


def process_failed(now: Clock) -> tuple[int, int]:
    """Tries every batch that failed before once more, each alone. How many succeeded now, and how many failed again."""
    return process_failing(Batch.Kind.EVENTS, lambda batch_id: _process_alone(batch_id, now))


def _process_some(now: Clock) -> list[Claimed]:
    """Several batches in one transaction; if anything in it fails, each of them alone. Which."""
    batches: list[Claimed] = []

    def work() -> None:
        rates = current_rates()
        batches[:] = claim_fresh(Batch.Kind.EVENTS)
        claimed_at = now()
        _record(quarantine_late(batches, claimed_at), rates, claimed_at)

    if not try_together(work, batches):
        for batch in batches:
            _process_alone(batch.id, now)
    return batches


def _process_alone(batch_id: int, now: Clock) -> bool:
    return process_alone(batch_id, current_rates, (_record, record_one_by_one), now)


def _record(batches: list[Claimed], rates: RateTable, now: datetime) -> None:
    """Everything that claimed batches come to, in the transaction that claimed them."""
    if not batches:
        return
    outcome = record_events(resolve_names(arrival for batch in batches for arrival in batch.arriving()), rates, now)
    fold_events(outcome.recorded)
    fold_others(outcome.recorded)
    mark_processed(batches, outcome, now)
    note_uses(last_uses(outcome.recorded, now))
    settle_recorded(outcome.recorded, now)  # last: an authorisation waits for these rows until the commit
