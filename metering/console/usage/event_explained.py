"""One usage event in full: what was sent, what it was counted as, and why it costs what it costs."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from metering import dollars
from metering.catalogue.models import PriceVersion
from metering.components import Counts, component_named
from metering.console import figures
from metering.ingest.models import Batch, EventCorrection, EventStatus, UsageEvent, UsageSource
from metering.usage.component_costs import ComponentCost, component_costs
from metering.usage.events.events import EventRow

ACTIONS = {
    EventCorrection.Action.VOID: "Voided",
    EventCorrection.Action.REPLACE: "Replaced",
    EventCorrection.Action.RERATE: "Re-rated",
}


def explain(event: UsageEvent, row: EventRow) -> dict[str, Any]:
    """What the event's page shows."""
    parts = component_costs(row)
    places = dollars.places_of([row.cost, *(part.cost for part in parts)], at_least=6)
    return {
        "row": row,
        "workspace": event.workspace,
        "status": EventStatus(row.status).label,
        "facts": _facts(event, row),
        "components": [_component_row(part, places) for part in parts],
        "total": figures.exact_money(row.cost, places),
        "unpriced": row.cost is None,
        "beside_tokens": ", ".join(each.label for each in map(component_named, dict(row.others)) if not each.part_of),
        "price": PriceVersion.objects.select_related("model").filter(pk=event.price_id).first() if event.price_id else None,
        "voided": row.status == EventStatus.VOIDED,
        "corrections": _corrections(event),
        "said": json.dumps(event.details, indent=2, ensure_ascii=False) if event.details else "",
    }


def _corrections(event: UsageEvent) -> list[dict[str, Any]]:
    """The event's trail, oldest first, with whose doing it was."""
    rows = EventCorrection.objects.filter(workspace=event.workspace_id, request_id=event.request_id, attempt=event.attempt)
    found = list(rows.select_related("rerating").order_by("id"))
    batches = dict(Batch.objects.filter(pk__in={row.batch_id for row in found}).values_list("pk", "public_id"))
    places = dollars.places_of((cost for row in found for cost in (row.before_cost, row.after_cost)), at_least=6)
    return [
        {
            "row": row,
            "words": ACTIONS[EventCorrection.Action(row.action)],
            "at": figures.moment(row.recorded_at),
            "cells": [
                _moved(Counts(*row.before_tokens).input, Counts(*row.after_tokens).input),
                _moved(Counts(*row.before_tokens).output, Counts(*row.after_tokens).output),
                _moved_money(row.before_cost, row.after_cost, places),
            ],
            "source": _source(row, batches),
        }
        for row in found
    ]


def _moved(before: int, after: int) -> SafeString:
    return figures.figure(f"{after:,}" if before == after else f"{before:,} → {after:,}")


def _moved_money(before: Decimal | None, after: Decimal | None, places: int) -> SafeString:
    was, now = ("unpriced" if each is None else dollars.usd_exact(each, places) for each in (before, after))
    return figures.figure(now if was == now else f"{was} → {now}")


def _source(row: EventCorrection, batches: dict[int, str]) -> SafeString | str:
    """The re-rating, or the batch while it is kept."""
    if row.rerating is not None:
        return _link("metering_rerating_change", row.rerating_id, row.rerating.public_id)
    if row.batch_id in batches:
        return _link("metering_batch_change", row.batch_id, batches[row.batch_id])
    return ""


def _component_row(part: ComponentCost, places: int) -> list[SafeString]:
    rate = figures.component_rate_html(part.rate_per_million, part.kind)
    return [
        format_html("{}", part.kind.title),
        figures.quantity_html(part.quantity, part.kind),
        rate,
        figures.exact_money(part.cost, places),
    ]


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
