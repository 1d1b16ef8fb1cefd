"""Closing the books of a month: nothing that happened before its end is posted any more, and its export stays as it is."""

from datetime import datetime

from django.db import transaction

from metering.errors import PeriodNotLockable
from metering.journal.export import digest_of_month
from metering.journal.models import LockedPeriod
from metering.periods import Period
from omixa_billing.advisory_locks import AdvisoryLock, lock
from omixa_billing.instants import instant_text
from workspaces import audit


def lock_period(period: Period, actor: str, now: datetime) -> LockedPeriod:
    """Waits for acts that are posting. Raises PeriodNotLockable for a month that has not ended, or that is locked already."""
    month = f"{period.start:%Y-%m}"
    if now < period.end:
        raise PeriodNotLockable(f"The month {month} ends at {instant_text(period.end)}: it can be locked then.")
    with transaction.atomic():
        lock(AdvisoryLock.JOURNAL)
        locked = LockedPeriod.objects.filter(ends_at__gte=period.end).first()
        if locked is not None:
            raise PeriodNotLockable(f"The month {month} is locked: {locked} was locked at {instant_text(locked.locked_at)}.")
        entries, digest = digest_of_month(period)
        made = LockedPeriod.objects.create(
            starts_at=period.start, ends_at=period.end, locked_at=now, locked_by=actor, entries=entries, sha256=digest
        )
        audit.record(actor, "period.locked", month, None, now=now, entries=entries, sha256=digest)
    return made


def changed_since_locked() -> list[tuple[str, str, str]]:
    """Locked months whose entries are no longer those that they were locked with: month, and what they were and are."""
    changed = []
    for locked in LockedPeriod.objects.order_by("starts_at"):
        entries, digest = digest_of_month(Period(locked.starts_at, locked.ends_at))
        if (entries, digest) != (locked.entries, locked.sha256):
            changed.append((str(locked), f"{locked.entries} entries, {locked.sha256}", f"{entries} entries, {digest}"))
    return changed
