"""What was corrected of a request since it was recorded, oldest first, as its customer may read it: never by whom."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from metering.catalogue.models import PriceVersion
from metering.components import Counts, OtherCounts, stored_others
from metering.ingest.models import EventCorrection
from workspaces.models import Workspace


@dataclass(frozen=True, slots=True)
class PastState:
    """An event as it was then. `cost` is exact USD, None while unpriced; `status` and `usage_source` are numbers."""

    status: int
    usage_source: int
    input_tokens: int
    cached_input_tokens: int
    cache_write_tokens: int
    output_tokens: int
    reasoning_tokens: int
    others: OtherCounts
    cost: Decimal | None
    price_id: str | None


@dataclass(frozen=True, slots=True)
class CorrectionRow:
    """One entry of the trail: `void`, `replace` or `rerate`. Without effect, an earlier void or a later count stood already."""

    action: str
    reason: str
    recorded_at: datetime
    took_effect: bool
    before: PastState
    after: PastState


def request_corrections(workspace: Workspace, request_id: str) -> dict[int, list[CorrectionRow]]:
    """By attempt; an attempt that nobody corrected is not in it. Two queries, or one where there are none."""
    rows = list(EventCorrection.objects.filter(workspace=workspace, request_id=request_id).order_by("id"))
    numbers = {number for row in rows for number in (row.before_price_id, row.after_price_id) if number is not None}
    prices = dict(PriceVersion.objects.filter(pk__in=numbers).values_list("pk", "public_id")) if numbers else {}
    found: dict[int, list[CorrectionRow]] = defaultdict(list)
    for row in rows:
        found[row.attempt].append(_correction(row, prices))
    return found


def _correction(row: EventCorrection, prices: dict[int, str]) -> CorrectionRow:
    before_price = None if row.before_price_id is None else prices[row.before_price_id]
    after_price = None if row.after_price_id is None else prices[row.after_price_id]
    before = _state(row.before_status, row.before_source, row.before_tokens, row.before_others, row.before_cost, before_price)
    after = _state(row.after_status, row.after_source, row.after_tokens, row.after_others, row.after_cost, after_price)
    return CorrectionRow(row.action, row.reason, row.recorded_at, row.took_effect, before, after)


def _state(
    status: int, source: int, tokens: list[int], others: dict[str, int] | None, cost: Decimal | None, price_id: str | None
) -> PastState:
    return PastState(status, source, *Counts(*tokens), stored_others(others), cost, price_id)
