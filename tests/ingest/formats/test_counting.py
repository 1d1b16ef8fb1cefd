"""Each event ends exactly one way, and counts once."""

from decimal import Decimal

import pytest

from metering.components import billed_quantities
from metering.ingest.formats.events import request_hash
from metering.ingest.models import Batch, EventIdentity, QuarantinedEvent, UsageEvent
from metering.rollups.models import DailyRollup, HourlyRollup
from tests.kit.factories import (
    GOLDEN_COST,
    NOW,
    an_event,
    make_key,
    make_price,
    make_workspace,
    send,
    work,
)
from workspaces.models import APIKey, Gateway

pytestmark = pytest.mark.django_db


def counts(batch: Batch) -> dict[str, int]:
    names = ("recorded", "duplicate", "conflict", "unpriced", "rejected")
    return {name: value for name in names if (value := getattr(batch, name))}


def test_the_golden_vector_costs_exactly_0_002649_usd(gateway: Gateway, key: APIKey) -> None:
    batch = send(gateway, [an_event(key)])

    event = UsageEvent.objects.get()
    assert counts(batch) == {"recorded": 1}
    assert event.cost == GOLDEN_COST
    assert (event.input_tokens, event.cached_input_tokens, event.cache_write_tokens) == (2006, 1920, 0)
    assert (event.output_tokens, event.reasoning_tokens, billed_quantities(event)["input"]) == (300, 192, 86)
    assert event.price is not None
    assert event.price.model.slug == "codex-mini"
    assert event.workspace == key.workspace


def test_the_responses_shape_counts_the_same(gateway: Gateway, key: APIKey) -> None:
    usage = {
        "input_tokens": 2006,
        "input_tokens_details": {"cached_tokens": 1920},
        "output_tokens": 300,
        "output_tokens_details": {"reasoning_tokens": 192},
        "total_tokens": 2306,
    }
    send(gateway, [an_event(key, usage=usage)])
    assert UsageEvent.objects.get().cost == GOLDEN_COST


def test_an_event_sent_twice_is_a_duplicate(gateway: Gateway, key: APIKey) -> None:
    send(gateway, [an_event(key)])
    again = send(gateway, [an_event(key)])

    assert counts(again) == {"duplicate": 1}
    assert again.items == [
        {
            "index": 0,
            "request_id": "req_1",
            "attempt": 0,
            "outcome": "duplicate",
            "code": "duplicate",
            "message": "Recorded before with the same content; counted once.",
        }
    ]
    assert UsageEvent.objects.count() == 1
    assert HourlyRollup.objects.get().requests == 1


def test_a_retry_with_a_time_in_the_next_month_is_still_a_duplicate(gateway: Gateway, key: APIKey) -> None:
    send(gateway, [an_event(key, occurred_at="2026-09-30T23:59:59.999999Z")])
    again = send(gateway, [an_event(key, occurred_at="2026-10-01T00:00:00Z")])

    assert counts(again) == {"duplicate": 1}
    assert UsageEvent.objects.get().occurred_at.isoformat() == "2026-09-30T23:59:59.999999+00:00"


def test_the_same_id_with_other_content_is_a_visible_conflict_and_the_first_stands(gateway: Gateway, key: APIKey) -> None:
    send(gateway, [an_event(key)])
    other = an_event(key, usage={"prompt_tokens": 1, "completion_tokens": 1})
    batch = send(gateway, [other])

    assert counts(batch) == {"conflict": 1}
    assert UsageEvent.objects.get().cost == GOLDEN_COST
    quarantined = QuarantinedEvent.objects.get()
    assert (quarantined.outcome, quarantined.code, quarantined.index) == ("conflict", "identity_taken", 0)
    assert quarantined.workspace == key.workspace
    assert b'"prompt_tokens": 1,' in bytes(quarantined.content)


def test_within_one_batch_the_first_stands_and_neighbours_are_untouched(gateway: Gateway, key: APIKey) -> None:
    batch = send(
        gateway,
        [
            an_event(key, request_id="a"),
            an_event(key, request_id="a"),
            an_event(key, request_id="a", usage={"prompt_tokens": 1, "completion_tokens": 1}),
            an_event(key, request_id="b"),
            an_event(key, request_id="c", usage={"prompt_tokens": -1, "completion_tokens": 1}),
            an_event(key, request_id="d", model="never-heard-of"),
        ],
    )
    assert counts(batch) == {"recorded": 2, "duplicate": 1, "conflict": 1, "unpriced": 1, "rejected": 1}
    assert sum(counts(batch).values()) == batch.event_count
    assert [(item["index"], item["outcome"]) for item in batch.items] == [
        (1, "duplicate"),
        (2, "conflict"),
        (4, "rejected"),
        (5, "unpriced"),
    ]
    assert set(UsageEvent.objects.values_list("request_id", flat=True)) == {"a", "b", "d"}


def test_attempts_of_one_request_each_count(gateway: Gateway, key: APIKey) -> None:
    batch = send(gateway, [an_event(key, attempt=0, status="failed", usage=None), an_event(key, attempt=1)])
    assert counts(batch) == {"recorded": 2}
    assert DailyRollup.objects.filter(status=2).get().cost == 0


def test_the_same_request_id_in_two_workspaces_is_two_events(gateway: Gateway, key: APIKey) -> None:
    stranger = make_key(make_workspace("Other"))
    batch = send(gateway, [an_event(key), an_event(stranger)])
    assert counts(batch) == {"recorded": 2}


@pytest.mark.parametrize("request_id", ["REQ_1", "réq_1", "请求/1?x=y#z", "x" * 465, " req_1", "\U0001f600" * 512])
def test_ids_that_differ_in_any_way_are_different_events(gateway: Gateway, key: APIKey, request_id: str) -> None:
    batch = send(gateway, [an_event(key), an_event(key, request_id=request_id)])
    assert counts(batch) == {"recorded": 2}
    assert EventIdentity.objects.filter(request_hash=request_hash(request_id)).count() == 1


def test_a_failed_response_is_recorded_and_not_billed(gateway: Gateway, key: APIKey) -> None:
    send(gateway, [an_event(key, status="failed")])
    event = UsageEvent.objects.get()
    assert (event.cost, event.price_id, event.input_tokens) == (Decimal(0), None, 2006)


def test_an_aborted_response_is_billed_for_what_it_used(gateway: Gateway, key: APIKey) -> None:
    send(gateway, [an_event(key, status="aborted", usage_source="estimated")])
    event = UsageEvent.objects.get()
    assert (event.cost, event.usage_source) == (GOLDEN_COST, 1)


def test_usage_of_a_revoked_key_is_recorded_because_it_happened(gateway: Gateway, key: APIKey) -> None:
    key.revoked_at = NOW
    key.save()
    assert counts(send(gateway, [an_event(key)])) == {"recorded": 1}


def test_zero_tokens_are_a_real_count_and_missing_usage_is_not(gateway: Gateway, key: APIKey) -> None:
    nothing = {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}
    batch = send(gateway, [an_event(key, usage=nothing), an_event(key, request_id="b", usage=None)])
    assert counts(batch) == {"recorded": 1, "rejected": 1}
    assert UsageEvent.objects.get().cost == 0
    assert QuarantinedEvent.objects.get().code == "usage_missing"


def test_the_served_tier_is_billed_and_auto_is_the_default_tier(gateway: Gateway, key: APIKey) -> None:
    make_price(input="3", cached_input="0.75", output="12", tier="priority")
    tiers = [None, "auto", "standard", "default", "priority"]
    send(gateway, [an_event(key, request_id=f"r{at}", service_tier=tier) for at, tier in enumerate(tiers)])
    costs = list(UsageEvent.objects.order_by("request_id").values_list("cost", "service_tier__name"))
    assert costs == [(GOLDEN_COST, "default")] * 4 + [(GOLDEN_COST * 2, "priority")]


def test_a_tier_without_a_rate_is_unpriced_never_free_and_never_the_default(gateway: Gateway, key: APIKey) -> None:
    batch = send(gateway, [an_event(key, service_tier="priority")])
    assert counts(batch) == {"unpriced": 1}
    event = UsageEvent.objects.get()
    assert (event.cost, event.price_id) == (None, None)


def test_a_million_times_a_tiny_cost_is_the_exact_sum(gateway: Gateway) -> None:
    make_price("tiny", input="0.000001", cached_input=None, output="0")
    key = make_key(make_workspace())
    one = {"prompt_tokens": 1, "completion_tokens": 0}
    for batch in range(10):
        send(gateway, [an_event(key, model="tiny", request_id=f"{batch}-{at}", usage=one) for at in range(1000)])
    assert DailyRollup.objects.get().cost == Decimal("0.000000010000")
    assert DailyRollup.objects.get().requests == 10_000


def test_months_meet_to_the_microsecond(gateway: Gateway, key: APIKey) -> None:
    send(
        gateway,
        [
            an_event(key, request_id="a", occurred_at="2026-09-30T23:59:59.999999Z"),
            an_event(key, request_id="b", occurred_at="2026-10-01T00:00:00.000000Z"),
            an_event(key, request_id="c", occurred_at="2026-10-01T01:59:59+02:00"),
        ],
    )
    days = DailyRollup.objects.order_by("day").values_list("day", "requests")
    assert [(day.isoformat(), requests) for day, requests in days] == [
        ("2026-09-30T00:00:00+00:00", 2),
        ("2026-10-01T00:00:00+00:00", 1),
    ]


def test_what_the_gateway_said_beside_the_counts_is_kept(gateway: Gateway, key: APIKey) -> None:
    said = {"endpoint": "/api/v1/chat/completions", "route": "azure-eu", "user": "u-7", "metadata": {"team": "x", "n": 1.5}}
    send(gateway, [an_event(key, **said, provider="azure-openai", stream=True, latency_ms=812, time_to_first_token_ms=90)])
    event = UsageEvent.objects.get()
    assert event.details == said
    assert (event.stream, event.latency_ms, event.time_to_first_token_ms) == (True, 812, 90)
    assert event.provider.name == "azure-openai"


def test_counts_of_the_largest_size_are_exact(gateway: Gateway) -> None:
    make_price("dear", input="1000000", cached_input=None, output="1000000")
    key = make_key(make_workspace())
    most = 2**31 - 1
    send(gateway, [an_event(key, model="dear", usage={"prompt_tokens": most, "completion_tokens": most})])
    assert UsageEvent.objects.get().cost == Decimal(2 * most)


def test_work_without_waiting_batches_does_nothing(gateway: Gateway, key: APIKey) -> None:
    send(gateway, [an_event(key)])
    assert work() == 0
    assert UsageEvent.objects.count() == 1


def test_a_keys_last_use_follows_its_newest_usage_and_never_goes_back(gateway: Gateway, key: APIKey) -> None:
    def last_used() -> str:
        key.refresh_from_db()
        assert key.last_used_at is not None
        return key.last_used_at.isoformat()

    send(gateway, [an_event(key), an_event(key, request_id="b", occurred_at="2026-10-15T11:30:00Z")])
    assert last_used() == "2026-10-15T11:55:00+00:00"
    send(gateway, [an_event(key, request_id="c", occurred_at="2026-10-15T10:00:00Z")])
    assert last_used() == "2026-10-15T11:55:00+00:00"
    send(gateway, [an_event(key, request_id="d", occurred_at="2026-10-15T12:05:00Z")])
    assert last_used() == "2026-10-15T12:00:00+00:00"
