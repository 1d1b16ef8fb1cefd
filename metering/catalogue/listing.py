"""The public price list: the models that are listed, and the prices in force for everybody, per tier. Two queries."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from django.db.models import QuerySet

from metering.catalogue.models import LanguageModel, PriceVersion


@dataclass(slots=True)
class TierPrices:
    """A tier's price, and its long-context variants by rising threshold; either may be missing."""

    base: PriceVersion | None = None
    above: list[PriceVersion] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class ListedModel:
    """A model's public page: `prices` by tier, in force at the asked instant; empty when it has none."""

    model: LanguageModel
    prices: dict[str, TierPrices]


def listed_models() -> QuerySet[LanguageModel]:
    """The models with a public page, by name."""
    return LanguageModel.objects.filter(status=LanguageModel.Status.LISTED).order_by("slug")


def with_prices(models: Iterable[LanguageModel], now: datetime) -> list[ListedModel]:
    """Each model with its prices in force at `now`, no workspace's own among them. An alias has those of its model."""
    known = list(models)
    rated_as = {model.pk: model.alias_of_id or model.pk for model in known}
    prices = _in_force(set(rated_as.values()), now)
    return [ListedModel(model, prices.get(rated_as[model.pk], {})) for model in known]


def _in_force(model_ids: set[int], now: datetime) -> dict[int, dict[str, TierPrices]]:
    """By model and tier, the latest version of each threshold that has begun."""
    begun = PriceVersion.objects.filter(model__in=model_ids, workspace=None, effective_from__lte=now)
    thing = ("model_id", "service_tier", "above_input_tokens")
    by_model: dict[int, dict[str, TierPrices]] = defaultdict(dict)
    for price in begun.order_by(*thing, "-effective_from").distinct(*thing):
        tier = by_model[price.model_id].setdefault(price.service_tier, TierPrices())
        if price.above_input_tokens == 0:
            tier.base = price
        else:
            tier.above.append(price)
    return by_model
