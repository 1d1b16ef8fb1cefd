"""Queries as the other products' clients write them, and what they leave of a workspace's usage to see."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.http import QueryDict
from rest_framework import serializers

from metering.usage.filters import Filters
from omixa_billing.api.requests import parse_query
from workspaces.models import APIKey, Workspace

BRACKETS = "[]"


def parse_foreign_query(query: QueryDict, kind: type[serializers.Serializer[Any]]) -> dict[str, Any]:
    """The query as `kind` describes it; a list is its name repeated, plain or with brackets. Raises InvalidParameter."""
    plain = QueryDict(mutable=True)
    for name, values in query.lists():
        for value in values:
            plain.appendlist(name.removesuffix(BRACKETS), str(value))
    return parse_query(plain, kind)


@dataclass(frozen=True, slots=True)
class Narrowing:
    """What a query leaves to see. An id of nothing, or of another workspace, matches nothing, as it does in the other products;
    where nothing can match at all, `is_empty`.
    """

    filters: Filters
    is_empty: bool = False


def narrowing(workspace: Workspace, asked: dict[str, Any], workspaces: str, **more: Iterable[str]) -> Narrowing:
    """Of the lists `api_key_ids` and `models`, of that of workspaces by its name, and of any other filters."""
    if workspaces in asked and workspace.public_id not in asked[workspaces]:
        return Narrowing(Filters(), is_empty=True)
    keys: tuple[str, ...] = ()
    if "api_key_ids" in asked:
        own = APIKey.objects.filter(workspace=workspace, public_id__in=asked["api_key_ids"])
        keys = tuple(own.values_list("public_id", flat=True))
        if not keys:
            return Narrowing(Filters(), is_empty=True)
    others = {name: tuple(values) for name, values in more.items()}
    return Narrowing(Filters(key_id=keys, model=tuple(asked.get("models", ())), **others))
