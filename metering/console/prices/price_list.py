"""The price list: what is in force on a day, what it was on another, and both as CSV that can be imported again."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any, NamedTuple

from django import forms
from django.db.models import Q
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from metering.catalogue.imports.cards import bare_rate
from metering.catalogue.imports.plan import percent_change
from metering.catalogue.models import PriceVersion
from metering.catalogue.price_list import reachable
from metering.catalogue.stated_rates import stated_rates
from metering.components import sorted_components
from metering.console import figures
from metering.console.reports.parts import FinanceReport, ReportFile, Table
from metering.periods import DAY
from omixa_billing.instants import instant_text
from workspaces.console.kit import fields
from workspaces.models import Workspace

MOST_ROWS = 500  # on the page; the file has all
SCOPE = ("model", "service_tier", "above_input_tokens", "effective_from", "price_id", "factor")
INTRO = "Prices as they hold at the end of a day. Choose a second day to see what changed between the two."

Scope = tuple[str, str, int]
Rates = dict[str, Decimal]


class PriceListForm(forms.Form):
    day = fields.day_field("at the end of (UTC)")
    compared = fields.day_field("compared with the end of (UTC)", required=False)
    model = fields.text("model", "A part of its name.", required=False, max_length=300)
    workspace = fields.workspace(required=False, help_text="With its own prices in place of the list's.")
    changed = fields.switch_field("only what differs")


def _today() -> dict[str, str]:
    return {"day": timezone.now().date().isoformat()}


def end_of(day: date) -> datetime:
    """The last instant that belongs to it; of today, that is to come."""
    return datetime.combine(day, time(), UTC) + DAY - datetime.resolution


class ListedPrice(NamedTuple):
    """Where a version stands in the list, and which it is, without what it says."""

    pk: int
    model: str
    service_tier: str
    above_input_tokens: int
    workspace_id: int | None


def listed_at(at: datetime, part_of_name: str = "", workspace: Workspace | None = None) -> dict[Scope, int]:
    """Keys of versions, in the order of the list. With a workspace, its own in place of those of the list it does not reach."""
    whose = Q(workspace__isnull=True) if workspace is None else Q(workspace__isnull=True) | Q(workspace=workspace)
    versions = PriceVersion.objects.filter(whose, model__slug__icontains=part_of_name).in_force(at)
    by_tier: dict[tuple[str, str], list[ListedPrice]] = defaultdict(list)
    for row in versions.values_list("pk", "model__slug", "service_tier", "above_input_tokens", "workspace_id"):
        place = ListedPrice._make(row)
        by_tier[place.model, place.service_tier].append(place)
    return {
        (model, tier, place.above_input_tokens): place.pk
        for model, tier in sorted(by_tier, key=lambda each: (each[0], each[1] != "default", each[1]))
        for place in reachable(by_tier[model, tier])
    }


def _tables(asked: dict[str, Any]) -> list[Table]:
    """Only what the page shows is read as a whole, and what may have changed where that is asked for."""
    now = listed_at(end_of(asked["day"]), asked["model"], asked["workspace"])
    then = _compared(asked)
    scopes = list(dict.fromkeys([*now, *(then or {})]))
    if then is not None and asked["changed"]:
        scopes = _changed(scopes, now, then)
    versions = _versions(scopes[:MOST_ROWS], now, then or {})
    rows = [_row(scope, versions, now, then) for scope in scopes[:MOST_ROWS]]
    title = f"{len(scopes):,} price{'' if len(scopes) == 1 else 's'} at the end of {asked['day']}"
    note = "USD; for a million tokens, or for one of what is counted."
    if len(scopes) > MOST_ROWS:
        note += f" The first {MOST_ROWS} are shown: search by name, or take the file, which has all."
    return [Table(title, note, ["Model and tier", "Since (UTC)", "Rates"], rows, "No price matches.")]


def _changed(scopes: Iterable[Scope], now: Mapping[Scope, int], then: Mapping[Scope, int]) -> list[Scope]:
    """Those in which another version holds, with other rates."""
    others = [scope for scope in scopes if now.get(scope) != then.get(scope)]
    succeeded = [scope for scope in others if scope in now and scope in then]
    versions = _versions(succeeded, now, then)
    same = {scope for scope in succeeded if _rates(versions, now[scope]) == _rates(versions, then[scope])}
    return [scope for scope in others if scope not in same]


def _versions(scopes: Iterable[Scope], *listed: Mapping[Scope, int]) -> dict[int, PriceVersion]:
    """Those that stand in these places, by key."""
    keys = {places[scope] for scope in scopes for places in listed if scope in places}
    return {version.pk: version for version in PriceVersion.objects.filter(pk__in=keys).order_by()}


def _row(
    scope: Scope, versions: Mapping[int, PriceVersion], now: Mapping[Scope, int], then: Mapping[Scope, int] | None
) -> list[SafeString]:
    version = versions.get(now.get(scope, 0))
    old = None if then is None else _rates(versions, then.get(scope))
    return [_what(scope, version), _begins(version), rates_html(_rates(versions, now.get(scope)), old)]


def _compared(asked: dict[str, Any]) -> dict[Scope, int] | None:
    if asked["compared"] is None:
        return None
    return listed_at(end_of(asked["compared"]), asked["model"], asked["workspace"])


def _rates(versions: Mapping[int, PriceVersion], pk: int | None) -> Rates:
    return {} if pk is None else stated_rates(versions[pk])


def _what(scope: Scope, version: PriceVersion | None) -> SafeString:
    model, tier, above = scope
    more = f", above {above:,} tokens" if above else ""
    factor = f", {version.in_words}" if version is not None and version.in_words else ""
    return figures.two_lines(model, f"{tier}{more}{factor}")


def _begins(version: PriceVersion | None) -> SafeString:
    return format_html(
        '<span class="console-nowrap">{}</span>', "" if version is None else f"{version.effective_from:%Y-%m-%d}"
    )


def rates_html(rates: Rates, old: Rates | None = None) -> SafeString:
    """Every rate, one below the other; compared with old ones, those before it and by how much it differs."""
    parts = [
        rate_change(name, None if old is None else old.get(name), rates.get(name), compared=old is not None)
        for name in sorted_components({*rates, *(old or {})})
    ]
    return in_lines(parts)


def in_lines(parts: Iterable[SafeString]) -> SafeString:
    """One below the other in one element, which a narrow page's cell keeps together."""
    return format_html("<span>{}</span>", SafeString("<br>".join(parts)))


def rate_change(name: str, old: Decimal | None, new: Decimal | None, *, compared: bool = True) -> SafeString:
    """`input 1.5`, or `input 1.5 → 1.8 (+20.0%)` of a rate that changes."""
    after = "none" if new is None else bare_rate(new)
    if not compared or old == new:
        return format_html('<span class="console-nowrap">{} {}</span>', name, after)
    change = percent_change(old, new)
    before = "none" if old is None else bare_rate(old)
    more = "" if change is None else f" ({change})"
    return format_html('<span class="console-nowrap">{} {} → <strong>{}</strong>{}</span>', name, before, after, more)


def _file(asked: dict[str, Any]) -> ReportFile:
    listed = listed_at(end_of(asked["day"]), asked["model"], asked["workspace"])
    by_key = _versions(listed, listed)
    versions = {scope: by_key[pk] for scope, pk in listed.items()}
    names = sorted_components({name for version in versions.values() for name in stated_rates(version)})
    about = {"day": str(asked["day"]), "model": asked["model"]}
    return ReportFile(f"prices-{asked['day']}.csv", [*SCOPE, *names], _lines(versions, names), about)


def _lines(versions: dict[Scope, PriceVersion], names: list[str]) -> Iterator[dict[str, Any]]:
    for (model, tier, above), version in versions.items():
        rates = stated_rates(version)
        yield {
            "model": model,
            "service_tier": tier,
            "above_input_tokens": above,
            "effective_from": instant_text(version.effective_from),
            "price_id": version.public_id,
            "factor": "" if version.factor is None else bare_rate(version.factor),
            **{name: bare_rate(rates[name]) if name in rates else "" for name in names},
        }


PRICE_LIST = FinanceReport("price-list", "Price list", INTRO, PriceListForm, _today, _tables, _file)
