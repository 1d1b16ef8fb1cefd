"""A workspace's own trail, newest first, a page at a time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from omixa_billing.api.lists import cut_page
from workspaces.audit.models import AuditEntry
from workspaces.audit.words import STAFF, STAFF_KINDS
from workspaces.models import Workspace


@dataclass(frozen=True, slots=True)
class TrailQuestion:
    """What is asked of the trail; empty means any. `before` is the number of the entry where the page before ended."""

    action: str = ""
    actor: str = ""
    start: datetime | None = None
    end: datetime | None = None
    before: int | None = None


def trail_page(workspace: Workspace, asked: TrailQuestion, limit: int) -> tuple[list[AuditEntry], int | None]:
    """At most `limit` entries, and the number of the last where more follow. Staff are found by their common name alone."""
    found = AuditEntry.objects.filter(workspace=workspace)
    if asked.action:
        found = found.filter(action=asked.action)
    if asked.actor == STAFF:
        found = found.filter(actor_kind__in=STAFF_KINDS)
    elif asked.actor:
        found = found.filter(actor=asked.actor).exclude(actor_kind__in=STAFF_KINDS)
    if asked.start is not None:
        found = found.filter(at__gte=asked.start)
    if asked.end is not None:
        found = found.filter(at__lt=asked.end)
    if asked.before is not None:
        found = found.filter(pk__lt=asked.before)
    return cut_page(found.order_by("-pk"), limit, lambda entry: int(entry.pk))
