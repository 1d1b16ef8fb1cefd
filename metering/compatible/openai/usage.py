"""`GET /v1/organization/usage/...`: OpenAI's usage API over this workspace, which is the one project of its keys."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

from django.http.response import HttpResponseBase
from django.utils import timezone
from rest_framework.request import Request
from rest_framework.response import Response

from metering.compatible.buckets import (
    WIDTHS,
    BucketPage,
    Width,
    check_range,
    in_buckets,
    page_of_buckets,
    running_bucket_end,
    sum_groups,
)
from metering.compatible.openai.kinds import KINDS, UsageKind, models_of_kind
from metering.compatible.queries import Narrowing, narrowing, parse_foreign_query
from metering.compatible.views import AdminKeyView, limited_results
from metering.usage.query import UsageQuestion, UsageRow, usage
from workspaces.access.permissions import caller_of
from workspaces.models import Workspace

Results = list[tuple[datetime, dict[str, Any]]]  # by the start of their bucket
BATCH_TIER = "batch"
UNLABELED = "unlabeled"  # as their reference calls what says nothing of its source
# By what the reader groups for each of theirs; the others say the same for all.
READ_BY = {"user_id": "user", "api_key_id": "key_id", "model": "model", "batch": "service_tier", "service_tier": "service_tier"}


class UsageOfKindView(AdminKeyView):
    kind = "completions"

    def get(self, request: Request) -> HttpResponseBase:
        """A page of buckets. Sums are those of `GET /api/v1/usage` in the same range."""
        kind, caller = KINDS[self.kind], caller_of(request)
        asked = parse_foreign_query(request.query_params, kind.query)
        page = bucket_page(asked, WIDTHS[asked["bucket_width"]], timezone.now())
        question = _question(caller.workspace, self.kind, asked, page) if page.buckets and kind.result else None
        if question is None:
            return Response(page_json(page, []))

        def read(question: UsageQuestion) -> Results:
            return _results(question, kind, asked)

        return limited_results(request, question, read, lambda results: page_json(page, results))


def bucket_page(asked: dict[str, Any], width: Width, now: datetime) -> BucketPage:
    """Raises InvalidParameter."""
    start, end = asked["start_time"], asked.get("end_time")
    check_range(start, end, "start_time", "end_time")
    until = running_bucket_end(now, width) if end is None else end
    return page_of_buckets(start, until, width, width.limit(asked.get("limit")), asked.get("page"))


def page_json(page: BucketPage, results: Results) -> dict[str, Any]:
    data = [
        {"object": "bucket", "start_time": int(start.timestamp()), "end_time": int(end.timestamp()), "results": found}
        for start, end, found in in_buckets(page, results)
    ]
    return {"object": "page", "data": data, "has_more": page.next_page is not None, "next_page": page.next_page}


def reader_groups(group_by: list[str], batch_asked: bool = False) -> tuple[str, ...]:
    groups = dict.fromkeys(READ_BY[name] for name in group_by if name in READ_BY)
    return tuple(groups | ({"service_tier": None} if batch_asked else {}))


def _question(workspace: Workspace, name: str, asked: dict[str, Any], page: BucketPage) -> UsageQuestion | None:
    """None where nothing can match."""
    narrow = _of_kind(narrowing(workspace, asked, "project_ids"), name)
    if narrow.is_empty:
        return None
    return UsageQuestion(
        workspace,
        page.start,
        page.end,
        bucket=WIDTHS[asked["bucket_width"]].bucket,
        group_by=reader_groups(asked.get("group_by", []), "batch" in asked),
        filters=narrow.filters,
        users=tuple(asked.get("user_ids", ())),
    )


def _results(question: UsageQuestion, kind: UsageKind, asked: dict[str, Any]) -> Results:
    group_by = [group for group in kind.groups if group in asked.get("group_by", ())]
    rows = [row for row in usage(question).rows if "batch" not in asked or _is_batch(row) == asked["batch"]]
    sums = sum_groups(rows, lambda row: tuple(group_value(question, name, row.groups) for name in group_by))
    nothing = dict.fromkeys(kind.groups)
    return [
        (start, _result(kind, row) | nothing | dict(zip(group_by, group, strict=True))) for (start, group), row in sums.items()
    ]


def _of_kind(narrow: Narrowing, name: str) -> Narrowing:
    """Leaves the models of the kind."""
    apart, filters = models_of_kind(name), narrow.filters
    if name == "completions":
        return replace(narrow, filters=replace(filters, without_model=apart))
    models = tuple(model for model in filters.model if model in apart) if filters.model else apart
    return Narrowing(replace(filters, model=models), narrow.is_empty or not models)


def group_value(question: UsageQuestion, name: str, groups: dict[str, str]) -> Any:
    """What a result says for one of their groups: null where it is of nobody."""
    if name == "project_id":
        return None if question.workspace is None else question.workspace.public_id
    if name == "api_source":
        return UNLABELED
    value = groups[READ_BY[name]]
    return value == BATCH_TIER if name == "batch" else value or None


def _is_batch(row: UsageRow) -> bool:
    return row.groups["service_tier"] == BATCH_TIER


def _result(kind: UsageKind, row: UsageRow) -> dict[str, Any]:
    counts: dict[str, Any] = {
        "object": f"organization.usage.{kind.result}.result",
        "input_tokens": row.input_tokens,
        "num_model_requests": row.requests,
    }
    if kind.result == "completions":
        counts |= {
            "output_tokens": row.output_tokens,
            "input_cached_tokens": row.cached_input_tokens,
            "input_uncached_tokens": row.input_tokens - row.cached_input_tokens - row.cache_write_tokens,
            "input_cache_write_tokens": row.cache_write_tokens,
        }
    return counts
