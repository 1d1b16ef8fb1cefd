"""Which price version applies, from memory. Pricing knows nothing of ingest, so stored events can be rated again.

The version for an event is found by the tier it was served in, the workspace's own price before the list price, the highest
threshold strictly below its total input, and the latest `effective_from` not after it.
"""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from metering.breakdown import all_quantities, cost_of, pico_rates
from metering.catalogue.models import LanguageModel, PriceVersion
from metering.catalogue.tiers import normal_tier
from metering.components import NAMES, NO_OTHERS, Counts, OtherCounts, rates_per_million

if TYPE_CHECKING:
    from metering.pricing.provider_costs import ProviderTable

LIST_PRICE = 0  # stands for "every workspace" where a workspace id could stand


@dataclass(frozen=True, slots=True)
class Rates:
    """One price version's rate for each component, in pico-dollars for one of what is counted: a token, a search.

    `open` are those that this version has of the components without a column.
    """

    price_id: int
    input: int
    cached_input: int
    cache_write: int
    output: int
    open: Mapping[str, int] = field(default_factory=dict)

    @property
    def by_component(self) -> dict[str, int]:
        return {name: getattr(self, name) for name in NAMES} | dict(self.open)


def event_cost(rates: Rates, counts: Counts, others: OtherCounts = NO_OTHERS) -> int | None:
    """Cost of one response in pico-dollars; None where it used something that these rates do not cover: it is unpriced.

    A rate has six decimals per million tokens, so each product is a whole number of them. Written out, because a loop over
    the components takes more than twice as long, for every event.
    """
    if others or rates.open:
        return cost_of(all_quantities(counts, others), rates.by_component)
    input, cached_input, cache_write, output, _ = counts
    return (
        (input - cached_input - cache_write) * rates.input
        + cached_input * rates.cached_input
        + cache_write * rates.cache_write
        + output * rates.output
    )


@dataclass(slots=True)
class _Band:
    """The versions of one scope at one threshold, in order of their beginning."""

    above_input_tokens: int
    starts: list[datetime] = field(default_factory=list)
    versions: list[Rates] = field(default_factory=list)


class RateTable:
    """Every price version, ready for look-up. What it says never changes once it is built."""

    def __init__(self, prices: list[PriceVersion], aliases: dict[int, int]) -> None:
        self._aliases = aliases
        # What providers charge us, if any card says so: read along with the prices, under the same lock.
        self.providers: ProviderTable | None = None
        bands: dict[tuple[int, str, int], dict[int, _Band]] = defaultdict(dict)
        for price in sorted(prices, key=lambda each: (each.effective_from, each.revision)):
            thing = bands[price.model_id, normal_tier(price.service_tier), price.workspace_id or LIST_PRICE]
            band = thing.setdefault(price.above_input_tokens, _Band(price.above_input_tokens))
            band.starts.append(price.effective_from)
            band.versions.append(version_rates(price))
        self._bands = {
            thing: sorted(by_threshold.values(), key=lambda band: -band.above_input_tokens)
            for thing, by_threshold in bands.items()
        }
        self._known: dict[tuple[int, str, int], list[_Band]] = {}

    def find(self, model_id: int, tier: str, workspace_id: int, at: datetime, input_tokens: int) -> Rates | None:
        """The rates in force, or None: then the event is unpriced, never free."""
        thing = (model_id, tier, workspace_id)
        bands = self._known.get(thing)
        if bands is None:
            bands = self._known[thing] = self._bands_for(*thing)
        for band in bands:
            if band.above_input_tokens == 0 or input_tokens > band.above_input_tokens:
                begun = bisect_right(band.starts, at)
                if begun:
                    return band.versions[begun - 1]
        return None

    def _bands_for(self, model_id: int, tier: str, workspace_id: int) -> list[_Band]:
        """The bands in order of precedence: the workspace's own, then the list's, each by falling threshold."""
        tier = normal_tier(tier)
        model_id = self._aliases.get(model_id, model_id)
        return [band for scope in (workspace_id, LIST_PRICE) for band in self._bands.get((model_id, tier, scope), ())]


def version_rates(price: PriceVersion) -> Rates:
    """A version's rates as integers, one for every component."""
    pico = pico_rates(rates_per_million(price))
    four = {name: pico.pop(name) for name in NAMES}
    return Rates(price.pk, **four, open=pico)


def load_rates() -> RateTable:
    """The table as the database has it now, in two queries."""
    return RateTable(list(PriceVersion.objects.all()), load_aliases())


def load_aliases() -> dict[int, int]:
    pairs = LanguageModel.objects.filter(alias_of__isnull=False).values_list("id", "alias_of_id")
    return {alias: model for alias, model in pairs if model is not None}
