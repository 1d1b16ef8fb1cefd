"""What the usage pages can be narrowed to, read from the address. What makes no sense is said, and left out."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime
from urllib.parse import urlencode

from django.http import QueryDict

from metering.periods import HOUR
from metering.usage.filters import STATUS_NUMBERS, Filters
from metering.usage.query import UsageQuestion, usage
from metering.website.usage import ranges
from workspaces.models import APIKey, Workspace

BUCKETS = {"hour": "Hour", "day": "Day", "month": "Month", "none": "Whole range"}
GROUPS = {"": "Nothing", "model": "Model", "key_id": "API key", "service_tier": "Service tier", "provider": "Provider"}
GROUPS |= {"status": "Status"}
NARROWING = ("model", "key_id", "service_tier", "status")
MAX_HOURLY_DAYS = 31


@dataclass(frozen=True)
class PageFilters:
    """The range, grain, group and filters that a page was asked for, and what was wrong with the asking."""

    span: ranges.Range
    bucket: str
    group: str
    chosen: dict[str, str]
    error: str = ""
    typed: tuple[str, str] | None = None

    @property
    def fields(self) -> dict[str, str]:
        """What the form's range, first and last day hold: what was typed, even where it could not be shown."""
        if self.typed is not None:
            return {"range": "custom", "start": self.typed[0], "end": self.typed[1]}
        return {"range": self.span.name, "start": f"{self.span.start:%Y-%m-%d}", "end": f"{self.span.last_day:%Y-%m-%d}"}

    @property
    def filters(self) -> Filters:
        return Filters(**{name: (value,) for name, value in self.chosen.items()})

    def question(self, workspace: Workspace) -> UsageQuestion:
        group_by = (self.group,) if self.group else ()
        return UsageQuestion(workspace, self.span.start, self.span.end, self.bucket, group_by, self.filters)

    @property
    def page_query(self) -> str:
        """The same question in a page's address, without its grain and group."""
        span = {"range": self.span.name}
        if self.span.name == "custom":
            span |= {"start": f"{self.span.start:%Y-%m-%d}", "end": f"{self.span.last_day:%Y-%m-%d}"}
        return urlencode(span | self.chosen)

    @property
    def csv_query(self) -> str:
        """The same question whole, for a page's file."""
        return urlencode({"bucket": self.bucket, "group_by": self.group, "format": "csv"}) + f"&{self.page_query}"


def page_filters(query: QueryDict, now: datetime) -> PageFilters:
    """The question in an address."""
    errors: list[str] = []
    typed = None
    span = ranges.preset(ranges.DEFAULT, now)
    if query.get("range") == "custom":
        try:
            span = ranges.custom(_day(query.get("start", "")), _day(query.get("end", "")), now)
        except ValueError as problem:
            typed = (query.get("start", ""), query.get("end", ""))
            errors.append(f"{problem} This month is shown.")
    else:
        span = ranges.preset(_known("range", query.get("range", ranges.DEFAULT), ranges.PRESETS, ranges.DEFAULT, errors), now)
    bucket = _known("bucket", query.get("bucket", "day"), BUCKETS, "day", errors)
    if bucket == "hour" and span.days > MAX_HOURLY_DAYS:
        bucket = "day"
        errors.append(f"By the hour at most {MAX_HOURLY_DAYS} days are shown: this is by day.")
    group = _known("group_by", query.get("group_by", "model"), GROUPS, "model", errors)
    chosen = {name: value for name in NARROWING if (value := query.get(name, ""))}
    if not _known("status", chosen.get("status", ""), ["", *STATUS_NUMBERS], "", errors):
        chosen.pop("status", None)
    return PageFilters(span, bucket, group, chosen, " ".join(errors), typed)


def _known(name: str, value: str, known: Collection[str], otherwise: str, errors: list[str]) -> str:
    """The value where it is a known one; else what stands in for it, with a sentence added to `errors`."""
    if value in known:
        return value
    words = ", ".join(word for word in known if word)
    errors.append(f"“{value[:40]}” is no {name}, so it is left out: choose one of {words}.")
    return otherwise


def _day(text: str) -> date:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise ValueError("Choose the first and the last day.") from None
    if not 2000 <= day.year <= 2199:
        raise ValueError("Choose days between the years 2000 and 2199.")
    return day


@dataclass(frozen=True)
class Choice:
    """A menu: its parameter, its label, and (value, text, chosen) for each entry."""

    name: str
    label: str
    options: list[tuple[str, str, bool]]


def filter_choices(asked: PageFilters, workspace: Workspace) -> list[Choice]:
    """What can be narrowed to: whatever the workspace used in the range, every key, and what is chosen now."""
    start, end = asked.span.start, asked.span.end
    rows = usage(UsageQuestion(workspace, start, max(end, start + HOUR), group_by=("model", "service_tier"))).rows
    keys = APIKey.objects.filter(workspace=workspace).order_by("name", "pk")
    return [
        _choice("model", "Model", {row.groups["model"]: row.groups["model"] for row in rows}, asked),
        _choice("key_id", "API key", {key.public_id: key.name for key in keys}, asked),
        _choice(
            "service_tier", "Service tier", {row.groups["service_tier"]: row.groups["service_tier"] for row in rows}, asked
        ),
        _choice("status", "Status", {word: word.capitalize() for word in STATUS_NUMBERS}, asked),
    ]


def _choice(name: str, label: str, known: dict[str, str], asked: PageFilters) -> Choice:
    chosen = asked.chosen.get(name, "")
    if chosen:
        known = {chosen: chosen} | known
    options = [(value, text, value == chosen) for value, text in sorted(known.items(), key=lambda pair: pair[1].lower())]
    return Choice(name, label, [("", "All", not chosen), *options])
