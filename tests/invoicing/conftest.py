"""Usage sent through the real door and worker, September 2026 as the month to close, and the clock where a test puts it."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import connection

from metering.invoicing.lifecycle.close import close_workspaces
from metering.invoicing.models import Invoice
from metering.periods import Period, parse_month
from tests.kit.factories import GOLDEN_USAGE, NOW, an_event, make_gateway, make_key, make_price, make_workspace, send
from workspaces.models import APIKey, Gateway, Workspace

JULY, AUGUST, SEPTEMBER, OCTOBER, NOVEMBER = (parse_month(f"2026-{month:02}") for month in range(7, 12))


def at(text: str) -> datetime:
    """`10-14T09:30` in UTC, of the tests' year."""
    return datetime.fromisoformat(f"2026-{text}").replace(tzinfo=UTC)


def tokens(input: int = 0, cached: int = 0, output: int = 0) -> dict[str, Any]:
    """Usage as a provider reports it; `input` includes the cached ones."""
    return {
        "prompt_tokens": input,
        "completion_tokens": output,
        "total_tokens": input + output,
        "prompt_tokens_details": {"cached_tokens": cached},
    }


class Meter:
    """Records usage of a key at instants of the year, one request each."""

    def __init__(self, gateway: Gateway) -> None:
        self.gateway = gateway
        self.sent = 0

    def __call__(
        self, key: APIKey, *occurred_at: str, usage: dict[str, Any] = GOLDEN_USAGE, now: datetime = NOW, **more: Any
    ) -> None:
        events = []
        for instant in occurred_at:
            self.sent += 1
            named = {"request_id": f"req-{self.sent}", "occurred_at": at(instant).isoformat(), "usage": usage}
            events.append(an_event(key, **(named | more)))
        batch = send(self.gateway, events, now)
        assert (batch.recorded, batch.unpriced, batch.rejected) == (len(events), 0, 0), batch.items


@pytest.fixture
def acme(db: None) -> Workspace:
    return make_workspace("Acme", email="bills@acme.example")


@pytest.fixture
def key(acme: Workspace) -> APIKey:
    return make_key(acme)


@pytest.fixture
def use(db: None) -> Meter:
    """codex-mini as its page prices it: 1.5 / 0.375 / 6 USD per million."""
    make_price()
    return Meter(make_gateway())


def closed(period: Period = SEPTEMBER, now: datetime = NOW, **more: Any) -> list[Invoice]:
    return close_workspaces(period, now, **more)


def finalized(period: Period = SEPTEMBER, now: datetime = NOW, **more: Any) -> list[Invoice]:
    return close_workspaces(period, now, finalize=True, **more)


def told(invoice: Invoice) -> list[tuple[str, str, int, str, str]]:
    """An invoice's lines as (kind, description, tokens, exact amount, displayed amount)."""
    return [
        (line.kind, line.description, line.quantity, f"{line.amount_exact.normalize():f}", str(line.amount))
        for line in invoice.lines.order_by("position")
    ]


def at_once(*acts: Callable[[], Any]) -> list[Any]:
    """Run the acts in threads, each with its own connection; their results, or the exceptions they raised."""

    def run(act: Callable[[], Any]) -> Any:
        try:
            return act()
        except Exception as error:
            return error
        finally:
            connection.close()

    with ThreadPoolExecutor(len(acts)) as pool:
        return list(pool.map(run, acts))
