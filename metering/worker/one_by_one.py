"""The slow way for a batch that cannot be recorded as a whole: the event at fault is quarantined, the others stand.

At fault is what the database refuses, and what the endpoint accepted and would refuse now: an older version had other rules.
"""

from datetime import datetime

from django.db import DatabaseError, DataError, transaction

from metering.ingest.directory import directory
from metering.ingest.formats.events import Event
from metering.ingest.formats.rejected import Known, Rejected
from metering.ingest.intake.inbox import Claimed
from metering.ingest.intake.receive import Refused, check_each, quarantine
from metering.ingest.recording.arrivals import Outcome, last_uses, resolve_names
from metering.ingest.recording.mark import mark_processed
from metering.ingest.recording.record import record_events
from metering.limits.settle import settle_recorded
from metering.pricing.rates import RateTable
from metering.rollups.fold import fold_events
from metering.rollups.quantities import fold_others
from omixa_billing.sqlstates import sqlstate_of
from workspaces.keys.last_used import note_uses

# Classes of SQLSTATEs: the value cannot be, it contradicts a constraint, or it is too large.
OF_THE_VALUE = ("22", "23", "54")


def record_one_by_one(batches: list[Claimed], rates: RateTable, now: datetime) -> None:
    """Records and settles each event behind a savepoint of its own.

    Locks are taken event by event here, so two of these can deadlock: the one that loses is tried again.
    """
    for claimed in batches:
        batch = _revalidated(claimed, now)
        total = Outcome([], [], [])
        items = list(batch.items)
        contents = batch.contents()
        for origin, event in batch.arriving():
            try:
                with transaction.atomic():
                    outcome = record_events(resolve_names([(origin, event)]), rates, now)
                    fold_events(outcome.recorded)
                    fold_others(outcome.recorded)
                    settle_recorded(outcome.recorded, now)
            except DatabaseError as error:
                directory.forget()  # what was learnt behind the savepoint is gone with it
                if not blames_the_event(error):
                    raise
                refused = Refused(event.index, _poison(event, error), bytes(contents[event.index]))
                quarantine(batch.row, [refused], now)
                items.append(refused.item())
            else:
                for sums, part in zip(total, outcome, strict=True):
                    sums += part
        mark_processed([batch._replace(items=items)], total, now)
        note_uses(last_uses(total.recorded, now))


def _revalidated(batch: Claimed, now: datetime) -> Claimed:
    """The batch, with what the endpoint would refuse today quarantined and listed."""
    known = {item["index"] for item in batch.items}
    checked = check_each(batch.contents(), batch.kind, batch.received_at)
    refused = [each for each in checked if each.index not in known]
    quarantine(batch.row, refused, now)
    return batch._replace(items=batch.items + [each.item() for each in refused])


def blames_the_event(error: DatabaseError) -> bool:
    """Whether it is this event's values that the database will never take, and not its own state that it complains of."""
    # Without an SQLSTATE the driver itself could not send the value.
    return isinstance(error, DataError) or (sqlstate_of(error) or "").startswith(OF_THE_VALUE)


def _poison(event: Event, error: DatabaseError) -> Rejected:
    """The rejection of an event that the database itself refuses."""
    message = f"The database refused it: {str(error).splitlines()[0]}"
    return Rejected("refused_by_database", message, Known(event.request_id, event.attempt, event.key_id))
