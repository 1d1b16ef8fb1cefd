"""The audit trail: who did what to keys, prices and invoices. Written in the transaction of the act it tells of."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from workspaces.models import AuditEntry, Workspace


def record(
    actor: str, action: str, target: str, workspace: Workspace | None = None, *, now: datetime, **detail: Any
) -> AuditEntry:
    """Append one entry, such as `record("a@b.example", "key.revoked", "key_0V...", workspace, now=now)`.

    `detail` is JSON and never holds a secret. Call it inside the transaction that does the act, so that neither stands
    without the other.
    """
    return AuditEntry.objects.create(at=now, actor=actor, action=action, target=target, workspace=workspace, detail=detail)


def record_many(
    actor: str, action: str, acts: Iterable[tuple[str, Workspace | None, dict[str, Any]]], *, now: datetime
) -> None:
    """The same for many targets at once: one entry for each (target, workspace, detail), in one statement."""
    AuditEntry.objects.bulk_create(
        AuditEntry(at=now, actor=actor, action=action, target=target, workspace=workspace, detail=detail)
        for target, workspace, detail in acts
    )
