"""What narrows a question about usage, as conditions that rollups and events share. Names become ids in SQL."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

from metering.errors import NotFound
from metering.ingest.models import EventStatus
from workspaces.models import APIKey, Workspace

STATUS_NUMBERS = {status.label: status.value for status in EventStatus}
STATUS_WORDS = {status.value: status.label for status in EventStatus}

CONDITIONS = {
    "model": "model_id = ANY(ARRAY(SELECT id FROM metering_languagemodel WHERE slug = ANY(%(model)s)))",
    "without_model": "NOT model_id = ANY(ARRAY(SELECT id FROM metering_languagemodel WHERE slug = ANY(%(without_model)s)))",
    "key_id": "key_id = ANY(%(key_ids)s::bigint[])",
    "service_tier": "service_tier_id = ANY(ARRAY(SELECT id FROM metering_servicetier WHERE name = ANY(%(tiers)s)))",
    "provider": "provider_id = ANY(ARRAY(SELECT id FROM metering_provider WHERE name = ANY(%(provider)s)))",
    "status": "status = ANY(%(status)s::smallint[])",
}


@dataclass(frozen=True, slots=True)
class Filters:
    """Each names the values that match, `without_model` those that do not; empty matches all. `status` by its word, a key by
    its public id.

    Voided events count nowhere and are listed only where `status` names them.

    A name nobody ever used lets nothing through. An unknown key, or another person's, is refused (NotFound).
    """

    model: tuple[str, ...] = ()
    key_id: tuple[str, ...] = ()
    service_tier: tuple[str, ...] = ()
    provider: tuple[str, ...] = ()
    status: tuple[str, ...] = ()
    without_model: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return any(getattr(self, field.name) for field in fields(self))


@dataclass(frozen=True, slots=True)
class UsageConditions:
    """Conditions on a table of usage, and their parameters; `narrow` when they match less than the workspace."""

    conditions: tuple[str, ...]
    parameters: dict[str, Any]
    narrow: bool


def scope_of(workspace: Workspace | None, filters: Filters, own_key: APIKey | None) -> UsageConditions:
    """What may be read: the workspace's usage, of it only `own_key`'s if given, of that what the filters match.

    None is every workspace: for operators. Raises NotFound for a key that is not among them.
    """
    conditions: list[str] = []
    parameters: dict[str, Any] = {}
    if workspace is not None:
        conditions.append("workspace_id = %(workspace)s")
        parameters["workspace"] = workspace.pk
    if own_key is not None:
        conditions.append("key_id = %(own_key)s")
        parameters["own_key"] = own_key.pk
    conditions += [CONDITIONS[field.name] for field in fields(filters) if getattr(filters, field.name)]
    parameters |= {
        "model": list(filters.model),
        "without_model": list(filters.without_model),
        "key_ids": _key_numbers(workspace, filters.key_id, own_key),
        "tiers": list(filters.service_tier),
        "provider": list(filters.provider),
        "status": [STATUS_NUMBERS.get(word, -1) for word in filters.status],
    }
    return UsageConditions(tuple(conditions), parameters, narrow=bool(filters) or own_key is not None)


def _key_numbers(workspace: Workspace | None, public_ids: tuple[str, ...], own_key: APIKey | None) -> list[int]:
    """The keys' numbers. Raises NotFound for one that is unknown or not the caller's to see."""
    if not public_ids:
        return []
    keys = APIKey.objects.filter(public_id__in=public_ids)
    if workspace is not None:
        keys = keys.filter(workspace=workspace)
    if own_key is not None:
        keys = keys.filter(pk=own_key.pk)
    numbers = dict(keys.values_list("public_id", "pk"))
    for public_id in public_ids:
        if public_id not in numbers:
            raise NotFound(f"There is no key {public_id!r} here.", param="key_id")
    return list(numbers.values())
