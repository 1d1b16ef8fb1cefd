"""Writing the trail: an entry stands or falls with the act it tells of, in one transaction."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from workspaces.audit.origin import Origin, current_origin, kind_of_actor
from workspaces.models import AuditEntry, Workspace


def record(
    actor: str, action: str, target: str, workspace: Workspace | None = None, *, now: datetime, **detail: Any
) -> AuditEntry:
    """Append one entry, such as `record("a@b.example", "key.revoked", "key_0V...", workspace, now=now)`.

    `detail` is JSON and never holds a secret. Call it inside the transaction that does the act, so that neither stands
    without the other. The address and the user agent are those of the request that is being answered.
    """
    entry = _entry(current_origin(), actor, action, target, workspace, now, detail)
    entry.save(force_insert=True)
    return entry


def record_many(
    actor: str, action: str, acts: Iterable[tuple[str, Workspace | None, dict[str, Any]]], *, now: datetime
) -> None:
    """The same for many targets at once: one entry for each (target, workspace, detail), in one statement."""
    origin = current_origin()
    AuditEntry.objects.bulk_create(
        _entry(origin, actor, action, target, workspace, now, detail) for target, workspace, detail in acts
    )


def _entry(
    origin: Origin | None,
    actor: str,
    action: str,
    target: str,
    workspace: Workspace | None,
    now: datetime,
    detail: dict[str, Any],
) -> AuditEntry:
    return AuditEntry(
        at=now,
        actor=actor,
        actor_kind=kind_of_actor(actor, origin),
        action=action,
        target=target,
        workspace=workspace,
        detail=detail,
        ip_address=None if origin is None else origin.ip_address,
        user_agent="" if origin is None else origin.user_agent,
    )
