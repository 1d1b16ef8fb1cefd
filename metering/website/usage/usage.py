"""Usage by range, grain and group: the chart, the table, and the way to the same figures as CSV."""

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.utils import timezone

from metering.usage.api import usage_csv
from metering.usage.query import UsageAnswer, UsageQuestion, usage
from metering.usage.spend import chart_of
from metering.website.member import member_page
from metering.website.usage import ranges
from metering.website.usage.chart import bucket_label, chart
from metering.website.usage.filters import BUCKETS, GROUPS, PageFilters, filter_choices, page_filters
from workspaces.access.authentication import Caller
from workspaces.downloads import limited_download
from workspaces.models import APIKey, Workspace

MOST_ROWS = 500


@member_page()
def usage_page(request: HttpRequest, caller: Caller) -> HttpResponseBase:
    """With `format=csv` every row of the table, exact, as a file."""
    question = page_filters(request.GET, timezone.now())
    if request.GET.get("format") == "csv":
        return limited_download(request, caller, lambda: _usage_file(question.question(caller.workspace)))
    answer = usage(question.question(caller.workspace))
    names = key_names(caller.workspace) if question.group == "key_id" else {}
    context = {
        "asked": question,
        "presets": ranges.PRESETS.items(),
        "buckets": BUCKETS.items(),
        "groups": GROUPS.items(),
        "choices": filter_choices(question, caller.workspace),
        "total": answer.total,
        "rows": usage_rows(answer, question, names)[:MOST_ROWS],
        "row_count": len(answer.rows),
        "max_shown": MOST_ROWS,
        "group_label": GROUPS[question.group],
        "chart": chart(chart_of(answer), question.bucket, names) if question.bucket != "none" else None,
    }
    return render(request, "website/usage/usage.html", context)


def _usage_file(question: UsageQuestion) -> HttpResponseBase:
    answer = usage(question)
    return usage_csv(answer.question, answer.rows, for_people=True)


def usage_rows(answer: UsageAnswer, asked: PageFilters, names: dict[str, str]) -> list[dict[str, object]]:
    """The answer's rows for people: newest bucket first, within it the most expensive first."""
    ordered = sorted(answer.rows, key=lambda row: (row.start, row.cost, row.requests), reverse=True)
    rows = []
    for row in ordered:
        group = row.groups.get(asked.group, "")
        when = bucket_label(row.start, asked.bucket) if asked.bucket != "none" else ""
        rows.append({"when": when, "group": group, "name": names.get(group, group or "unknown"), "usage": row})
    return rows


def key_names(workspace: Workspace) -> dict[str, str]:
    """What the workspace's keys are called, by id."""
    return dict(APIKey.objects.filter(workspace=workspace).values_list("public_id", "name"))
