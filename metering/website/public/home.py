"""The first page: for strangers what this is and what it costs, for members how the workspace is doing."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.templatetags.static import static
from django.utils import timezone

from metering.invoicing.lifecycle.upcoming import upcoming
from metering.usage.query import UsageQuestion, UsageRow, usage
from metering.usage.spend import spend_by_model
from metering.website.member import member_page
from metering.website.public.catalogue import listings, public_models
from metering.website.public.examples import base_url, first_request
from metering.website.public.highlight import highlight
from metering.website.usage import ranges
from metering.website.usage.chart import chart
from omixa_billing.http.headers import strangers_may_keep
from workspaces.access.authentication import Caller
from workspaces.members.current import choose_workspace
from workspaces.models import APIKey, Workspace

OVERVIEW_PRESETS = ("7d", "30d", "month")
TOP_KEYS = 5
MOST_PER_CENT = 999  # beyond it a percentage says nothing


@dataclass(frozen=True)
class SpendChange:
    """How spend moved: a figure, and the words between it and the days it is compared with."""

    figure: str
    joint: str


@dataclass(frozen=True)
class KeySpend:
    """A key's usage of the range, and its share of the most expensive one's in per cent."""

    key: APIKey
    row: UsageRow
    share: int


@strangers_may_keep
def home(request: HttpRequest) -> HttpResponseBase:
    if not request.user.is_authenticated:
        return public_home(request)
    return overview(request)


def public_home(request: HttpRequest) -> HttpResponse:
    listed = listings(None)
    curl = first_request(listed[0].model) if listed else ""
    return render(request, "website/public/home.html", {"listings": listed, "base_url": base_url(), "example": highlight(curl)})


@member_page()
def overview(request: HttpRequest, caller: Caller) -> HttpResponse:
    now = timezone.now()
    name = request.GET.get("range", ranges.DEFAULT)
    span = ranges.preset(name if name in OVERVIEW_PRESETS else ranges.DEFAULT, now)
    workspace = caller.workspace
    total = usage(UsageQuestion(workspace, span.start, span.end)).total
    before = usage(UsageQuestion(workspace, *span.before)).total
    context = {
        "span": span,
        "presets": [(key, ranges.PRESETS[key]) for key in OVERVIEW_PRESETS],
        "total": total,
        "before": before,
        "change": spend_change(total.cost, before.cost),
        "chart": chart(spend_by_model(workspace, span.start, span.end)),
        "top_keys": top_keys(workspace, span),
        "upcoming": upcoming(workspace, now) if caller.may_see_invoices and not workspace.sandbox else None,
        "caller": caller,
    }
    if not total.requests and not before.requests:
        context |= first_steps(workspace, now)
    return render(request, "website/overview.html", context)


def top_keys(workspace: Workspace, span: ranges.Range) -> list[KeySpend]:
    """The keys that cost most in the range, at most TOP_KEYS."""
    rows = usage(UsageQuestion(workspace, span.start, span.end, group_by=("key_id",))).rows
    rows = sorted(rows, key=lambda row: (-row.cost, -row.requests))[:TOP_KEYS]
    keys = {key.public_id: key for key in APIKey.objects.filter(public_id__in=[row.groups["key_id"] for row in rows])}
    most = max((row.cost for row in rows), default=Decimal(0))
    return [KeySpend(keys[row.groups["key_id"]], row, int(row.cost * 100 / most) if most else 0) for row in rows]


def spend_change(now: Decimal, before: Decimal) -> SpendChange | None:
    """In per cent with one decimal, as far as that says anything; None where nothing was spent at either time."""
    if not before:
        return SpendChange("New:", "nothing spent") if now else None
    if (now - before) * 100 > MOST_PER_CENT * before:
        return SpendChange("More than 10 times", "the spend of")
    per_cent = ((now - before) * 100 / before).quantize(Decimal("0.1"))
    return SpendChange(f"{per_cent:+}%".replace("+0.0", "0.0").replace("-", "\u2212"), "against")


def first_steps(workspace: Workspace, now: datetime) -> dict[str, object]:
    """What a workspace without usage is shown instead of empty figures."""
    model = public_models().order_by("slug").first()
    keys = workspace.api_keys.unrevoked().for_calls()
    return {
        "first_steps": True,
        "has_key": any(key.status(now) == "active" for key in keys),
        "example": highlight(first_request(model)) if model else "",
    }


def favicon(request: HttpRequest) -> HttpResponse:
    """Where browsers look for one by themselves."""
    return redirect(static("website/mark.svg"))


def switch_workspace(request: HttpRequest) -> HttpResponse:
    """Another of the person's workspaces from now on. One they do not belong to changes nothing."""
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    choose_workspace(request, request.POST.get("workspace", ""))
    return redirect("pages:home")
