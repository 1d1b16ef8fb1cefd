"""Prices that are set and have not begun: what changes, for whom, and when."""

from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.db.models import Q

from metering.catalogue.models import LanguageModel, PriceVersion
from metering.catalogue.stated_rates import stated_rates
from metering.components import Component, component_named, sorted_components
from workspaces.models import Workspace

Step = tuple[Component, Decimal | None, Decimal | None]  # its rate before and after


@dataclass(frozen=True, slots=True)
class ComingPrice:
    """A version to come and the one that it succeeds; `before` is None where nothing holds until then."""

    version: PriceVersion
    before: PriceVersion | None

    @property
    def steps(self) -> list[Step]:
        """Of each component whose rate is another then."""
        old = {} if self.before is None else stated_rates(self.before)
        new = stated_rates(self.version)
        names = [name for name in sorted_components({*old, *new}) if old.get(name) != new.get(name)]
        return [(component_named(name), old.get(name), new.get(name)) for name in names]


def coming_prices(now: datetime, until: datetime | None = None, models: Collection[int] | None = None) -> list[ComingPrice]:
    """Every version that begins after `now`, at `until` at the latest, the earliest first; without those that change nothing.

    Of the list and of workspaces. One that was corrected before it began is left out.
    """
    chosen = Q() if models is None else Q(model_id__in=models)
    versions = PriceVersion.objects.filter(chosen)
    to_come = versions.filter(effective_from__gt=now).select_related("model", "workspace").order_by("effective_from", "id")
    if until is not None:
        to_come = to_come.filter(effective_from__lte=until)
    standing = _Standing(versions.in_force(now) if to_come.exists() else ())
    found: list[ComingPrice] = []
    for version in _last_revisions(to_come):
        coming = ComingPrice(version, standing.until(version))
        standing.add(version)
        if coming.steps:
            found.append(coming)
    return found


class _Standing:
    """What holds, by model, tier and workspace or all, and in each by threshold."""

    def __init__(self, versions: Iterable[PriceVersion]) -> None:
        self._of: dict[tuple[int, str, int | None], dict[int, PriceVersion]] = defaultdict(dict)
        for each in versions:
            self.add(each)

    def add(self, version: PriceVersion) -> None:
        self._of[version.model_id, version.service_tier, version.workspace_id][version.above_input_tokens] = version

    def until(self, version: PriceVersion) -> PriceVersion | None:
        """What its requests are rated by before it: of those for its workspace, else of the list's, the highest threshold."""
        for whose in (version.workspace_id, None):
            part = self._of.get((version.model_id, version.service_tier, whose), {})
            reached = [above for above in part if above <= version.above_input_tokens]
            if reached:
                return part[max(reached)]
        return None


def coming_for(models: Iterable[LanguageModel], now: datetime, workspace: Workspace | None) -> dict[int, list[ComingPrice]]:
    """By model (an alias has its model's), as a customer of this workspace sees it: its own prices come before the list's."""
    rated_as = {model.pk: model.alias_of_id or model.pk for model in models}
    mine = None if workspace is None else workspace.pk
    by_model: dict[int, list[ComingPrice]] = {}
    found = coming_prices(now, models=set(rated_as.values()))
    own = OwnPrices({each.version.model_id for each in found} if mine is not None else ())
    for coming in found:
        of = coming.version.workspace_id
        if of == mine or (of is None and mine not in own.staying(coming.version)):
            by_model.setdefault(coming.version.model_id, []).append(coming)
    return {pk: by_model.get(rated, []) for pk, rated in rated_as.items()}


class OwnPrices:
    """The prices that workspaces have of their own for some models, which the list's do not reach. Read once."""

    def __init__(self, models: Collection[int]) -> None:
        names = ("model_id", "service_tier", "workspace_id", "above_input_tokens", "effective_from")
        self._of: dict[tuple[int, str], list[tuple[int, int, datetime]]] = defaultdict(list)
        own = PriceVersion.objects.filter(model__in=models, workspace__isnull=False)
        for model, tier, workspace, above, start in own.values_list(*names):
            self._of[model, tier].append((workspace, above, start))

    def staying(self, version: PriceVersion) -> set[int]:
        """Primary keys of the workspaces that pay a price of their own when this version of the list begins."""
        return {
            workspace
            for workspace, above, start in self._of[version.model_id, version.service_tier]
            if above <= version.above_input_tokens and start <= version.effective_from
        }


def _last_revisions(versions: Iterable[PriceVersion]) -> list[PriceVersion]:
    """Of several with one beginning the one that corrected the others, in the order of their beginning."""
    last: dict[tuple[object, ...], PriceVersion] = {}
    for version in versions:
        key = (*_scope(version), version.effective_from)
        if key not in last or last[key].revision < version.revision:
            last[key] = version
    return list(last.values())


def _scope(version: PriceVersion) -> tuple[object, ...]:
    return version.model_id, version.service_tier, version.workspace_id, version.above_input_tokens
