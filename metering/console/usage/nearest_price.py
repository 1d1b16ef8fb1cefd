"""What usage without a price might cost, by the price nearest to it: for an operator to weigh, and in no other sum."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple

from django.db.models import Sum

from metering.breakdown import all_quantities, cost_of
from metering.catalogue.models import PriceVersion
from metering.catalogue.tiers import DEFAULT_TIER
from metering.components import NO_OTHERS, Counts, OtherCounts, stored_others
from metering.ingest.models import EventStatus
from metering.money import from_pico
from metering.pricing.rates import version_rates
from metering.rollups.fold import NO_PRICE
from metering.rollups.models import HourlyQuantity

Cause = tuple[Any, ...]  # model, tier, workspace


class Guess(NamedTuple):
    """Exact USD by a version that does not apply, for the want of one that does."""

    cost: Decimal
    version: PriceVersion


def guesses(causes: Sequence[dict[str, Any]]) -> list[Guess | None]:
    """For each of backlog.unpriced_by_cause(); None where the model has no price, or the nearest one not for all that was used.

    Two statements.
    """
    models = {_model(each) for each in causes}
    versions: dict[int, list[PriceVersion]] = defaultdict(list)
    for version in PriceVersion.objects.filter(model_id__in=models, above_input_tokens=0):
        versions[version.model_id].append(version)
    others = _others(causes)
    return [_guess(each, versions[_model(each)], others.get(_cause(each), NO_OTHERS)) for each in causes]


def _others(causes: Sequence[dict[str, Any]]) -> dict[Cause, OtherCounts]:
    """What each of them used beside the common components."""
    found: dict[Cause, dict[str, int]] = defaultdict(dict)
    if not causes:
        return {}
    rows = HourlyQuantity.objects.filter(
        workspace_id__in={each["workspace_id"] for each in causes},
        hour__gte=min(each["first_hour"] for each in causes),
        hour__lte=max(each["last_hour"] for each in causes),
        price_id=NO_PRICE,
        status__lt=EventStatus.FAILED,
    ).order_by()
    named = rows.values_list("model_id", "service_tier__name", "workspace_id", "component")
    for *cause, component, quantity in named.annotate(used=Sum("quantity")):
        found[tuple(cause)][component] = int(quantity)
    return {cause: stored_others(used) for cause, used in found.items()}


def _cause(each: dict[str, Any]) -> Cause:
    return each["model_id"], each["service_tier__name"], each["workspace_id"]


def _guess(cause: dict[str, Any], versions: list[PriceVersion], others: OtherCounts) -> Guess | None:
    open_to = [version for version in versions if version.workspace_id in (None, cause["workspace_id"])]
    if not open_to:
        return None
    nearest = min(open_to, key=lambda version: _distance(version, cause))
    counts = Counts(**{name: cause[name] for name in Counts._fields})
    cost = cost_of(all_quantities(counts, others, cause["total"]), version_rates(nearest).by_component)
    return None if cost is None else Guess(from_pico(cost), nearest)


def _distance(version: PriceVersion, cause: dict[str, Any]) -> tuple[bool, bool, bool, bool, timedelta]:
    """The same tier before the default one before others, the workspace's own before the list's, what was in force then
    before what came later, and the nearest in time."""
    at: datetime = cause["first_hour"]
    return (
        version.service_tier != cause["service_tier__name"],
        version.service_tier != DEFAULT_TIER,
        version.workspace_id is None,
        version.effective_from > at,
        abs(version.effective_from - at),
    )


def _model(cause: dict[str, Any]) -> int:
    return cause["model__alias_of_id"] or cause["model_id"]
