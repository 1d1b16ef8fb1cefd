"""`GET /v1/organizations/usage_report/messages` and `/cost_report`: Anthropic's reports in buckets, over this workspace.

Buckets are whole: the range begins with the one that `starting_at` lies in, and leaves out the one in which `ending_at` does.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.http.response import HttpResponseBase
from django.utils import timezone
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from metering.compatible.anthropic.views import AnthropicQuery, AnthropicView
from metering.compatible.anthropic.words import cost_words, tier_name, tiers_named, tokens_json
from metering.compatible.buckets import (
    WIDTHS,
    BucketPage,
    Width,
    check_range,
    in_buckets,
    page_of_buckets,
    running_bucket_end,
)
from metering.compatible.line_items import ItemCost, item_costs
from metering.compatible.queries import narrowing
from metering.compatible.views import limited_results
from metering.money import fractional_cents_text
from metering.usage.query import UsageQuestion, UsageRow, usage
from metering.usage.rows import CURRENCY
from omixa_billing.api.fields import NamesField, WordsField
from omixa_billing.instants import instant_text
from workspaces.access.permissions import caller_of
from workspaces.models import Workspace

USAGE_GROUPS = (
    *("api_key_id", "workspace_id", "model", "service_tier", "context_window"),
    *("inference_geo", "speed", "account_id", "service_account_id"),
)
READ_BY = {"api_key_id": "key_id", "model": "model", "service_tier": "service_tier"}
NO_GEO = "not_available"  # as they call it where a model has none

Results = list[tuple[datetime, dict[str, Any]]]


class MessagesQuery(AnthropicQuery):
    not_kept = ("account_ids", "context_window", "inference_geos", "service_account_ids", "speeds")

    bucket_width = serializers.ChoiceField(choices=tuple(WIDTHS), default="1d")
    group_by = WordsField(USAGE_GROUPS)
    api_key_ids = NamesField()
    models = NamesField()
    service_tiers = NamesField()
    workspace_ids = NamesField()


class CostReportQuery(AnthropicQuery):
    bucket_width = serializers.ChoiceField(choices=("1d",), default="1d")
    group_by = WordsField(("workspace_id", "description"))


class MessagesReportView(AnthropicView):
    def get(self, request: Request) -> HttpResponseBase:
        asked, caller = self.read_query(request, MessagesQuery), caller_of(request)
        page = whole_buckets(asked, WIDTHS[asked["bucket_width"]], timezone.now())
        tiers = tiers_named(asked.get("service_tiers", ()))
        narrow = narrowing(caller.workspace, asked, "workspace_ids", service_tier=tiers)
        if narrow.is_empty or not page.buckets:
            return Response(report_json(page, []))
        group_by = asked.get("group_by", [])
        groups = tuple(READ_BY[name] for name in READ_BY if name in group_by)
        bucket = WIDTHS[asked["bucket_width"]].bucket
        question = UsageQuestion(caller.workspace, page.start, page.end, bucket, groups, narrow.filters)

        def read(question: UsageQuestion) -> Results:
            rows = usage(question).rows
            return [(row.start, tokens_json(row) | _group_json(caller.workspace, group_by, row)) for row in rows]

        return limited_results(request, question, read, lambda results: report_json(page, results))


class CostReportView(AnthropicView):
    def get(self, request: Request) -> HttpResponseBase:
        asked, caller = self.read_query(request, CostReportQuery), caller_of(request)
        page = whole_buckets(asked, WIDTHS["1d"], timezone.now())
        if not page.buckets:
            return Response(report_json(page, []))
        question = UsageQuestion(caller.workspace, page.start, page.end, bucket="day")

        def read(question: UsageQuestion) -> Results:
            return _cost_results(question, caller.workspace, asked.get("group_by", []))

        return limited_results(request, question, read, lambda results: report_json(page, results))


def whole_buckets(asked: dict[str, Any], width: Width, now: datetime) -> BucketPage:
    """Raises InvalidParameter."""
    start, end = asked["starting_at"], asked.get("ending_at")
    check_range(start, end, "starting_at", "ending_at")
    until = running_bucket_end(now, width) if end is None else width.floor(end)
    return page_of_buckets(width.floor(start), until, width, width.limit(asked.get("limit")), asked.get("page"))


def report_json(page: BucketPage, results: Results) -> dict[str, Any]:
    data = [
        {"starting_at": instant_text(start), "ending_at": instant_text(end), "results": found}
        for start, end, found in in_buckets(page, results)
    ]
    return {"data": data, "has_more": page.next_page is not None, "next_page": page.next_page}


def _group_json(workspace: Workspace, group_by: list[str], row: UsageRow) -> dict[str, Any]:
    """Null for what was not asked for, and for what is not known of usage here."""
    values = {
        "api_key_id": row.groups.get("key_id"),
        "workspace_id": workspace.public_id,
        "model": row.groups.get("model"),
        "service_tier": tier_name(row.groups.get("service_tier", "")),
        "inference_geo": NO_GEO,
    }
    return {name: values.get(name) if name in group_by else None for name in USAGE_GROUPS}


def _cost_results(question: UsageQuestion, workspace: Workspace, group_by: list[str]) -> Results:
    shared = {"currency": CURRENCY, "workspace_id": workspace.public_id if "workspace_id" in group_by else None}
    if "description" in group_by:
        return [(each.start, _item_json(each) | shared) for each in item_costs(question)]
    nothing = dict.fromkeys(
        ("description", "cost_type", "token_type", "model", "service_tier", "context_window", "inference_geo")
    )
    return [
        (row.start, {"amount": fractional_cents_text(row.cost)} | nothing | shared)
        for row in usage(question).rows
        if row.cost or not row.unpriced_requests
    ]


def _item_json(each: ItemCost) -> dict[str, Any]:
    return {
        "amount": fractional_cents_text(each.cost),
        "description": each.item.text,
        **cost_words(each.item.component),
        "model": each.item.model,
        "service_tier": tier_name(each.item.service_tier),
        "context_window": None,
        "inference_geo": None,
    }
