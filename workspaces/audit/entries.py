"""Writing the trail: an entry stands or falls with the act it tells of, in one transaction."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import datetime, timedelta
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from django.db import connection, transaction
from django.db.models import QuerySet

from workspaces.audit.models import AuditEntry, AuditFold
from workspaces.audit.origin import OTHERS, RequestOrigin, current_origin, kind_of_actor

if TYPE_CHECKING:  # models gathers the tables, which lie in this room
    from workspaces.models import Workspace

MOST_REMEMBERED = 10_000
_seen: set[tuple[Any, ...]] = set()


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
    origin: RequestOrigin | None,
    actor: str,
    action: str,
    target: str,
    workspace: Workspace | None,
    now: datetime,
    detail: dict[str, Any],
) -> AuditEntry:
    if origin is not None:
        origin.actors.add(actor)
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


def record_once(
    actor: str,
    action: str,
    target: str,
    workspace: Workspace | None = None,
    *,
    now: datetime,
    within: timedelta,
    most: int | None = None,
    of_actor: bool = False,
    **detail: Any,
) -> AuditEntry | None:
    """Of what may happen often: one entry for the same act and address in each `within`: actor, action, target, workspace
    and detail.

    With `most`, for what strangers make up: together they cause so many different ones in a interval, then one says that more
    came; with `of_actor`, for what one caller can vary at will, so does this actor alone. What is about a key or person that
    exists comes without it, so that no stranger can hide it. What a process has seen already costs no query.
    """
    origin = current_origin()
    interval = int(now.timestamp() // within.total_seconds())
    place = None if workspace is None else workspace.pk
    more: tuple[Any, ...] = (action, OTHERS, "", None, "", interval)
    if of_actor:
        more = (action, actor, OTHERS, place, "", interval)
    address, rest = "" if origin is None else str(origin.ip_address), json.dumps(detail, sort_keys=True)
    key: tuple[Any, ...] = (action, actor, target, place, address, rest, interval)
    if key in _seen or (most is not None and more in _seen):
        return None
    bounded = action if most is None else f"{action} of {_short(actor) if of_actor else 'strangers'}"
    if (
        most is not None
        and not _folds(key).exists()
        and AuditFold.objects.filter(action=bounded, until__gt=now).count() >= most
    ):
        key, target, detail = more, OTHERS, {"most": most}
        if not of_actor:
            actor, workspace = OTHERS, None
    with transaction.atomic():
        fold = AuditFold(key=_digest(key), action=bounded, until=now + within)
        first = not _folds(key).exists() and _is_first(fold)
        entry = record(actor, action, target, workspace, now=now, **detail) if first else None
        # Only then: what is rolled back is recorded when it happens again.
        transaction.on_commit(lambda: _remember(key))
    return entry


def _digest(key: tuple[Any, ...]) -> bytes:
    return sha256(json.dumps(key).encode()).digest()


def _folds(key: tuple[Any, ...]) -> QuerySet[AuditFold]:
    """The one of this very act, if it has its entry."""
    return AuditFold.objects.filter(key=_digest(key))


def _short(actor: str) -> str:
    """As long as a fold's name has room for."""
    return sha256(actor.encode()).hexdigest()[:32]


def _is_first(fold: AuditFold) -> bool:
    """Of two processes at once, the insert of one waits for the other's commit and then finds it."""
    columns = "INSERT INTO workspaces_auditfold (key, action, until) VALUES (%s, %s, %s) ON CONFLICT DO NOTHING"
    with connection.cursor() as cursor:
        cursor.execute(columns, [bytes(fold.key), fold.action, fold.until])
        return cursor.rowcount == 1


def forget_seen() -> None:
    """For tests, which roll the database back under a process."""
    _seen.clear()


def _remember(key: tuple[Any, ...]) -> None:
    if len(_seen) >= MOST_REMEMBERED:
        _seen.clear()
    _seen.add(key)


def forget_folds(now: datetime) -> int:
    """Drops those whose time is over, and returns how many."""
    return AuditFold.objects.filter(until__lt=now).delete()[0]
