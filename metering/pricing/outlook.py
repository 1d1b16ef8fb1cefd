"""Which price versions could rate any response at all within an hour: what cannot change need not be looked at."""

from collections import defaultdict
from datetime import datetime

from metering.catalogue.models import PriceVersion
from metering.periods import HOUR
from metering.pricing.rates import RateTable, load_aliases

REMEMBERED = 50_000  # answers, so that years of hours fit in memory


class Outlook:
    """Asks a rate table at every instant and every input size at which its answer can change: between them it cannot."""

    def __init__(self, rates: RateTable) -> None:
        """Must be made in the transaction that holds the table current."""
        self._rates = rates
        self._aliases = load_aliases()
        self._starts: dict[int, set[datetime]] = defaultdict(set)
        self._sizes: dict[int, set[int]] = defaultdict(lambda: {0})
        versions = PriceVersion.objects.order_by().values_list("model_id", "effective_from", "above_input_tokens")
        for model_id, start, threshold in versions:
            self._starts[model_id].add(start)
            self._sizes[model_id].add(threshold + 1)
        self._known: dict[tuple[int, str, int, datetime], frozenset[int]] = {}

    def possible(self, model_id: int, tier: str, workspace_id: int, hour: datetime) -> frozenset[int]:
        """The numbers of the versions by which some response of that hour would be rated; empty where it has no price."""
        asked = (model_id, tier, workspace_id, hour)
        if asked not in self._known:
            if len(self._known) == REMEMBERED:
                self._known.clear()
            self._known[asked] = self._ask(*asked)
        return self._known[asked]

    def _ask(self, model_id: int, tier: str, workspace_id: int, hour: datetime) -> frozenset[int]:
        priced_as = self._aliases.get(model_id, model_id)
        instants = [hour, *(start for start in self._starts[priced_as] if hour < start < hour + HOUR)]
        found = (self._rates.find(model_id, tier, workspace_id, at, size) for at in instants for size in self._sizes[priced_as])
        return frozenset(rates.price_id for rates in found if rates is not None)


_kept: Outlook | None = None


def outlook_of(rates: RateTable) -> Outlook:
    """The outlook of a table, made once for as long as the table is current."""
    global _kept
    if _kept is None or _kept._rates is not rates:
        _kept = Outlook(rates)
    return _kept
