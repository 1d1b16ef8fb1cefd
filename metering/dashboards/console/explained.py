"""One usage event in full: what was sent, what it was counted as, and why it costs what it costs."""

from __future__ import annotations

import json
from typing import Any

from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from metering.catalogue.models import PriceVersion
from metering.dashboards.console import figures
from metering.ingest.models import Batch, EventStatus, UsageEvent, UsageSource
from metering.usage.components import components
from metering.usage.events import EventRow

# The words of the customer pages: the input beside its cached parts is what was not cached.
NAMES = {"input": "Input", "cached_input": "Cached input", "cache_write": "Cache write", "output": "Output"}


def explain(event: UsageEvent, row: EventRow) -> dict[str, Any]:
    """What the event's page shows."""
    parts = components(row)
    places = figures.places_of([row.cost, *(part.cost for part in parts)])
    return {
        "row": row,
        "workspace": event.workspace,
        "status": EventStatus(row.status).label,
        "facts": _facts(event, row),
        "components": [_component_row(part, places) for part in parts],
        "total": figures.exact_money(row.cost, places),
        "unpriced": row.cost is None,
        "price": PriceVersion.objects.select_related("model").filter(pk=event.price_id).first() if event.price_id else None,
        "said": json.dumps(event.said, indent=2, ensure_ascii=False) if event.said else "",
    }


def _component_row(part: Any, places: int) -> list[SafeString]:
    rate = figures.figure(figures.rate(part.rate_per_million))
    return [format_html("{}", NAMES[part.component]), figures.count(part.tokens), rate, figures.exact_money(part.cost, places)]


def _facts(event: UsageEvent, row: EventRow) -> list[tuple[str, Any]]:
    """(name, value) in reading order; only what is known."""
    batch = Batch.objects.only("pk", "public_id").filter(pk=event.batch_id).first()
    facts = [
        ("Workspace", _link("workspaces_workspace_change", event.workspace_id, event.workspace.name)),
        ("Key", _link("workspaces_apikey_change", event.key_id, row.key_id)),
        ("Model", _link("metering_languagemodel_change", event.model_id, row.model)),
        ("Service tier", row.service_tier),
        ("Provider", row.provider),
        ("Occurred at", f"{row.occurred_at:%Y-%m-%d %H:%M:%S.%f} UTC"),
        ("Recorded at", f"{row.recorded_at:%Y-%m-%d %H:%M:%S.%f} UTC"),
        ("Request id", row.request_id),
        ("Attempt", row.attempt),
        ("Counted by", UsageSource(row.usage_source).label),
        ("Reasoning tokens", f"{row.reasoning_tokens:,} of the output"),
        ("Stream", None if row.stream is None else "yes" if row.stream else "no"),
        ("Latency", None if row.latency_ms is None else f"{row.latency_ms:,} ms"),
        ("Time to first token", None if row.time_to_first_token_ms is None else f"{row.time_to_first_token_ms:,} ms"),
        ("Batch", batch and _link("metering_batch_change", batch.pk, batch.public_id)),
    ]
    return [(name, value) for name, value in facts if value not in (None, "")]


def _link(page: str, pk: Any, text: str) -> SafeString:
    return format_html('<a class="console-link" href="{}">{}</a>', reverse(f"admin:{page}", args=[pk]), text)
