"""What tests are made of: real rows, and events that go through the real endpoint and the real worker."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from metering.catalogue.models import LanguageModel, PriceVersion
from metering.ingest.directory import directory
from metering.ingest.formats.payloads import of_events
from metering.ingest.intake.backpressure import backlog
from metering.ingest.intake.receive import receive
from metering.ingest.models import Batch
from metering.ingest.understanding.rules import forget_rules
from metering.worker.corrections import process_corrections
from metering.worker.events import process_waiting
from workspaces.models import APIKey, Gateway, Workspace

NOW = datetime(2026, 10, 15, 12, 0, tzinfo=UTC)
LONG_AGO = datetime(2025, 1, 1, tzinfo=UTC)
# facts of codex-mini's page: 86 x 1.5 + 1920 x 0.375 + 300 x 6 per million
GOLDEN_USAGE = {
    "prompt_tokens": 2006,
    "completion_tokens": 300,
    "total_tokens": 2306,
    "prompt_tokens_details": {"cached_tokens": 1920},
    "completion_tokens_details": {"reasoning_tokens": 192},
}
GOLDEN_COST = Decimal("0.002649000000")


def make_workspace(name: str = "Acme", **extra: Any) -> Workspace:
    return Workspace.objects.create(name=name, **extra)


def make_key(workspace: Workspace, kind: str = "live", name: str = "server") -> APIKey:
    return APIKey.objects.create(workspace=workspace, kind=kind, name=name)


def make_gateway(name: str = "eu-1") -> Gateway:
    return Gateway.objects.create(name=name)


def make_model(slug: str = "codex-mini", **extra: Any) -> LanguageModel:
    return LanguageModel.objects.get_or_create(slug=slug, defaults={"name": slug, **extra})[0]


def make_price(
    model: str = "codex-mini",
    input: str = "1.5",
    cached_input: str | None = "0.375",
    output: str = "6",
    cache_write: str | None = None,
    tier: str = "default",
    effective_from: datetime = LONG_AGO,
    workspace: Workspace | None = None,
    above_input_tokens: int = 0,
    **open_rates: str,
) -> PriceVersion:
    return PriceVersion.objects.create(
        model=make_model(model),
        service_tier=tier,
        workspace=workspace,
        above_input_tokens=above_input_tokens,
        effective_from=effective_from,
        input_rate=Decimal(input),
        cached_input_rate=None if cached_input is None else Decimal(cached_input),
        cache_write_rate=None if cache_write is None else Decimal(cache_write),
        output_rate=Decimal(output),
        open_rates=open_rates,
    )


def an_event(key: APIKey, **overrides: Any) -> dict[str, Any]:
    """A valid event: the golden vector, five minutes before NOW. An override of None leaves the field out."""
    event = {
        "request_id": "req_1",
        "key_id": key.public_id,
        "model": "codex-mini",
        "occurred_at": "2026-10-15T11:55:00Z",
        "usage": GOLDEN_USAGE,
        **overrides,
    }
    return {name: value for name, value in event.items() if value is not None}


def body_of(events: list[Any]) -> bytes:
    return json.dumps({"events": events}).encode()


def send(gateway: Gateway, events: list[Any], now: datetime = NOW, process: bool = True) -> Batch:
    """Through the real endpoint, and then, unless stated otherwise, the real worker's transaction; the batch as it is then."""
    batch = receive(of_events(body_of(events)), gateway, now)
    if process:
        work(now)
        batch.refresh_from_db()
    return batch


def work(now: datetime = NOW) -> int:
    """What a worker does when reminded."""
    return process_waiting(lambda: now) + process_corrections(lambda: now)


def forget_names() -> None:
    """Before each test: the ids that this process remembers belong to a database that was rolled back."""
    directory.forget()
    backlog.forget()
    forget_rules()
