"""OpenRouter's `GET /activity`: the last 30 whole days by model and provider, newest first."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

from django.http.response import HttpResponseBase
from django.utils import timezone
from rest_framework import serializers
from rest_framework.request import Request

from metering.compatible.queries import parse_foreign_query
from metering.compatible.views import AdminKeyView
from metering.errors import NotFound
from metering.periods import DAY, floor_day
from metering.usage.filters import Filters
from metering.usage.query import UsageQuestion, UsageRow, usage
from omixa_billing.api.errors import InvalidParameter
from omixa_billing.api.fields import json_number
from workspaces.access.permissions import caller_of
from workspaces.downloads import limited_answer
from workspaces.models import Credential, Workspace

DAYS = 30
SHA256 = r"^[0-9a-fA-F]{64}\Z"


class ActivityQuery(serializers.Serializer[Any]):
    date = serializers.DateField(required=False)
    api_key_hash = serializers.RegexField(SHA256, required=False, error_messages={"invalid": "It is a SHA-256 in hexadecimal."})
    user_id = serializers.CharField(required=False)
    group_by = serializers.ChoiceField(choices=("workspace",), required=False)
    workspace_id = serializers.CharField(required=False)


class OpenRouterActivityView(AdminKeyView):
    def get(self, request: Request) -> HttpResponseBase:
        asked, caller = parse_foreign_query(request.query_params, ActivityQuery), caller_of(request)
        question = _question(caller.workspace, asked, timezone.now())
        more = {"workspace_id": caller.workspace.public_id} if "group_by" in asked else {}
        rows = sorted(usage(question).rows, key=_newest_first)
        return limited_answer(request, caller, len(rows), lambda: {"data": [_activity_json(row) | more for row in rows]})


def _question(workspace: Workspace, asked: dict[str, Any], now: datetime) -> UsageQuestion:
    """Raises InvalidParameter, NotFound."""
    if "user_id" in asked:
        raise InvalidParameter("Usage belongs to keys here, not to members: use api_key_hash.", param="user_id")
    if asked.get("workspace_id", workspace.public_id) != workspace.public_id:
        raise NotFound("There is no such workspace here.", param="workspace_id")
    today = floor_day(now)
    start, end = today - DAYS * DAY, today
    if "date" in asked:
        start, end = _day(asked["date"], start, end)
    filters = Filters(key_id=(_key_of(workspace, asked["api_key_hash"]),)) if "api_key_hash" in asked else Filters()
    return UsageQuestion(workspace, start, end, bucket="day", group_by=("model", "provider"), filters=filters)


def _day(day: date, first: datetime, end: datetime) -> tuple[datetime, datetime]:
    start = datetime(day.year, day.month, day.day, tzinfo=UTC)
    if not first <= start < end:
        raise InvalidParameter(f"date is one of the last {DAYS} whole days, by UTC.", param="date")
    return start, start + DAY


def _key_of(workspace: Workspace, digest: str) -> str:
    """The key one of whose secrets has this SHA-256. Raises NotFound."""
    credential = (
        Credential.objects.filter(sha256=bytes.fromhex(digest), api_key__workspace=workspace).select_related("api_key").first()
    )
    if credential is None or credential.api_key is None:
        raise NotFound("There is no such key here.", param="api_key_hash")
    return credential.api_key.public_id


def _newest_first(row: UsageRow) -> tuple[timedelta, tuple[str, ...]]:
    start, groups = row.position
    return datetime.max.replace(tzinfo=UTC) - start, groups


def _activity_json(row: UsageRow) -> dict[str, Any]:
    model, provider = row.groups["model"], row.groups["provider"]
    return {
        "date": f"{row.start:%Y-%m-%d}",
        "model": model,
        "model_permaslug": model,
        "endpoint_id": f"{provider}/{model}" if provider else model,
        "provider_name": provider,
        "usage": json_number(row.cost),
        "byok_usage_inference": 0,
        "requests": row.requests,
        "prompt_tokens": row.input_tokens,
        "completion_tokens": row.output_tokens,
        "reasoning_tokens": row.reasoning_tokens,
        "cached_tokens": row.cached_input_tokens,
    }
