"""What a quarantined event would bill: exact where it can be known, the least it says where it contradicts itself."""

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection, transaction

from metering.ingest.models import QuarantinedEvent
from metering.ingest.quarantine import estimate as module
from metering.ingest.quarantine.dismiss import dismiss
from metering.ingest.quarantine.estimate import estimate, fill_estimates
from tests.kit.concurrent import all_succeed_at_once
from tests.kit.factories import (
    GOLDEN_COST,
    GOLDEN_USAGE,
    NOW,
    an_event,
    make_gateway,
    make_price,
    send,
)
from workspaces.models import APIKey

BAD = {**GOLDEN_USAGE, "total_tokens": 2307}


@pytest.fixture(autouse=True)
def _from_the_beginning() -> None:
    module._after = 0


def of(key: APIKey, kind: str = "events", **about: Any) -> Decimal | None:
    return estimate(json.dumps(an_event(key, **about)).encode(), kind, NOW)


def test_an_event_that_can_be_read_is_estimated_exactly(key: APIKey) -> None:
    assert of(key) == GOLDEN_COST
    assert of(key, occurred_at="2026-10-15T13:00:00Z") == GOLDEN_COST
    assert of(key, occurred_at="yesterday") == GOLDEN_COST
    assert of(key, key_id="key_nobody") == GOLDEN_COST
    assert of(key, latency_ms=-1, metadata={"note": "x" * 5000}) == GOLDEN_COST
    assert of(key, status="failed") == 0


def test_it_is_estimated_at_its_own_time_and_at_its_workspaces_price(key: APIKey) -> None:
    make_price(input="3", cached_input="0.75", output="12", effective_from=datetime(2026, 10, 1, tzinfo=UTC))
    assert of(key) == GOLDEN_COST * 2
    assert of(key, occurred_at="2026-09-30T23:59:59Z") == GOLDEN_COST
    make_price(input="0", cached_input="0", output="0", workspace=key.workspace)
    assert of(key) == 0
    assert of(key, key_id="key_nobody") == GOLDEN_COST * 2


def test_of_usage_that_contradicts_itself_the_least_it_states_is_taken(key: APIKey) -> None:
    assert of(key, usage=BAD) == GOLDEN_COST
    # 4,000 cached tokens do not fit: all 2,006 are taken for cached
    too_much_cached = {**GOLDEN_USAGE, "prompt_tokens_details": {"cached_tokens": 4000}}
    assert of(key, usage=too_much_cached) == (2006 * Decimal("0.375") + 300 * 6) / 1_000_000
    # two answers: 1,000 is less than 2,006, and 200 less than 300
    two_answers = {"prompt_tokens": 2006, "completion_tokens": 300, "input_tokens": 1000, "output_tokens": 200}
    assert of(key, usage=two_answers) == (1000 * Decimal("1.5") + 200 * 6) / 1_000_000
    # a negative input says nothing, the output beside it does
    assert of(key, usage={"prompt_tokens": -1, "completion_tokens": 300}) == Decimal("0.0018")
    assert of(key, usage={"prompt_tokens": 10.5, "completion_tokens": "many"}) is None


def test_where_nothing_can_be_said_nothing_is_said(key: APIKey) -> None:
    assert of(key, model="mystery-1") is None
    assert of(key, service_tier="priority") is None
    assert of(key, usage={}) is None
    assert of(key, usage=None) is None
    assert of(key, model="a\x00b", key_id="c\x00d") is None
    assert of(key, kind="corrections") is None
    for content in (b"", b"{", b"null", b"[]", b'{"model": 1}', b"\xff", b"[" * 5000):
        assert estimate(content, "events", NOW) is None


def held() -> dict[str, Decimal | None]:
    rows = QuarantinedEvent.objects.values_list("request_id", "estimated_cost")
    return {str(request_id): cost for request_id, cost in rows}


def test_estimates_are_filled_a_few_at_a_time_and_tried_again_in_turn(key: APIKey) -> None:
    models = ["codex-mini", "new-1", "codex-mini", "new-1", "codex-mini"]
    send(make_gateway(), [an_event(key, request_id=f"r{at}", model=name, usage=BAD) for at, name in enumerate(models)])
    assert [fill_estimates(2) for _ in range(3)] == [1, 1, 1]
    assert held() == {"r0": GOLDEN_COST, "r1": None, "r2": GOLDEN_COST, "r3": None, "r4": GOLDEN_COST}
    assert [fill_estimates(2) for _ in range(2)] == [0, 0]
    make_price("new-1", input="3", cached_input="0.75", output="12")
    assert fill_estimates(2) + fill_estimates(2) == 2
    assert held()["r1"] == held()["r3"] == GOLDEN_COST * 2
    assert fill_estimates() == 0


def test_what_is_settled_is_not_estimated(key: APIKey) -> None:
    send(make_gateway(), [an_event(key, usage=BAD)])
    dismiss([QuarantinedEvent.objects.get().pk], "known", "operator", NOW + timedelta(minutes=1))
    assert fill_estimates() == 0
    assert held() == {"req_1": None}


@pytest.mark.django_db(transaction=True)
def test_what_an_operator_is_settling_is_not_waited_for(key: APIKey) -> None:
    send(make_gateway(), [an_event(key, request_id=f"r{at}", usage=BAD) for at in range(3)])
    second = QuarantinedEvent.objects.get(request_id="r1")

    def meanwhile() -> None:
        with connection.cursor() as cursor:
            cursor.execute("SET lock_timeout = '2s'")
        fill_estimates()

    with transaction.atomic():
        QuarantinedEvent.objects.select_for_update().get(pk=second.pk)
        all_succeed_at_once(meanwhile)
    assert held() == {"r0": GOLDEN_COST, "r1": None, "r2": GOLDEN_COST}
