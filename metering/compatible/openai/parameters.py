"""What OpenAI's usage and costs endpoints take in the query, each as their reference has it."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from metering.compatible.buckets import WIDTHS
from omixa_billing.api.fields import NamesField, UnixTimeField, WordsField

COST_GROUPS = ("project_id", "user_id", "line_item", "api_key_id", "api_source")


class RangeQuery(serializers.Serializer[Any]):
    start_time = UnixTimeField()
    end_time = UnixTimeField(required=False)
    limit = serializers.IntegerField(required=False)
    page = serializers.CharField(required=False)
    project_ids = NamesField()


class UsageOfKindQuery(RangeQuery):
    bucket_width = serializers.ChoiceField(choices=tuple(WIDTHS), default="1d")


class CostsQuery(RangeQuery):
    bucket_width = serializers.ChoiceField(choices=("1d",), default="1d")
    group_by = WordsField(COST_GROUPS)
    api_key_ids = NamesField()
    line_items = NamesField()


OF_KEYS = {"user_ids": NamesField, "api_key_ids": NamesField}
OF_MODELS = OF_KEYS | {"models": NamesField}


def usage_query(
    groups: tuple[str, ...], more: dict[str, type[serializers.Field[Any, Any, Any, Any]]]
) -> type[UsageOfKindQuery]:
    """The query of one kind of usage: what it may be grouped by, and its parameters beside those of all kinds."""
    fields = {name: field() for name, field in more.items()}
    return type("UsageOfKindQuery", (UsageOfKindQuery,), {"group_by": WordsField(groups), **fields})
