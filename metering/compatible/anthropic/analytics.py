"""`GET /v1/organizations/analytics/usage` and `/cost`: Anthropic's rows by dimension, ranked or in order of time."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.http.response import HttpResponseBase
from django.utils import timezone
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from metering.compatible.anthropic.views import AnthropicQuery, AnthropicView
from metering.compatible.anthropic.words import TOKENS, cost_words, tier_name, tiers_named, tokens_json, uncached_input
from metering.compatible.buckets import WIDTHS, check_range, page_name, position_of, unknown_page
from metering.compatible.queries import narrowing
from metering.compatible.views import limited_results
from metering.money import WIDE, fractional_cents_text
from metering.periods import DAY, floor_hour
from metering.usage.component_costs import PRICE, priced_usage
from metering.usage.query import UsageQuestion, UsageRow, usage
from metering.usage.rows import CURRENCY
from omixa_billing.api.errors import InvalidParameter
from omixa_billing.api.fields import FlagField, NamesField, WordsField
from omixa_billing.api.lists import cut_page
from omixa_billing.instants import instant_text
from workspaces.access.permissions import caller_of
from workspaces.models import Workspace

LONGEST, LONGEST_BY_MINUTE = timedelta(days=31), DAY
MOST_DIMENSIONS = 5
DIMENSIONS = (
    *("actor", "actor_type", "agent_id", "api_key_id", "claude_tag_category", "claude_tag_user_id", "context_window"),
    *("deployment_id", "environment_id", "inference_geo", "model", "organization_id", "product", "rbac_group_id"),
    *("service_tier", "session_id", "slack_channel_id", "speed", "user_profile_id", "workspace_id"),
)
PARTS = ("cost_type", "token_type")
READ_BY = {"actor": "key_id", "api_key_id": "key_id", "model": "model", "service_tier": "service_tier"}
# What is used here is attributed to the key that it was used with, and to nobody beyond it.
ACTOR = "api_actor"

Measure = Callable[[UsageRow], Any]
USAGE_ORDERS: dict[str, Measure] = {
    "total_tokens": lambda row: row.input_tokens + row.output_tokens,
    "output_tokens": lambda row: row.output_tokens,
    "requests": lambda row: row.requests,
    "uncached_input_tokens": uncached_input,
}
COST_ORDERS: dict[str, Measure] = {"amount": lambda row: row.cost, "list_amount": lambda row: row.cost}
TIME = "time"


class AnalyticsQuery(AnthropicQuery):
    not_kept = (
        *("actor_ids", "actor_types", "agent_ids", "claude_tag_categories", "claude_tag_user_ids", "context_windows"),
        *("deployment_ids", "environment_ids", "inference_geos", "organization_ids", "products", "rbac_group_ids"),
        *("session_ids", "slack_channel_ids", "speeds", "user_profile_ids"),
    )

    time_bucket_width = serializers.ChoiceField(choices=tuple(WIDTHS), required=False)
    order = serializers.ChoiceField(choices=("asc", "desc"), default="desc")
    limit = serializers.IntegerField(default=20, min_value=1, max_value=1_000)
    exclude_deleted_users = FlagField()
    api_key_ids = NamesField()
    models = NamesField()
    service_tiers = NamesField()
    workspace_ids = NamesField()


class AnalyticsUsageQuery(AnalyticsQuery):
    group_by = WordsField(DIMENSIONS)
    order_by = serializers.ChoiceField(choices=(*USAGE_ORDERS, TIME), default="total_tokens")


class AnalyticsCostQuery(AnalyticsQuery):
    group_by = WordsField((*DIMENSIONS, *PARTS))
    order_by = serializers.ChoiceField(choices=(*COST_ORDERS, TIME), default="amount")


@dataclass(frozen=True, slots=True)
class Report:
    """What is asked of it; without a question nothing can match."""

    workspace: Workspace
    group_by: list[str]
    question: UsageQuestion | None
    now: datetime


@dataclass(frozen=True, slots=True)
class ReportPage:
    data: list[dict[str, Any]]
    next_page: str | None

    def __len__(self) -> int:
        return len(self.data)


class AnalyticsUsageView(AnthropicView):
    def get(self, request: Request) -> HttpResponseBase:
        asked = self.read_query(request, AnalyticsUsageQuery)
        report = _report(caller_of(request).workspace, asked, timezone.now())

        def read(question: UsageQuestion) -> ReportPage:
            rows, next_page = _page(usage(question).rows, asked, USAGE_ORDERS)
            data = [_bounds(row) | {"group": _group_json(report, row, DIMENSIONS), "usage": _usage_json(row)} for row in rows]
            return ReportPage(data, next_page)

        return _answer_with(request, report, asked, read)


class AnalyticsCostView(AnthropicView):
    def get(self, request: Request) -> HttpResponseBase:
        asked = self.read_query(request, AnalyticsCostQuery)
        report = _report(caller_of(request).workspace, asked, timezone.now())

        def read(question: UsageQuestion) -> ReportPage:
            rows = [row for row in usage(question).rows if row.cost or not row.unpriced_requests]
            page, next_page = _page(rows, asked, COST_ORDERS)
            parts = _parts(question) if page and "token_type" in report.group_by else {}
            return ReportPage([each for row in page for each in _cost_rows(report, row, parts)], next_page)

        return _answer_with(request, report, asked, read)


def _answer_with(
    request: Request, report: Report, asked: dict[str, Any], read: Callable[[UsageQuestion], ReportPage]
) -> HttpResponseBase:
    def as_json(page: ReportPage) -> dict[str, Any]:
        ends = {"has_more": page.next_page is not None, "next_page": page.next_page}
        return {"data": page.data, **ends, "data_refreshed_at": instant_text(report.now)}

    if report.question is None:
        _page([], asked, USAGE_ORDERS)  # a page of nothing is refused here too
        return Response(as_json(ReportPage([], None)))
    return limited_results(request, report.question, read, as_json)


def _report(workspace: Workspace, asked: dict[str, Any], now: datetime) -> Report:
    """Raises InvalidParameter."""
    group_by = list(dict.fromkeys(asked.get("group_by", ())))
    if len(set(group_by) - set(PARTS)) > MOST_DIMENSIONS:
        raise InvalidParameter(f"At most {MOST_DIMENSIONS} dimensions can be grouped by.", param="group_by")
    if "exclude_deleted_users" in asked and "actor" not in group_by:
        raise InvalidParameter("exclude_deleted_users needs group_by[]=actor.", param="exclude_deleted_users")
    narrow = narrowing(workspace, asked, "workspace_ids", service_tier=tiers_named(asked.get("service_tiers", ())))
    start, end, bucket = _range(asked, now)
    if narrow.is_empty or start >= end:
        return Report(workspace, group_by, None, now)
    groups = tuple(dict.fromkeys(READ_BY[name] for name in group_by if name in READ_BY))
    return Report(workspace, group_by, UsageQuestion(workspace, start, end, bucket, groups, narrow.filters), now)


def _range(asked: dict[str, Any], now: datetime) -> tuple[datetime, datetime, str]:
    """The whole buckets that are touched; without a width, whole hours, both ends rounded down. Raises InvalidParameter."""
    start, end, name = asked["starting_at"], asked.get("ending_at"), asked.get("time_bucket_width")
    if name is not None and end is None:
        raise InvalidParameter("ending_at is required where time_bucket_width is set.", param="ending_at")
    end = min(now, start + LONGEST) if end is None else end
    check_range(start, end, "starting_at", "ending_at")
    longest = LONGEST_BY_MINUTE if name == "1m" else LONGEST
    if end - start > longest:
        raise InvalidParameter(f"The range may span at most {longest.days * 24} hours.", param="ending_at")
    if name is None:
        return floor_hour(start), floor_hour(end), "none"
    width = WIDTHS[name]
    last = width.floor(end)
    return width.floor(start), last if last == end else last + width.length, width.bucket


def _page(rows: list[UsageRow], asked: dict[str, Any], orders: dict[str, Measure]) -> tuple[list[UsageRow], str | None]:
    """The rows that the page shows, and the name of the next one. A page begins after the row that its name says.

    Equal ones follow each other by time and group. Raises InvalidParameter.
    """
    by_time, falling = asked["order_by"] == TIME and "time_bucket_width" in asked, asked["order"] == "desc"
    measure = orders.get(asked["order_by"], next(iter(orders.values())))
    rows = sorted(rows, key=measure, reverse=falling or by_time)
    if by_time:
        rows.sort(key=lambda row: row.start, reverse=falling)
    if "page" in asked:
        last = position_of(asked["page"], 2)
        at = next((at for at, row in enumerate(rows) if _position(row) == last), None)
        if at is None:
            raise unknown_page()
        rows = rows[at + 1 :]
    page, last_row = cut_page(rows, asked["limit"], lambda row: row)
    return page, None if last_row is None else page_name(_position(last_row))


def _position(row: UsageRow) -> list[Any]:
    return [int(row.start.timestamp()), list(row.groups.values())]


def _bounds(row: UsageRow) -> dict[str, Any]:
    return {"starting_at": instant_text(row.start), "ending_at": instant_text(row.end)}


def _group_json(report: Report, row: UsageRow, names: tuple[str, ...]) -> dict[str, Any]:
    """Null for what was not asked for, and for what is not known of usage here."""
    key = row.groups.get("key_id")
    values = {
        "actor": {"type": ACTOR, "api_key_id": key},
        "actor_type": ACTOR,
        "api_key_id": key,
        "model": row.groups.get("model"),
        "service_tier": tier_name(row.groups.get("service_tier", "")),
        "workspace_id": report.workspace.public_id,
    }
    return {name: values.get(name) if name in report.group_by else None for name in names}


def _usage_json(row: UsageRow) -> dict[str, Any]:
    return tokens_json(row) | {"requests": row.requests, "total_tokens": row.input_tokens + row.output_tokens}


PartCosts = dict[tuple[datetime, tuple[str, ...]], dict[str, Decimal]]


def _parts(question: UsageQuestion) -> PartCosts:
    """What each component cost, by the position of the row that it is a part of."""
    found: PartCosts = defaultdict(lambda: defaultdict(Decimal))
    for priced in priced_usage(question):
        groups = tuple(value for name, value in priced.row.groups.items() if name != PRICE)
        costs = found[priced.row.start, groups]
        for part in priced.parts:
            if part.quantity and part.cost is not None:
                costs[part.component] = WIDE.add(costs[part.component], part.cost)
    return found


def _cost_rows(report: Report, row: UsageRow, parts: PartCosts) -> list[dict[str, Any]]:
    """One, or one for each type of token: they add up to it."""
    group = _group_json(report, row, (*DIMENSIONS, *PARTS))
    if "token_type" in report.group_by:
        costs = parts.get(row.position, {})
        named = [(cost_words(name), cost) for name, cost in costs.items()]
    else:
        named = [({"cost_type": TOKENS} if "cost_type" in report.group_by else {}, row.cost)]
    requests = None if set(PARTS) & set(report.group_by) else row.requests
    return [_bounds(row) | {"group": group | names, "cost": _cost_json(cost, requests)} for names, cost in named]


def _cost_json(cost: Decimal, requests: int | None) -> dict[str, Any]:
    """Prices agreed with a workspace are its list prices; a discount is taken off on the invoice."""
    amount = fractional_cents_text(cost)
    return {"amount": amount, "list_amount": amount, "currency": CURRENCY, "requests": requests}
