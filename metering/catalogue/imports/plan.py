"""What an import would do, and nothing done: each model new, changed, unchanged or refused, and what is withdrawn."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal
from fnmatch import fnmatchcase
from hashlib import sha256
from typing import Any, NamedTuple

from metering.catalogue.imports.books import InForce, ListPrices, ProviderCosts, Rates, Scope
from metering.catalogue.imports.cards import NotImported, PriceEntry, PriceFile, bare_rate
from metering.catalogue.imports.csv_file import read_csv
from metering.catalogue.imports.litellm import read_litellm
from metering.catalogue.imports.models import PriceImport
from metering.catalogue.imports.openrouter import read_openrouter
from metering.catalogue.models import LONGEST_TIER, LanguageModel
from metering.catalogue.providers.models import LONGEST_PROVIDER, LONGEST_ROUTE
from metering.catalogue.set_price import LONGEST_NAME
from metering.components import sorted_components
from metering.errors import InvalidPrice
from workspaces.names import is_storable

Format = PriceImport.Format
READERS = {Format.LITELLM: read_litellm, Format.OPENROUTER: read_openrouter, Format.CSV: read_csv}


class PriceChange(NamedTuple):
    """A version that would be set. `before` is what holds until then, None where nothing does."""

    scope: Scope
    rates: Mapping[str, Decimal]
    before: Mapping[str, Decimal] | None

    def steps(self) -> list[tuple[str, Decimal | None, Decimal | None]]:
        """Each component whose rate is another then: its name, old and new."""
        old = self.before or {}
        names = sorted_components({*old, *self.rates})
        return [(name, old.get(name), self.rates.get(name)) for name in names if old.get(name) != self.rates.get(name)]


@dataclass(slots=True)
class Plan:
    """What an import would set. Each model of the file is in one of new, changed, unchanged and refused."""

    changes: list[PriceChange] = field(default_factory=list)
    new: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    unchanged: list[str] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)
    withdrawn: list[Scope] = field(default_factory=list)
    remarks: dict[str, tuple[str, ...]] = field(default_factory=dict)
    entries: dict[str, PriceEntry] = field(default_factory=dict)

    @property
    def counts(self) -> dict[str, int]:
        names = ("new", "changed", "unchanged", "refused", "withdrawn")  # models, but for withdrawn: scopes
        return {name: len(getattr(self, name)) for name in names}

    def digest(self) -> str:
        """A hash of what would be set and of what it replaces: another one is another plan."""
        said = [[*each.scope, _texts(each.rates), _texts(each.before or {})] for each in self.changes]
        return sha256(json.dumps(said).encode()).hexdigest()


def _texts(rates: Mapping[str, Decimal]) -> list[list[str]]:
    return [[name, bare_rate(rates[name])] for name in sorted_components(rates)]


def percent_change(old: Decimal | None, new: Decimal | None) -> str | None:
    """By how much a rate changes: +25.0%; None where there is nothing to compare."""
    if not old or new is None:
        return None
    change = ((new - old) * 100 / old).quantize(Decimal("0.1"), rounding=ROUND_HALF_UP)
    return f"{change:+}%"


def detect_format(text: str) -> Format:
    """By its first character and its first key. Raises InvalidPrice."""
    start = text.removeprefix("\ufeff").lstrip()[:400]
    if not start:
        raise InvalidPrice("The file is empty.", param="file")
    if not start.startswith(("{", "[")):
        return Format.CSV
    return Format.OPENROUTER if start.startswith("{") and start[1:].lstrip().startswith('"data"') else Format.LITELLM


def read_file(text: str, file_format: str, markup: Decimal, only: str) -> PriceFile:
    """The file's models, those of the pattern. Raises UnreadableFile."""
    read = READERS[Format(file_format)](text, markup)
    if not only:
        return read
    entries = [each for each in read.entries if matches(each.model, only)]
    return PriceFile(entries, {model: reason for model, reason in read.refused.items() if matches(model, only)})


def matches(model: str, only: str) -> bool:
    """Shell patterns, several with commas between them: `gpt-*, azure/*`. An empty one is every model."""
    patterns = [each.strip() for each in only.split(",") if each.strip()]
    return not patterns or any(fnmatchcase(model, each) for each in patterns)


def plan_import(asked: PriceImport, now: datetime) -> Plan:
    """What applying it would do. Raises UnreadableFile."""
    return _Planner(asked, asked.effective_from or now).plan()


class _Planner:
    def __init__(self, asked: PriceImport, beginning: datetime) -> None:
        self.asked = asked
        self.book: ListPrices | ProviderCosts = ProviderCosts() if asked.provider_cost else ListPrices()
        self.beginning = beginning
        self.in_force = self.book.in_force(beginning, asked.file_format)
        self.parts: dict[tuple[str, str, str, str], list[Scope]] = {}
        for scope in self.in_force:
            self.parts.setdefault(scope.part, []).append(scope)
        self.aliases = dict(LanguageModel.objects.filter(alias_of__isnull=False).values_list("slug", "alias_of__slug"))
        self.named: dict[Scope, Rates] = {}
        self.priced: dict[str, bool] = {}
        self.made = Plan()

    def plan(self) -> Plan:
        asked, made = self.asked, self.made
        read = read_file(asked.text, asked.file_format, asked.markup, asked.only)
        made.refused.update(read.refused)
        planned: dict[str, list[PriceChange]] = {}
        for entry in read.entries:
            try:
                planned.setdefault(entry.model, []).extend(self._changes(entry))
                made.entries[entry.model] = entry
                if entry.remarks:
                    made.remarks[entry.model] = entry.remarks
            except NotImported as refused:
                made.refused[entry.model] = str(refused)
        self._sort({model: changes for model, changes in planned.items() if model not in made.refused})
        made.withdrawn = self._withdrawn()
        return made

    def _sort(self, planned: Mapping[str, list[PriceChange]]) -> None:
        for model, changes in planned.items():
            kind = self.made.unchanged if not changes else self.made.changed if self.priced[model] else self.made.new
            kind.append(model)
            self.made.changes.extend(changes)

    def _changes(self, entry: PriceEntry) -> list[PriceChange]:
        rates_by_scope = {self.book.scope(entry, card): card.rates for card in entry.cards}
        self.priced[entry.model] = any(scope.part in self.parts for scope in rates_by_scope)
        changes = []
        for scope, rates in {**rates_by_scope, **self._thresholds_that_ended(rates_by_scope)}.items():
            self._check(scope)
            standing = self.in_force.get(scope)
            earlier = self.named.get(scope)
            if earlier is not None and dict(earlier) != dict(rates):
                raise NotImported("Another entry of the file has another price of the same model.")
            self.named[scope] = rates
            if earlier is None and (standing is None or dict(standing.rates) != dict(rates)):
                changes.append(self._change(scope, rates, standing))
        return changes

    def _check(self, scope: Scope) -> None:
        """Raises NotImported."""
        for name, text, longest in (
            ("name", scope.model, LONGEST_NAME),
            ("service tier", scope.service_tier, LONGEST_TIER),
            ("provider", scope.provider or "-", LONGEST_PROVIDER),
            ("route", scope.route or "-", LONGEST_ROUTE),
        ):
            if not 0 < len(text) <= longest or not is_storable(text):
                raise NotImported(f"Its {name} is not 1 to {longest} characters of text.")
        if scope.model in self.aliases:
            raise NotImported(f"It is an alias of {self.aliases[scope.model]}, whose price it has.")

    def _change(self, scope: Scope, rates: Mapping[str, Decimal], standing: InForce | None) -> PriceChange:
        if standing is not None and standing.effective_from == self.beginning and self.asked.effective_from:
            raise NotImported("It has another price that begins at the same time: choose a later one.")
        return PriceChange(scope, rates, standing and standing.rates)

    def _thresholds_that_ended(self, rates_by_scope: Mapping[Scope, Rates]) -> dict[Scope, Rates]:
        """Above a threshold that an import set and the file has no more, what it says of shorter requests holds."""
        ended: dict[Scope, Rates] = {}
        for part in {each.part for each in rates_by_scope}:
            for scope in self.parts.get(part, ()):
                below = [each for each in rates_by_scope if each.part == part and each < scope]
                if self.in_force[scope].imported and below and scope not in rates_by_scope:
                    ended[scope] = rates_by_scope[max(below)]
        return ended

    def _withdrawn(self) -> list[Scope]:
        """Set by an import and in force, and no longer in the file: said, and left as they are."""
        parts = {each.part for each in self.named}
        return sorted(
            scope
            for scope, standing in self.in_force.items()
            if standing.imported and scope.part not in parts and matches(scope.model, self.asked.only)
        )


def import_json(plan: Plan, applied: bool) -> dict[str, Any]:
    """As the command prints it."""
    return {
        "new": len(plan.new),
        "changed": len(plan.changed),
        "unchanged": len(plan.unchanged),
        "refused": [{"model": model, "reason": reason} for model, reason in sorted(plan.refused.items())],
        "withdrawn": [_scope(each) for each in plan.withdrawn],
        "applied": applied,
        "prices": [_change(each) for each in plan.changes],
        "remarks": [{"model": model, "remarks": list(said)} for model, said in sorted(plan.remarks.items())],
    }


def _scope(scope: Scope) -> dict[str, Any]:
    said: dict[str, Any] = scope._asdict()
    return said if scope.provider else {name: said[name] for name in ("model", "service_tier", "above_input_tokens")}


def _text(rate: Decimal | None) -> str | None:
    return None if rate is None else bare_rate(rate)


def _change(change: PriceChange) -> dict[str, Any]:
    rates = {
        name: {"old": _text(old), "new": _text(new), "change": percent_change(old, new)} for name, old, new in change.steps()
    }
    return {**_scope(change.scope), "change": "new" if change.before is None else "changed", "rates": rates}
