"""A workspace's own trail, newest first, a page at a time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from workspaces.audit.tables import AuditEntry
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


def trail_page(workspace: Workspace, asked: TrailQuestion, limit: int) -> tuple[list[AuditEntry], bool]:
    """At most `limit` entries, and whether there are more. Staff are found by their common name alone."""
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
    page = list(found.order_by("-pk")[: limit + 1])
    return page[:limit], len(page) > limit
