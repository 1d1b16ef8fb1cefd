"""What providers say that they charged, beside what their cards say: a cross-check, for an operator, of cards alone.

Some providers write into their usage what a response cost. That is no price and fills no gap: an event has a provider cost by a
card, or none. docs/decisions/0044-what-providers-say-they-charged.md gives the reasons.
"""

from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from django.db import connection
from django.db.models import Sum

from metering.ingest.formats.dialects.shape import UsageRefused
from metering.ingest.formats.dialects.understand import stated_cost
from metering.ingest.formats.usage import opened_usage
from metering.ingest.models import IS_BILLED, decompressed
from metering.periods import floor_day
from metering.rollups.models import DailyMargin

MOST_CARDS = 50  # models of a provider, those with most requests first
NEWEST = 500  # events that are looked at for each
TOLERATED = Decimal("0.01")  # of what is stated
ROUNDING = Decimal("0.000001")  # USD for each request

EVENTS = f"""
SELECT usage, provider_cost FROM (
    SELECT usage, provider_cost, status FROM metering_usageevent
    WHERE workspace_id = %s AND model_id = %s AND provider_id = %s AND occurred_at >= %s AND occurred_at < %s
    ORDER BY occurred_at DESC LIMIT %s
) event
WHERE usage IS NOT NULL AND provider_cost IS NOT NULL AND {IS_BILLED}
"""  # noqa: S608  # constants


class StatedCost(NamedTuple):
    """Of some requests, exact USD: what the provider says that it charged, and what its cards come to."""

    provider: str
    model: str
    requests: int
    stated: Decimal
    by_card: Decimal

    @property
    def differs(self) -> bool:
        """By more than what rounding explains, and more than one per cent."""
        apart = abs(self.stated - self.by_card)
        return apart > ROUNDING * self.requests and apart > TOLERATED * max(self.stated, self.by_card)


def stated_costs(start: datetime, end: datetime) -> list[StatedCost]:
    """Of the newest requests of each provider and model of [start, end), in the workspace that has most of them."""
    known = DailyMargin.objects.filter(day__gte=floor_day(start), day__lt=end).order_by()
    by_workspace = known.values_list("provider_id", "model_id", "provider__name", "model__slug", "workspace_id")
    largest: dict[tuple[int, int], tuple[str, str, int]] = {}
    for provider, model, *named, _ in by_workspace.annotate(requests=Sum("requests")).order_by("-requests"):
        if len(largest) < MOST_CARDS:
            largest.setdefault((provider, model), tuple(named))
    found = (
        _compared(name, slug, _costs_of(workspace, model, provider, start, end))
        for (provider, model), (name, slug, workspace) in largest.items()
    )
    return [each for each in found if each.requests]


def _compared(provider: str, model: str, costs: Iterator[tuple[Decimal, Decimal]]) -> StatedCost:
    pairs = list(costs)
    stated, by_card = (sum((pair[at] for pair in pairs), Decimal(0)) for at in (0, 1))
    return StatedCost(provider, model, len(pairs), stated, by_card)


def _costs_of(workspace: int, model: int, provider: int, start: datetime, end: datetime) -> Iterator[tuple[Decimal, Decimal]]:
    """What is stated of each request, and its provider cost; of those where both are known."""
    with connection.cursor() as cursor:
        cursor.execute(EVENTS, [workspace, model, provider, start, end, NEWEST])
        rows = cursor.fetchall()
    for usage, by_card in rows:
        dialect, stated = opened_usage(decompressed(bytes(usage)))
        try:
            cost = stated_cost(stated, dialect)
        except UsageRefused:
            continue  # it was understood by a rule or a dialect that is gone: nothing can be said of it
        if cost is not None:
            yield cost, by_card
