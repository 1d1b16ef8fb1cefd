"""The price list: what is in force on a day, what it was on another, and both as CSV that can be imported again."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any

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


def versions_at(at: datetime, part_of_name: str = "", workspace: Workspace | None = None) -> dict[Scope, PriceVersion]:
    """In the order of the list. With a workspace, its own prices in place of the list's that it does not reach."""
    whose = Q(workspace__isnull=True) if workspace is None else Q(workspace__isnull=True) | Q(workspace=workspace)
    versions = PriceVersion.objects.filter(whose, model__slug__icontains=part_of_name).in_force(at).select_related("model")
    by_tier: dict[tuple[str, str], list[PriceVersion]] = defaultdict(list)
    for version in versions:
        by_tier[version.model.slug, version.service_tier].append(version)
    return {
        (model, tier, version.above_input_tokens): version
        for model, tier in sorted(by_tier, key=lambda each: (each[0], each[1] != "default", each[1]))
        for version in reachable(by_tier[model, tier])
    }


def _tables(asked: dict[str, Any]) -> list[Table]:
    now = versions_at(end_of(asked["day"]), asked["model"], asked["workspace"])
    then = _compared(asked)
    scopes = list(dict.fromkeys([*now, *(then or {})]))
    rows = []
    for scope in scopes:
        rates, old = _rates(now.get(scope)), None if then is None else _rates(then.get(scope))
        if old is None or rates != old or not asked["changed"]:
            rows.append([_what(scope, now.get(scope)), _begins(now.get(scope)), rates_html(rates, old)])
    title = f"{len(rows):,} price{'' if len(rows) == 1 else 's'} at the end of {asked['day']}"
    note = "USD; for a million tokens, or for one of what is counted."
    if len(rows) > MOST_ROWS:
        note += f" The first {MOST_ROWS} are shown: search by name, or take the file, which has all."
    return [Table(title, note, ["Model and tier", "Since (UTC)", "Rates"], rows[:MOST_ROWS], "No price matches.")]


def _compared(asked: dict[str, Any]) -> dict[Scope, PriceVersion] | None:
    if asked["compared"] is None:
        return None
    return versions_at(end_of(asked["compared"]), asked["model"], asked["workspace"])


def _rates(version: PriceVersion | None) -> Rates:
    return {} if version is None else stated_rates(version)


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
    versions = versions_at(end_of(asked["day"]), asked["model"], asked["workspace"])
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
