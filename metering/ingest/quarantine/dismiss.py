"""Settles quarantined events as not to be recorded. They stay, with the reason."""

from collections.abc import Iterator, Sequence
from datetime import datetime

from django.db import transaction

from metering.errors import AlreadyResolved
from metering.ingest.models import QuarantinedEvent, QuarantinedEventQuerySet
from omixa_billing.api.errors import InvalidParameter
from workspaces import audit

AT_ONCE = 1_000


@transaction.atomic
def dismiss(ids: Sequence[int], reason: str, actor: str, now: datetime) -> int:
    """Settles those of the events (primary keys) that are open, and returns how many.

    Raises AlreadyResolved when none of them is open any more, InvalidParameter without a reason.
    """
    reason = reason.strip().replace("\x00", "")
    if not reason:
        raise InvalidParameter("Say why the event is not to be recorded.", param="reason")
    still_open = QuarantinedEvent.objects.open().filter(pk__in=ids).order_by("id")
    events = list(still_open.select_for_update(of=("self",)).select_related("workspace").defer("content"))
    if not events:
        raise AlreadyResolved("Nothing to dismiss: it is settled already.")
    QuarantinedEvent.objects.filter(pk__in=[event.pk for event in events]).update(
        settled_at=now, settlement=f"dismissed: {reason}"
    )
    acts = [(event.public_id, event.workspace, {"reason": reason, "code": event.code}) for event in events]
    audit.record_many(actor, "quarantine.dismissed", acts, now=now)
    return len(events)


def chunks_of(matching: QuarantinedEventQuerySet, most: int | None = None) -> Iterator[list[int]]:
    """The primary keys of the open ones among `matching`, oldest first, a thousand at a time and `most` in all.

    Only those there at the beginning: what acting on them adds to the quarantine is none of them.
    """
    found = matching.open()
    last = found.order_by("-id").values_list("id", flat=True).first()
    after, left = 0, most
    while last is not None and after < last and left != 0:
        some = found.filter(id__gt=after, id__lte=last).order_by("id")
        ids = list(some.values_list("id", flat=True)[: AT_ONCE if left is None else min(AT_ONCE, left)])
        if not ids:
            return
        yield ids
        after, left = ids[-1], None if left is None else left - len(ids)


def dismiss_matching(
    matching: QuarantinedEventQuerySet, reason: str, actor: str, now: datetime, most: int | None = None
) -> int:
    """Dismisses the open ones among `matching`, a thousand to a transaction and `most` in all, and returns how many."""
    done = 0
    for ids in chunks_of(matching, most):
        try:
            done += dismiss(ids, reason, actor, now)
        except AlreadyResolved:
            continue  # another person settled all of these meanwhile
    if not done:
        raise AlreadyResolved("Nothing to dismiss: it is settled already.")
    return done
