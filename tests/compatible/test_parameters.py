"""The packages' own methods name every parameter that an endpoint knows, and no other: none can be ignored in silence."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable
from typing import Any

import anthropic
import openai
import pytest
from rest_framework import serializers

from metering.compatible.anthropic.analytics import AnalyticsCostQuery, AnalyticsUsageQuery
from metering.compatible.openai.kinds import KINDS
from metering.compatible.openai.parameters import COST_GROUPS, CostsQuery

OF_THE_CALL = {"extra_headers", "extra_query", "extra_body", "timeout", "betas"}
IN_THE_QUERY_OF_BETAS = {"beta"}

usage = openai.OpenAI(api_key="none", admin_api_key="none").admin.organization.usage
analytics = anthropic.Anthropic(api_key="none").beta.organization.analytics


def parameters(method: Callable[..., Any]) -> set[str]:
    return set(inspect.signature(method).parameters) - OF_THE_CALL


def groups(method: Callable[..., Any]) -> set[str]:
    """The words that `group_by` may have."""

    def words(hint: Any) -> set[str]:
        if typing.get_origin(hint) is typing.Literal:
            return set(typing.get_args(hint))
        return {word for inner in typing.get_args(hint) for word in words(inner)}

    return words(typing.get_type_hints(method)["group_by"])


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_of_usage_knows_the_parameters_and_groups_of_openais_package(kind: str) -> None:
    method = getattr(usage, kind)
    assert parameters(method) == set(KINDS[kind].query().fields)
    assert groups(method) == set(KINDS[kind].groups)


def test_costs_know_the_parameters_and_groups_of_openais_package() -> None:
    assert parameters(usage.costs) == set(CostsQuery().fields)
    assert groups(usage.costs) == set(COST_GROUPS)


@pytest.mark.parametrize(
    ("method", "query"), [(analytics.usage.list, AnalyticsUsageQuery), (analytics.cost.list, AnalyticsCostQuery)]
)
def test_analytics_know_the_parameters_of_anthropics_package(
    method: Callable[..., Any], query: type[serializers.Serializer[Any]]
) -> None:
    assert parameters(method) == set(query().fields) - IN_THE_QUERY_OF_BETAS
