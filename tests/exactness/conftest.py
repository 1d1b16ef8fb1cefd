"""A day after a leap day, everything that examples share, and borders of large traffic moved to where small traffic is."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
import time_machine

from metering.ingest.directory import Directory
from metering.ingest.models import Provider, ServiceTier
from metering.ingest.recording import claim
from metering.revisions.rerating import intervals, rerate_events
from tests.exactness.history import BEGINNING


@pytest.fixture(autouse=True)
def fixed_day() -> Iterator[None]:
    with time_machine.travel(BEGINNING, tick=False):
        yield


@pytest.fixture(autouse=True)
def small_portions(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a few events are already several transactions' worth of re-rating, and claimed by copying."""
    monkeypatch.setattr(rerate_events, "EVENTS_PER_TRANSACTION", 2)
    monkeypatch.setattr(rerate_events, "INTERVALS_PER_TRANSACTION", 2)
    monkeypatch.setattr(intervals, "GROUPS_PER_READ", 2)
    monkeypatch.setattr(claim, "WORTH_HOPING", 2)
    monkeypatch.setattr(claim, "CAREFUL_FOR", 1)


@pytest.fixture
def shared(db: None) -> None:
    """Partitions and small numbers, which each example would otherwise make again."""
    days = Directory()
    for day in range(62):
        days.ensure_day(BEGINNING + timedelta(days=day))
    days.ensure_months({(2028, month) for month in range(1, 5)} | {(2027, 1)})
    days.number_tiers({"default", "priority", "flex"})
    days.number_providers({"", "azure", "xai"})
    assert (ServiceTier.objects.count(), Provider.objects.count()) >= (3, 3)
