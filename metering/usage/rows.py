"""Usage and events as the API prints them; CSV, NDJSON and JSON are made of the same values."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import fields
from typing import Any

from metering.components import QUANTITIES, component_named
from metering.ingest.models import UsageSource
from metering.money import exact_text, rate_text
from metering.usage.component_costs import component_costs
from metering.usage.events.events import EventRow
from metering.usage.events.history import CorrectionRow, PastState
from metering.usage.filters import STATUS_WORDS
from metering.usage.query import UsageRow
from metering.usage.statement import COUNTS
from omixa_billing.instants import instant_text

CURRENCY = "USD"
SOURCE_WORDS = {source.value: source.label for source in UsageSource}
COMPONENTS = "components"
SAID = ("endpoint", "route", "user", "metadata")
STATE_COLUMNS = tuple(each.name for each in fields(PastState))
# Of an event, in order.
EVENT_COLUMNS = (
    "request_id",
    "attempt",
    "occurred_at",
    "recorded_at",
    "key_id",
    "model",
    "service_tier",
    "provider",
    "status",
    "usage_source",
    *QUANTITIES,
    COMPONENTS,
    "cost",
    "currency",
    "price_id",
    "stream",
    "latency_ms",
    "time_to_first_token_ms",
    *SAID,
)


def usage_columns(group_by: tuple[str, ...]) -> list[str]:
    """The fields of a usage row, in order."""
    return ["start", "end", *group_by, *COUNTS, COMPONENTS, "cost", "currency"]


def usage_json(row: UsageRow) -> dict[str, Any]:
    """A row, or the total, with its groups beside its sums."""
    counts = {name: getattr(row, name) for name in COUNTS}
    within = {"start": instant_text(row.start), "end": instant_text(row.end)}
    others = {COMPONENTS: quantities_json(row.others.items())}
    return within | row.groups | counts | others | {"cost": exact_text(row.cost), "currency": row.currency}


def quantities_json(others: Iterable[tuple[str, int]]) -> list[dict[str, Any]]:
    """What was used of components that have no field of their own."""
    return [{"component": name, "quantity": quantity, "unit": component_named(name).unit} for name, quantity in others]


def event_json(event: EventRow) -> dict[str, Any]:
    """An event. `cost` is null while unpriced; what the gateway did not say is null."""
    said = {} if event.detail is None else json.loads(event.detail)
    rendered = {
        "occurred_at": instant_text(event.occurred_at),
        "recorded_at": instant_text(event.recorded_at),
        "status": STATUS_WORDS[event.status],
        "usage_source": SOURCE_WORDS[event.usage_source],
        "cost": None if event.cost is None else exact_text(event.cost),
        "currency": CURRENCY,
        COMPONENTS: quantities_json(event.others),
    } | {name: said.get(name) for name in SAID}
    return {name: rendered[name] if name in rendered else getattr(event, name) for name in EVENT_COLUMNS}


def attempt_json(event: EventRow, corrections: Iterable[CorrectionRow] = ()) -> dict[str, Any]:
    """An event with why it costs what it costs, and what was corrected of it."""
    parts = [
        {
            "component": part.component,
            "quantity": part.quantity,
            "unit": part.kind.unit,
            "tokens": part.quantity if part.kind.is_tokens else None,
            "rate": part.kind.rate_text(part.rate_per_million),
            "rate_for": part.kind.per_label,
            "rate_per_million": rate_text(part.rate_per_million) if part.kind.is_tokens else None,
            "cost": None if part.cost is None else exact_text(part.cost),
        }
        for part in component_costs(event)
    ]
    return event_json(event) | {"components": parts, "corrections": [_correction_json(each) for each in corrections]}


def _correction_json(correction: CorrectionRow) -> dict[str, Any]:
    return {
        "action": correction.action,
        "reason": correction.reason,
        "recorded_at": instant_text(correction.recorded_at),
        "took_effect": correction.took_effect,
        "before": _state_json(correction.before),
        "after": _state_json(correction.after),
    }


def _state_json(state: PastState) -> dict[str, Any]:
    rendered: dict[str, Any] = {
        "status": STATUS_WORDS[state.status],
        "usage_source": SOURCE_WORDS[state.usage_source],
        "cost": None if state.cost is None else exact_text(state.cost),
        "others": quantities_json(state.others),
    }
    named = {name: rendered.get(name, getattr(state, name)) for name in STATE_COLUMNS}
    return {COMPONENTS if name == "others" else name: value for name, value in named.items()} | {"currency": CURRENCY}
