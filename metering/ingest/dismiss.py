"""Settles quarantined events as not to be recorded. They stay, with the reason."""

from collections.abc import Sequence
from datetime import datetime

from django.db import transaction

from metering.errors import InvalidParameter, QuarantineSettled
from metering.ingest.models import QuarantinedEvent
from workspaces import audit


@transaction.atomic
def dismiss(ids: Sequence[int], reason: str, actor: str, now: datetime) -> int:
    """Settles those of the events (primary keys) that are open, and returns how many.

    Raises QuarantineSettled when none of them is open any more, InvalidParameter without a reason.
    """
    reason = reason.strip()
    if not reason:
        raise InvalidParameter("Say why the event is not to be recorded.", param="reason")
    still_open = QuarantinedEvent.objects.filter(pk__in=ids, settled_at__isnull=True).order_by("id")
    events = list(still_open.select_for_update(of=("self",)).select_related("workspace").defer("content"))
    if not events:
        raise QuarantineSettled("Nothing to dismiss: it is settled already.")
    QuarantinedEvent.objects.filter(pk__in=[event.pk for event in events]).update(
        settled_at=now, settlement=f"dismissed: {reason}"
    )
    for event in events:
        audit.record(actor, "quarantine.dismissed", event.public_id, event.workspace, now=now, reason=reason, code=event.code)
    return len(events)
