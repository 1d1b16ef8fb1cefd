"""Corrections of events, through the real endpoint and worker, and what they come to."""

import json
from collections.abc import Callable
from datetime import datetime
from typing import Any

from metering.ingest.formats.payloads import of_corrections
from metering.ingest.intake.receive import receive
from metering.ingest.models import Batch, EventCorrection, UsageEvent
from metering.money import exact_text
from metering.periods import month_of
from metering.reconcile.corrections import correction_differences
from metering.rollups.compare import rollup_differences, rollup_totals
from tests.kit.factories import GOLDEN_USAGE, NOW, work
from workspaces.models import APIKey, Gateway

Correct = Callable[..., Batch]

# 1,000 x 1.5 + 100 x 6 per million
SMALL_USAGE = {"prompt_tokens": 1000, "completion_tokens": 100, "total_tokens": 1100}


def void(key: APIKey, request_id: str = "req_1", **more: Any) -> dict[str, Any]:
    return {"key_id": key.public_id, "request_id": request_id, "action": "void", **more}


def replace(key: APIKey, usage: dict[str, Any] = GOLDEN_USAGE, request_id: str = "req_1", **more: Any) -> dict[str, Any]:
    return {"key_id": key.public_id, "request_id": request_id, "action": "replace", "usage": usage, **more}


def hand_in(gateway: Gateway, *corrections: Any, now: datetime = NOW) -> Batch:
    """Through the endpoint, and not processed yet."""
    return receive(of_corrections(json.dumps({"corrections": corrections}).encode()), gateway, now)


def correct(gateway: Gateway, *corrections: Any, now: datetime = NOW) -> Batch:
    """Through the endpoint and the worker's transaction; the batch as it is then."""
    batch = hand_in(gateway, *corrections, now=now)
    work(now)
    batch.refresh_from_db()
    counts = batch.recorded + batch.duplicate + batch.conflict + batch.unpriced + batch.rejected
    assert (batch.status, counts) == ("processed", len(corrections))
    return batch


def outcomes_of(batch: Batch) -> list[tuple[int, str, str]]:
    """Its items as (index, outcome, code)."""
    return [(item["index"], item["outcome"], item["code"]) for item in batch.items]


def state(request_id: str = "req_1") -> tuple[str, int, int, int, int, int, str | None]:
    """An event's status, tokens (input, cached, cache write, output, reasoning) and cost."""
    event = UsageEvent.objects.get(request_id=request_id)
    tokens = (event.input_tokens, event.cached_input_tokens, event.cache_write_tokens, event.output_tokens)
    cost = None if event.cost is None else exact_text(event.cost)
    return (event.get_status_display(), *tokens, event.reasoning_tokens, cost)


def trail(request_id: str = "req_1") -> list[tuple[str, bool, str | None, str | None]]:
    """(action, took effect, cost before, cost after), oldest first."""
    rows = EventCorrection.objects.filter(request_id=request_id).order_by("id")
    return [
        (
            row.action,
            row.took_effect,
            None if row.before_cost is None else exact_text(row.before_cost),
            None if row.after_cost is None else exact_text(row.after_cost),
        )
        for row in rows
    ]


def october() -> tuple[int, str]:
    """Requests and cost of the month by its rollups, which must be just what its events say."""
    assert everything_agrees()
    totals = rollup_totals(month_of(NOW))
    return totals["requests"], exact_text(totals["cost"])


def everything_agrees(now: datetime = NOW) -> bool:
    found = [each for grain in ("hour", "day") for each in rollup_differences(grain, month_of(now)).first]
    found += correction_differences(None)
    assert found == []
    return True


SMALL_COST = "0.002100000000"
