"""What an import would do, and nothing done: each model new, changed, unchanged or refused, and what is withdrawn."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal
from fnmatch import fnmatchcase
from hashlib import sha256
from typing import Any, NamedTuple

from metering.catalogue.imports.books import ListPrices, ProviderCosts, Rates, Scope
from metering.catalogue.imports.cards import MOST_TOKENS, NotImported, PriceEntry, PriceFile, UnreadableFile, bare_rate
from metering.catalogue.imports.csv_file import read_csv
from metering.catalogue.imports.litellm import read_litellm
from metering.catalogue.imports.models import PriceImport
from metering.catalogue.imports.openrouter import read_openrouter
from metering.catalogue.models import LONGEST_TIER, LanguageModel
from metering.catalogue.providers.models import LONGEST_PROVIDER, LONGEST_ROUTE
from metering.catalogue.set_price import LONGEST_NAME
from metering.catalogue.tiers import DEFAULT_TIER
from metering.components import sorted_components, with_cached_kinds
from metering.errors import InvalidPrice
from omixa_billing.instants import instant_text
from workspaces.names import is_storable

Format = PriceImport.Format
MOST_MODELS = 20_000  # of a file; the largest known has 4,000. While they are set, no request is rated
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
        """A hash of what would be set, of what it replaces, and of what was said of it: another one is another plan."""
        said = [[*each.scope, _texts(each.rates), _texts(each.before or {})] for each in self.changes]
        return sha256(json.dumps([said, sorted(self.remarks.items())]).encode()).hexdigest()


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


def read_import(asked: PriceImport) -> PriceFile:
    """Its file as models and prices. It takes seconds for a long one, and depends on nothing else. Raises UnreadableFile."""
    read = read_file(asked.text, asked.file_format, asked.markup, asked.only)
    if len(read.entries) + len(read.refused) > MOST_MODELS:
        raise UnreadableFile(f"The file has more than {MOST_MODELS:,} models: import a part of them.")
    return read


def plan_import(asked: PriceImport, now: datetime, read: PriceFile | None = None) -> Plan:
    """What applying it would do. `read` is its file, where it was read before. Raises UnreadableFile."""
    return _Planner(asked, asked.effective_from or now, read_import(asked) if read is None else read).plan()


class _Planner:
    def __init__(self, asked: PriceImport, beginning: datetime, read: PriceFile) -> None:
        self.asked = asked
        self.read = read
        self.book: ListPrices | ProviderCosts = ProviderCosts() if asked.provider_cost else ListPrices()
        self.beginning = beginning
        self.in_force = self.book.in_force(beginning, asked.file_format)
        self.to_come = self.book.to_come(beginning)
        self.parts: dict[tuple[str, str, str, str], list[Scope]] = {}
        for scope in self.in_force:
            self.parts.setdefault(scope.part, []).append(scope)
        self.aliases = dict(LanguageModel.objects.filter(alias_of__isnull=False).values_list("slug", "alias_of__slug"))
        self.made = Plan()

    def plan(self) -> Plan:
        self.made.refused.update(self.read.refused)
        wanted: dict[str, dict[Scope, Rates]] = {}
        for entry in self.read.entries:
            try:
                self._add(wanted.setdefault(entry.model, {}), entry)
            except NotImported as refused:
                self.made.refused[entry.model] = str(refused)
        self._refuse_contradictions({model: rates for model, rates in wanted.items() if model not in self.made.refused})
        wanted = {model: rates for model, rates in wanted.items() if model not in self.made.refused}
        named: set[Scope] = set()
        for model, rates_by_scope in wanted.items():
            self._sort(model, {scope: rates for scope, rates in rates_by_scope.items() if scope not in named}, rates_by_scope)
            if model not in self.made.refused:
                named |= rates_by_scope.keys()
        self.made.withdrawn = self._withdrawn(named)
        self.made.remarks = {name: said for name, said in self.made.remarks.items() if name not in self.made.refused}
        return self.made

    def _add(self, wanted: dict[Scope, Rates], entry: PriceEntry) -> None:
        """What one entry says of each scope. Raises NotImported."""
        rates_by_scope = {self.book.scope(entry, card): _as_set(card.rates) for card in entry.cards}
        if len(rates_by_scope) < len(entry.cards):
            raise NotImported("It has two prices for one tier and threshold.")
        for scope, rates in (rates_by_scope | self._thresholds_that_ended(rates_by_scope)).items():
            self._check(scope)
            wanted[scope] = rates
        self.made.entries[entry.model] = entry
        if entry.remarks:
            self.made.remarks[entry.model] = entry.remarks

    def _refuse_contradictions(self, wanted: Mapping[str, Mapping[Scope, Rates]]) -> None:
        """Of models that name one scope and price it differently, none is imported: which of them is right, a person knows."""
        by_scope: dict[Scope, list[str]] = {}
        for model, rates_by_scope in wanted.items():
            for scope in rates_by_scope:
                by_scope.setdefault(scope, []).append(model)
        for scope, models in by_scope.items():
            if any(dict(wanted[each][scope]) != dict(wanted[models[0]][scope]) for each in models):
                for model in models:
                    others = ", ".join(each for each in models if each != model)
                    self.made.refused[model] = f"Another entry of the file has a different price for the same model: {others}."

    def _sort(self, model: str, own: Mapping[Scope, Rates], named: Mapping[Scope, Rates]) -> None:
        """`own` are those of the scopes it names that no model before it named alike."""
        try:
            changes = [self._change(scope, rates) for scope, rates in own.items() if not self._holds(scope, rates)]
            changes += self._no_longer_following(own, changes)
        except NotImported as refused:
            self.made.refused[model] = str(refused)
            return
        priced = any(scope.part in self.parts for scope in named)
        kind = self.made.unchanged if not changes else self.made.changed if priced else self.made.new
        kind.append(model)
        self.made.changes.extend(changes)
        if said := (*self._followers(named, changes), *self._succeeded(changes)):
            self.made.remarks[model] = (*self.made.remarks.get(model, ()), *said)

    def _holds(self, scope: Scope, rates: Rates) -> bool:
        standing = self.in_force.get(scope)
        return standing is not None and dict(standing.rates) == dict(rates)

    def _no_longer_following(self, own: Mapping[Scope, Rates], changes: Sequence[PriceChange]) -> list[PriceChange]:
        """Prices of the file that hold already as a factor of the default tier's, which changes: they have to be said."""
        changed = {change.scope for change in changes}
        if not any(scope.service_tier == DEFAULT_TIER for scope in changed):
            return []
        following = [scope for scope in own if scope not in changed and self.in_force[scope].factor is not None]
        return [self._change(scope, own[scope]) for scope in following]

    def _followers(self, named: Mapping[Scope, Rates], changes: Sequence[PriceChange]) -> list[str]:
        """What changes as well, though the file says nothing of it."""
        models = {change.scope.model for change in changes if change.scope.service_tier == DEFAULT_TIER}
        parts = {scope.part for scope in named}
        factors = {
            scope.service_tier: standing.factor
            for scope, standing in self.in_force.items()
            if scope.model in models and standing.factor is not None and scope.part not in parts
        }
        return [f"{tier} follows it, at {factor.normalize():f} times its rates." for tier, factor in sorted(factors.items())]

    def _succeeded(self, changes: Sequence[PriceChange]) -> list[str]:
        """A price that was set for later is not touched: it ends what is imported."""
        later = {change.scope.service_tier: self.to_come.get(change.scope) for change in changes}
        return [
            f"A price of {tier} that begins {instant_text(start)} is set already, and succeeds it then."
            for tier, start in sorted(later.items())
            if start is not None
        ]

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
        if not 0 <= scope.above_input_tokens < MOST_TOKENS:
            raise NotImported(f"It has a threshold of {scope.above_input_tokens} tokens, which no request reaches.")
        if scope.model in self.aliases:
            raise NotImported(f"It is an alias of {self.aliases[scope.model]}, and has its price.")

    def _change(self, scope: Scope, rates: Rates) -> PriceChange:
        standing = self.in_force.get(scope)
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

    def _withdrawn(self, named: Iterable[Scope]) -> list[Scope]:
        """Set by an import and in force, and no longer in the file: said, and left as they are."""
        parts = {each.part for each in named}
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


def _as_set(rates: Rates) -> Rates:
    """The rates of a card as a version that is set from it has them."""
    return {name: rate for name, rate in with_cached_kinds(rates).items() if rate is not None}


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
