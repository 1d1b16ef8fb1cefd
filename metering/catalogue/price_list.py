"""What a model costs at an instant, as people read it: one set of rates per tier and threshold.

Pricing decides from the same versions by the same rule (`metering.pricing.rates`): a workspace's own price before the
list price, so that wherever its lowest threshold begins, no list price of that tier is reached any more.
"""

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime
from typing import Protocol, TypeVar

from django.db.models import Q

from metering.catalogue.models import LanguageModel, PriceVersion
from workspaces.models import Workspace


def prices_in_force(
    models: Iterable[LanguageModel], now: datetime, workspace: Workspace | None = None
) -> dict[int, list[PriceVersion]]:
    """Per model id (an alias has its model's), the versions in force: default tier first, thresholds ascending.

    With a workspace, its own prices in place of the list's. A model without a price has an empty list. One query.
    """
    rated_as = {model.pk: model.alias_of_id or model.pk for model in models}
    mine = Q(workspace__isnull=True) if workspace is None else Q(workspace__isnull=True) | Q(workspace=workspace)
    latest = PriceVersion.objects.filter(mine, model_id__in=set(rated_as.values())).in_force(now)
    by_tier: dict[int, dict[str, list[PriceVersion]]] = defaultdict(lambda: defaultdict(list))
    for price in latest:
        by_tier[price.model_id][price.service_tier].append(price)
    return {
        pk: [
            price
            for tier in sorted(by_tier[rated], key=lambda name: (name != "default", name))
            for price in reachable(by_tier[rated][tier])
        ]
        for pk, rated in rated_as.items()
    }


class _OfOneTier(Protocol):
    @property
    def above_input_tokens(self) -> int: ...
    @property
    def workspace_id(self) -> int | None: ...


Price = TypeVar("Price", bound=_OfOneTier)


def reachable(prices: list[Price]) -> list[Price]:
    """Those of one model and tier that some request can meet, by ascending threshold."""
    own = [price.above_input_tokens for price in prices if price.workspace_id is not None]
    reached = [price for price in prices if price.workspace_id is not None or not own or price.above_input_tokens < min(own)]
    return sorted(reached, key=lambda price: price.above_input_tokens)
