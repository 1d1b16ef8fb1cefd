"""A correction's usage says how the response was served, as an event's does: tier and cost, sums, trail and invoices follow."""

import json
from itertools import permutations
from typing import Any

import pytest
from django.db import connection

from metering.ingest.models import EventCorrection, QuarantinedEvent, UsageEvent
from metering.reconcile.everything import everything
from metering.rollups.models import DailyRollup
from tests.kit.corrections import correct, replace, void
from tests.kit.factories import an_event, make_price, send
from tests.kit.searched import make_claude
from workspaces.models import APIKey, Gateway

pytestmark = pytest.mark.django_db

PLAIN: dict[str, Any] = {"input_tokens": 1_000, "output_tokens": 100, "cache_read_input_tokens": 0}
FAST = PLAIN | {"speed": "fast"}


@pytest.fixture(autouse=True)
def prices(db: None) -> None:
    make_claude()
    for tier, output in (("fast", "75"), ("priority", "30")):
        make_price("claude", "3", "0.3", output, tier=tier)


def recorded(gateway: Gateway, key: APIKey, **more: Any) -> None:
    send(gateway, [an_event(key, model="claude", usage=PLAIN, **more)])


def event() -> tuple[str, str]:
    row = UsageEvent.objects.get()
    return row.service_tier.name, f"{row.cost:.6f}"


def tiers_of_days() -> list[str]:
    return list(DailyRollup.objects.values_list("service_tier__name", flat=True))


def test_a_tier_that_the_event_left_open_is_the_one_that_the_correction_says(gateway: Gateway, key: APIKey) -> None:
    recorded(gateway, key, usage_source="estimated")
    assert event() == ("default", "0.004500")
    correct(gateway, replace(key, FAST))
    assert event() == ("fast", "0.010500")
    assert tiers_of_days() == ["fast"]
    row = EventCorrection.objects.get()
    assert (row.before_tier.name, row.after_tier.name) == ("default", "fast")  # type: ignore[union-attr]
    assert everything()["differences"] == []


def test_a_correction_that_says_nothing_keeps_the_events_tier(gateway: Gateway, key: APIKey) -> None:
    recorded(gateway, key, service_tier="priority")
    correct(gateway, replace(key, PLAIN | {"output_tokens": 200}))
    assert event() == ("priority", "0.009000")
    assert everything()["differences"] == []


def test_a_correction_leaves_the_geography_of_its_event_open(gateway: Gateway, key: APIKey) -> None:
    make_price("claude", "6", "0.6", "30", tier="us")
    in_us = PLAIN | {"service_tier": "standard", "inference_geo": "us"}
    send(gateway, [an_event(key, model="claude", usage=in_us)])
    correct(gateway, replace(key, PLAIN | {"output_tokens": 200, "service_tier": "standard"}))
    assert event() == ("us", "0.012000")
    correct(gateway, replace(key, PLAIN | {"inference_geo": "global"}))
    assert event() == ("us", "0.012000")
    assert QuarantinedEvent.objects.get().code == "service_tiers_differ"


def test_a_correction_that_contradicts_its_event_is_held(gateway: Gateway, key: APIKey) -> None:
    recorded(gateway, key, service_tier="priority")
    batch = correct(gateway, replace(key, PLAIN | {"service_tier": "standard"}))
    assert [item["code"] for item in batch.items] == ["service_tiers_differ"]
    assert QuarantinedEvent.objects.get().code == "service_tiers_differ"
    assert event() == ("priority", "0.006000")
    assert not EventCorrection.objects.exists()


def test_a_tier_that_no_name_can_be_is_refused_at_once(gateway: Gateway, key: APIKey) -> None:
    recorded(gateway, key)
    batch = correct(gateway, replace(key, PLAIN | {"service_tier": "t" * 65}))
    assert [item["code"] for item in batch.items] == ["invalid_event"]


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_the_last_one_sent_decides_whatever_was_said_before(gateway: Gateway, key: APIKey, order: tuple[int, ...]) -> None:
    """Each is read against the event as it was recorded, and not against another correction."""
    said = [FAST, PLAIN | {"service_tier": "priority"}, PLAIN | {"output_tokens": 200}]
    recorded(gateway, key)
    for at in order:
        correct(gateway, replace(key, said[at]))
    assert event() == [("fast", "0.010500"), ("priority", "0.006000"), ("default", "0.006000")][order[-1]]
    assert tiers_of_days() == [event()[0]]
    assert EventCorrection.objects.count() == 3
    assert everything()["differences"] == []


def test_the_same_counts_of_another_tier_are_another_correction(gateway: Gateway, key: APIKey) -> None:
    recorded(gateway, key)
    batch = correct(gateway, replace(key, PLAIN), replace(key, FAST), replace(key, FAST))
    assert (batch.recorded, batch.duplicate) == (2, 1)
    assert event() == ("fast", "0.010500")


def test_a_void_keeps_the_tier_on_its_trail(gateway: Gateway, key: APIKey) -> None:
    recorded(gateway, key)
    correct(gateway, replace(key, FAST), void(key))
    row = EventCorrection.objects.order_by("id").last()
    assert row is not None
    assert (row.before_tier.name, row.after_tier.name) == ("fast", "fast")  # type: ignore[union-attr]
    assert everything()["differences"] == []


def test_reconcile_finds_a_tier_that_no_correction_set(gateway: Gateway, key: APIKey) -> None:
    recorded(gateway, key)
    correct(gateway, replace(key, FAST))
    before = EventCorrection.objects.get().before_tier_id
    UsageEvent.objects.update(service_tier_id=before)
    assert "event_is_as_last_corrected" in {each["check"] for each in everything()["differences"]}


def test_the_usage_that_is_kept_is_that_of_the_correction(gateway: Gateway, key: APIKey) -> None:
    more = PLAIN | {"cost": 0.5}
    send(gateway, [an_event(key, model="claude", usage=more)])
    assert UsageEvent.objects.get().usage == b"-" + json.dumps(more).encode()
    dearer = more | {"cost": 0.75, "output_tokens": 101}
    correct(gateway, replace(key, dearer))
    assert UsageEvent.objects.get().usage == b"-" + json.dumps(dearer).encode()
    correct(gateway, replace(key, PLAIN))
    assert UsageEvent.objects.get().usage is None


def test_what_came_too_late_to_count_is_not_kept(gateway: Gateway, key: APIKey) -> None:
    recorded(gateway, key)
    correct(gateway, void(key))
    correct(gateway, replace(key, PLAIN | {"cost": 0.5}))
    assert UsageEvent.objects.get().usage is None


def as_before_tiers() -> None:
    """What is on the trail, as it was recorded before the trail had tiers."""
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")  # the trail is only ever appended to
        EventCorrection.objects.update(before_tier=None, after_tier=None)
        cursor.execute("SET LOCAL session_replication_role = DEFAULT")


def test_the_tier_as_which_an_event_was_recorded_is_known_behind_older_corrections(gateway: Gateway, key: APIKey) -> None:
    recorded(gateway, key)
    correct(gateway, replace(key, PLAIN | {"output_tokens": 300}))
    as_before_tiers()
    correct(gateway, replace(key, FAST))
    correct(gateway, replace(key, PLAIN | {"output_tokens": 200}))
    assert event() == ("default", "0.006000")


def test_a_retry_of_a_correction_from_before_tiers_is_a_duplicate(gateway: Gateway, key: APIKey) -> None:
    recorded(gateway, key)
    correct(gateway, replace(key, PLAIN | {"output_tokens": 200}))
    as_before_tiers()
    batch = correct(
        gateway, replace(key, FAST | {"output_tokens": 200}), replace(key, FAST | {"output_tokens": 200}, reason="a")
    )
    assert (batch.duplicate, batch.recorded) == (1, 1)
    assert event() == ("fast", "0.018000")
