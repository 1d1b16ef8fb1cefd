"""What a request costs us: which of a provider's cards applies, by the same rule that finds our price.

A card for the request's route comes before one for every route; then thresholds and times as with prices. A request that no
card covers has no known cost. It is never 0.
"""

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from metering.catalogue.providers.models import ProviderPrice
from metering.pricing.rates import Rates, RateTable

NO_ROUTE = -1  # finds only cards that are for every route


class ProviderTable:
    """Every provider's cards, ready for look-up. What it says never changes once it is built."""

    def __init__(self, prices: Iterable[ProviderPrice], aliases: Mapping[int, int]) -> None:
        self._routes: dict[str, int] = {}
        by_provider: dict[str, list[Any]] = defaultdict(list)
        for price in prices:
            by_provider[price.provider].append(self._as_scoped(price))
        self._tables = {provider: RateTable(own, dict(aliases)) for provider, own in by_provider.items()}

    def _as_scoped(self, price: Any) -> Any:
        """The price with its route in place of a workspace: both narrow a version that is otherwise for all."""
        price.workspace_id = self._routes.setdefault(price.route, len(self._routes) + 1) if price.route else None
        return price

    def find(self, provider: str, route: str, model_id: int, tier: str, at: datetime, input_tokens: int) -> Rates | None:
        """The card in force, or None: then the cost is unknown."""
        table = self._tables.get(provider)
        if table is None:
            return None
        return table.find(model_id, tier, self._routes.get(route, NO_ROUTE), at, input_tokens)


def route_of(detail: str | None) -> str:
    """The route in an event's detail; empty where the gateway named none."""
    return "" if detail is None or '"route"' not in detail else str(json.loads(detail).get("route") or "")


def load_providers(aliases: Mapping[int, int]) -> ProviderTable | None:
    """The table as the database has it now; None where there is no card."""
    prices = list(ProviderPrice.objects.all())
    return ProviderTable(prices, aliases) if prices else None
