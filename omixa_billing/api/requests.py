"""Queries and bodies as serializers describe them: an unknown name, a repeated single value or a wrong type is a 400."""

from __future__ import annotations

import re
from typing import Any

from django.http import QueryDict
from rest_framework import serializers

from omixa_billing.api.errors import InvalidParameter
from omixa_billing.api.fields import InstantField

# A "+" that was not percent-encoded arrives as a space. Only a zone can follow a time of day, so it can be restored.
PLUS_LOST = re.compile(r"(\d\d:\d\d(?::\d\d(?:\.\d+)?)?) (\d\d:?\d\d)$", re.ASCII)


class NoQuery(serializers.Serializer[Any]):
    """An endpoint that takes nothing in the query."""


class StrictBody(serializers.Serializer[Any]):
    """Refuses fields it does not know, so that a misspelt one is not silently ignored."""

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, dict) and (unknown := [str(name) for name in data if name not in self.fields]):
            raise serializers.ValidationError({name: ["There is no such field."] for name in unknown})
        return super().to_internal_value(data)


def parse_query(query: QueryDict, kind: type[serializers.Serializer[Any]]) -> dict[str, Any]:
    """The query as `kind` describes it. Raises InvalidParameter, naming the first parameter that is wrong."""
    fields = kind().fields
    restored = query.copy()
    for name in query:
        if name not in fields:
            known = ", ".join(fields) or "none"
            raise InvalidParameter(f"There is no parameter {name!r} here; there are: {known}.", param=name)
        if len(query.getlist(name)) > 1 and not isinstance(fields[name], serializers.ListField):
            raise InvalidParameter(f"{name} is given more than once.", param=name)
        if isinstance(fields[name], InstantField):
            restored[name] = PLUS_LOST.sub(r"\1+\2", str(query[name]))
    given = kind(data=restored)
    if not given.is_valid():
        name, detail = next(iter(given.errors.items()))
        raise InvalidParameter(f"{name}: {_first_message(detail)}", param=name)
    return dict(given.validated_data)


def parse_body(data: Any, kind: type[serializers.Serializer[Any]]) -> dict[str, Any]:
    """A body as `kind` describes it. Raises ValidationError."""
    given = kind(data=data)
    given.is_valid(raise_exception=True)
    return dict(given.validated_data)


def _first_message(detail: Any) -> str:
    """The first message in a field's errors, however nested."""
    while isinstance(detail, dict | list):
        detail = next(iter(detail.values())) if isinstance(detail, dict) else detail[0]
    return str(detail)
