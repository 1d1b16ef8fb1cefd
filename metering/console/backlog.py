"""What waits for a person: small counts by partial index, which stop counting where the number no longer matters."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Count, Max, Min, QuerySet, Sum

from metering.components import COUNTED
from metering.ingest.models import Batch, EventStatus, QuarantinedEvent
from metering.rollups.models import HourlyRollup

ENOUGH = 1_000


@dataclass(frozen=True, slots=True)
class AtMost:
    """A count that stopped at ENOUGH."""

    counted: int

    @property
    def text(self) -> str:
        return f"{ENOUGH:,}+" if self.counted > ENOUGH else f"{self.counted:,}"

    def __bool__(self) -> bool:
        return self.counted > 0


def at_most(rows: QuerySet[Any]) -> AtMost:
    return AtMost(rows.order_by()[: ENOUGH + 1].count())


def waiting_batches() -> AtMost:
    return at_most(Batch.objects.waiting())


def oldest_waiting() -> datetime | None:
    """When the batch that waits longest was received."""
    waiting = Batch.objects.waiting().order_by("id")
    return waiting.values_list("received_at", flat=True).first()


def failing_batches() -> AtMost:
    return at_most(Batch.objects.failing())


def open_quarantine() -> AtMost:
    return at_most(QuarantinedEvent.objects.open())


def unpriced_requests() -> int:
    """Requests that wait for a price, of all time and every workspace."""
    return _unpriced_hours().aggregate(total=Sum("requests"))["total"] or 0


def unpriced_by_cause() -> list[dict[str, Any]]:
    """What is missing a price: per model, tier and workspace the requests, tokens and hours they lie between."""
    found = (
        _unpriced_hours()
        .values(
            "model_id",
            "model__slug",
            "model__alias_of_id",
            "service_tier__name",
            "workspace_id",
            "workspace__name",
            "workspace__public_id",
            "workspace__sandbox",
        )
        .annotate(
            total=Sum("requests"),
            **{each.name: Sum(each.quantity) for each in COUNTED},
            first_hour=Min("hour"),
            last_hour=Max("hour"),
        )
        .order_by("-total", "model__slug", "workspace__name")
    )
    return [dict(each) for each in found[:ENOUGH]]


def unpriced_models() -> int:
    return _unpriced_hours().aggregate(models=Count("model_id", distinct=True))["models"]


def _unpriced_hours() -> QuerySet[HourlyRollup]:
    # Worded as the partial index is, so that it answers.
    return HourlyRollup.objects.filter(price_id=0, status__lt=EventStatus.FAILED)
