"""`GET /v1/organization/costs`: OpenAI's costs API. What usage cost by the day, as JSON numbers with every digit.

What has no price yet has no cost either, and is left out rather than shown as nothing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple

from django.http.response import HttpResponseBase
from django.utils import timezone
from rest_framework.request import Request
from rest_framework.response import Response

from metering.compatible.buckets import Group, Width, order_of_groups
from metering.compatible.line_items import item_costs
from metering.compatible.openai.parameters import COST_GROUPS, CostsQuery
from metering.compatible.openai.usage import Results, bucket_page, group_value, page_json, reader_groups
from metering.compatible.queries import narrowing, parse_foreign_query
from metering.compatible.views import AdminKeyView, limited_results
from metering.money import WIDE
from metering.periods import DAY
from metering.usage.query import UsageQuestion, usage
from omixa_billing.api.fields import json_number
from workspaces.access.permissions import caller_of

DAYS = Width("day", DAY, 7, 180)
LINE_ITEM = "line_item"


class Cost(NamedTuple):
    """How much, where it is all of one kind, and exact USD."""

    groups: dict[str, str]
    quantity: int
    cost: Decimal
    units: str = ""


class CostsView(AdminKeyView):
    def get(self, request: Request) -> HttpResponseBase:
        asked, caller = parse_foreign_query(request.query_params, CostsQuery), caller_of(request)
        page = bucket_page(asked, DAYS, timezone.now())
        narrow = narrowing(caller.workspace, asked, "project_ids")
        if narrow.is_empty or not page.buckets:
            return Response(page_json(page, []))
        groups = reader_groups(asked.get("group_by", []))
        question = UsageQuestion(caller.workspace, page.start, page.end, DAYS.bucket, groups, narrow.filters)
        return limited_results(
            request, question, lambda question: _results(question, asked), lambda found: page_json(page, found)
        )


def _results(question: UsageQuestion, asked: dict[str, Any]) -> Results:
    group_by = [group for group in COST_GROUPS if group in asked.get("group_by", ())]
    if LINE_ITEM in group_by or "line_items" in asked:
        costs = _by_line_item(question, asked.get("line_items"))
    else:
        costs = _whole(question)
    found: dict[tuple[datetime, Group], list[Cost]] = defaultdict(list)
    for start, cost in costs:
        group = tuple(
            cost.groups[LINE_ITEM] if name == LINE_ITEM else group_value(question, name, cost.groups) for name in group_by
        )
        found[start, group].append(cost)
    return [
        (start, _result(dict(zip(group_by, group, strict=True)), found[start, group]))
        for start, group in sorted(found, key=order_of_groups)
    ]


def _by_line_item(question: UsageQuestion, lines: list[str] | None) -> Iterable[tuple[datetime, Cost]]:
    for each in item_costs(question):
        if lines is None or each.item.text in lines:
            yield each.start, Cost({**each.groups, LINE_ITEM: each.item.text}, each.quantity, each.cost, each.units)


def _whole(question: UsageQuestion) -> Iterable[tuple[datetime, Cost]]:
    for row in usage(question).rows:
        if row.cost or not row.unpriced_requests:
            yield row.start, Cost(row.groups, 0, row.cost)


def _result(group: dict[str, Any], costs: list[Cost]) -> dict[str, Any]:
    total = Decimal(0)
    for each in costs:
        total = WIDE.add(total, each.cost)
    is_line = LINE_ITEM in group
    return {
        "object": "organization.costs.result",
        "amount": {"value": json_number(total), "currency": "usd"},
        "quantity": sum(each.quantity for each in costs) if is_line else None,
        "quantity_unit": costs[0].units if is_line else None,
        **dict.fromkeys(COST_GROUPS),
        **group,
    }
