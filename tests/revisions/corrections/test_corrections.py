"""Voids and replacements: each counted once, the event, its rollups and its trail following in one transaction."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import permutations

import pytest
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext

from metering.catalogue.set_price import set_price
from metering.ingest.models import EventCorrection, QuarantinedEvent, UsageEvent, UsageSource
from metering.periods import parse_month
from metering.revisions.rerating.reprice import price_waiting
from metering.rollups.compare import rollup_differences
from metering.rollups.models import DailyRollup, HourlyRollup
from metering.worker.corrections import process_corrections, sweep_corrections
from metering.worker.events import process_waiting
from tests.kit.corrections import (
    SMALL_COST,
    SMALL_USAGE,
    correct,
    everything_agrees,
    hand_in,
    october,
    outcomes_of,
    replace,
    state,
    trail,
    void,
)
from tests.kit.factories import GOLDEN_USAGE, NOW, an_event, make_key, make_price, make_workspace, send, work
from workspaces.models import APIKey, Gateway

pytestmark = pytest.mark.django_db

GOLDEN = "0.002649000000"
NOTHING = "0.000000000000"
VOIDED = ("voided", 0, 0, 0, 0, 0, NOTHING)
GOLDEN_STATE = ("succeeded", 2006, 1920, 0, 300, 192, GOLDEN)
SMALL_STATE = ("succeeded", 1000, 0, 0, 100, 0, SMALL_COST)


def test_a_voided_event_counts_nowhere_and_its_trail_keeps_what_it_was(gateway: Gateway, key: APIKey) -> None:
    send(gateway, [an_event(key), an_event(key, request_id="other", usage=SMALL_USAGE)])
    batch = correct(gateway, void(key, reason="sent by mistake"))
    assert (batch.recorded, batch.items) == (1, [])
    assert state() == VOIDED
    assert UsageEvent.objects.get(request_id="req_1").price_id is None
    assert october() == (1, SMALL_COST)
    entry = EventCorrection.objects.get()
    assert (entry.action, entry.reason, entry.actor, entry.took_effect) == ("void", "sent by mistake", "eu-1", True)
    assert (entry.before_status, entry.before_tokens, str(entry.before_cost)) == (0, [2006, 1920, 0, 300, 192], GOLDEN)
    assert (entry.after_status, entry.after_tokens, entry.after_cost) == (3, [0, 0, 0, 0, 0], 0)


def test_rollup_rows_that_everything_left_are_gone_as_in_a_rebuilt_rollup(gateway: Gateway, key: APIKey) -> None:
    send(gateway, [an_event(key)])
    correct(gateway, void(key))
    assert not HourlyRollup.objects.exists()
    assert not DailyRollup.objects.exists()


def test_the_providers_count_takes_the_place_of_an_estimate(gateway: Gateway, key: APIKey) -> None:
    """The golden vector: 86 x 1.5 + 1920 x 0.375 + 300 x 6 per million."""
    send(gateway, [an_event(key, usage=SMALL_USAGE, usage_source="estimated", status="aborted")])
    assert state() == ("aborted", 1000, 0, 0, 100, 0, SMALL_COST)
    batch = correct(gateway, replace(key))
    assert batch.recorded == 1
    assert state() == ("aborted", *GOLDEN_STATE[1:])
    assert UsageEvent.objects.get().usage_source == UsageSource.PROVIDER
    assert october() == (1, GOLDEN)
    assert trail() == [("replace", True, SMALL_COST, GOLDEN)]


def test_the_same_correction_again_is_a_duplicate(gateway: Gateway, key: APIKey) -> None:
    send(gateway, [an_event(key)])
    first = correct(gateway, void(key), void(key))
    assert outcomes_of(first) == [(1, "duplicate", "duplicate")]
    again = correct(gateway, void(key))
    assert (again.recorded, again.duplicate) == (0, 1)
    assert EventCorrection.objects.count() == 1
    assert october() == (0, NOTHING)


def test_a_second_void_with_another_reason_is_on_the_trail_and_changes_nothing(gateway: Gateway, key: APIKey) -> None:
    send(gateway, [an_event(key)])
    correct(gateway, void(key, reason="one"))
    batch = correct(gateway, void(key, reason="two"))
    assert (batch.recorded, batch.items) == (1, [])
    assert trail() == [("void", True, GOLDEN, NOTHING), ("void", False, NOTHING, NOTHING)]
    assert october() == (0, NOTHING)


def test_a_void_stands_whatever_comes_after_it(gateway: Gateway, key: APIKey) -> None:
    send(gateway, [an_event(key)])
    correct(gateway, replace(key, SMALL_USAGE))
    correct(gateway, void(key))
    batch = correct(gateway, replace(key, reason="too late"))
    assert (batch.conflict, outcomes_of(batch)) == (1, [(0, "conflict", "event_voided")])
    assert state() == VOIDED
    assert trail() == [
        ("replace", True, GOLDEN, SMALL_COST),
        ("void", True, SMALL_COST, NOTHING),
        ("replace", False, NOTHING, NOTHING),
    ]
    assert not QuarantinedEvent.objects.exists()
    assert october() == (0, NOTHING)


def test_of_two_replacements_the_one_sent_last_stands_in_whichever_order_they_are_processed(
    gateway: Gateway, key: APIKey
) -> None:
    send(gateway, [an_event(key)])
    earlier = hand_in(gateway, replace(key, GOLDEN_USAGE, reason="first count"))
    type(earlier).objects.filter(pk=earlier.pk).update(failures=1)  # so that the later one is processed first
    later = correct(gateway, replace(key, SMALL_USAGE))
    assert later.recorded == 1
    type(earlier).objects.filter(pk=earlier.pk).update(failures=0)
    work()
    earlier.refresh_from_db()
    assert (earlier.status, earlier.recorded) == ("processed", 1)
    assert state() == SMALL_STATE
    assert trail() == [("replace", True, GOLDEN, SMALL_COST), ("replace", False, SMALL_COST, SMALL_COST)]
    assert october() == (1, SMALL_COST)


@pytest.mark.parametrize("order", list(permutations(range(4))))
def test_every_order_of_processing_ends_the_same(gateway: Gateway, key: APIKey, order: tuple[int, ...]) -> None:
    """Two replacements, the event itself, and a third replacement that is the last of all."""
    other = {"prompt_tokens": 7, "completion_tokens": 7, "total_tokens": 14}
    batches = [
        hand_in(gateway, replace(key, other)),
        hand_in(gateway, replace(key, GOLDEN_USAGE)),
        send(gateway, [an_event(key)], process=False),
        hand_in(gateway, replace(key, SMALL_USAGE)),
    ]
    table = type(batches[0]).objects
    table.update(failures=1)
    for position in order:
        table.filter(pk=batches[position].pk).update(failures=0)
        work()
    assert state() == SMALL_STATE
    assert october() == (1, SMALL_COST)
    assert EventCorrection.objects.count() == 3
    assert not QuarantinedEvent.objects.filter(settled_at=None).exists()


def test_a_correction_that_overtakes_its_event_waits_and_is_applied_by_itself(gateway: Gateway, key: APIKey) -> None:
    early = correct(gateway, replace(key, SMALL_USAGE))
    assert (early.rejected, outcomes_of(early)) == (1, [(0, "rejected", "unknown_event")])
    quarantined = QuarantinedEvent.objects.get()
    assert (quarantined.kind, quarantined.code, quarantined.workspace) == ("corrections", "unknown_event", key.workspace)
    assert "applied to it automatically" in quarantined.message
    send(gateway, [an_event(key)])
    assert state() == SMALL_STATE
    quarantined.refresh_from_db()
    assert (quarantined.settled_at, quarantined.settlement) == (NOW, "applied: the event has arrived")
    assert EventCorrection.objects.get().batch_id == early.pk
    assert october() == (1, SMALL_COST)


def test_one_that_waited_keeps_its_place_behind_a_later_one(gateway: Gateway, key: APIKey) -> None:
    correct(gateway, replace(key, GOLDEN_USAGE, reason="early"))
    send(gateway, [an_event(key)], process=False)
    hand_in(gateway, replace(key, SMALL_USAGE))
    work()
    assert state() == SMALL_STATE
    assert [row[:2] for row in trail()] == [("replace", True), ("replace", True)]
    assert everything_agrees()


def test_many_that_wait_for_nothing_hold_up_nobody_and_the_sweep_looks_behind_them(gateway: Gateway, key: APIKey) -> None:
    correct(gateway, void(key))
    correct(gateway, void(key, "never"))
    send(gateway, [an_event(key)], process=False)
    process_waiting(lambda: NOW)
    assert process_corrections(lambda: NOW, among=1) == 0
    assert state() == GOLDEN_STATE
    sweep_corrections(lambda: NOW)
    assert state() == VOIDED
    assert QuarantinedEvent.objects.get(settled_at=None).request_id == "never"
    assert october() == (0, NOTHING)


def test_one_whose_event_is_no_longer_kept_waits_and_holds_up_nobody(gateway: Gateway, key: APIKey) -> None:
    send(gateway, [an_event(key)])
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM metering_usageevent")  # as the end of a month's retention does; its identity stays
    assert outcomes_of(correct(gateway, void(key))) == [(0, "rejected", "unknown_event")]
    assert work() == 0
    assert QuarantinedEvent.objects.open().count() == 1


def test_a_dismissed_correction_is_not_applied(gateway: Gateway, key: APIKey) -> None:
    correct(gateway, void(key))
    QuarantinedEvent.objects.update(settled_at=NOW, settlement="dismissed: not ours")
    send(gateway, [an_event(key)])
    assert state() == GOLDEN_STATE
    assert not EventCorrection.objects.exists()


def test_the_same_correction_that_waited_twice_is_applied_once(gateway: Gateway, key: APIKey) -> None:
    correct(gateway, void(key))
    correct(gateway, void(key))
    send(gateway, [an_event(key)])
    settlements = QuarantinedEvent.objects.order_by("id").values_list("settlement", flat=True)
    assert list(settlements) == ["applied: the event has arrived", "applied: the same correction was recorded before"]
    assert EventCorrection.objects.count() == 1


def test_a_correction_under_another_key_of_the_workspace_is_rejected(gateway: Gateway, key: APIKey) -> None:
    send(gateway, [an_event(key)])
    second = make_key(key.workspace, name="second")
    stranger = make_key(make_workspace("Rival"))
    batch = correct(gateway, void(second), void(stranger), {**void(key), "key_id": "key_nobody"})
    assert outcomes_of(batch) == [
        (0, "rejected", "wrong_key"),
        (1, "rejected", "unknown_event"),
        (2, "rejected", "unknown_key"),
    ]
    assert QuarantinedEvent.objects.filter(kind="corrections").count() == 3
    assert state() == GOLDEN_STATE
    assert not EventCorrection.objects.exists()


def test_one_that_waited_under_the_wrong_key_stays_open_and_is_not_tried_for_ever(gateway: Gateway, key: APIKey) -> None:
    correct(gateway, void(make_key(key.workspace, name="second")))
    send(gateway, [an_event(key)])
    quarantined = QuarantinedEvent.objects.get()
    assert (quarantined.code, quarantined.settled_at) == ("wrong_key", None)
    assert work() == 0


def test_an_attempt_is_corrected_and_the_others_stay(gateway: Gateway, key: APIKey) -> None:
    send(gateway, [an_event(key), an_event(key, attempt=1, usage=SMALL_USAGE)])
    correct(gateway, void(key, attempt=1))
    assert list(UsageEvent.objects.order_by("attempt").values_list("status", flat=True)) == [0, 3]
    assert october() == (1, GOLDEN)


def test_a_replaced_failed_response_is_still_not_billed(gateway: Gateway, key: APIKey) -> None:
    send(gateway, [an_event(key, status="failed", usage=None)])
    batch = correct(gateway, replace(key))
    assert batch.recorded == 1
    assert state() == ("failed", 2006, 1920, 0, 300, 192, NOTHING)
    assert october() == (1, NOTHING)


def test_an_unpriced_event_stays_unpriced_until_its_price_comes(gateway: Gateway, key: APIKey) -> None:
    send(gateway, [an_event(key, model="new")])
    batch = correct(gateway, replace(key, SMALL_USAGE))
    assert (batch.unpriced, outcomes_of(batch)) == (1, [(0, "unpriced", "no_price")])
    assert state() == ("succeeded", 1000, 0, 0, 100, 0, None)
    set_price("new", input=Decimal("1.5"), output=Decimal(6), effective_from=NOW - timedelta(days=1), actor="test", now=NOW)
    price_waiting()
    assert state() == SMALL_STATE
    assert trail() == [("replace", True, None, None)]
    assert october() == (1, SMALL_COST)
    correct(gateway, void(key))
    assert trail()[1] == ("void", True, SMALL_COST, NOTHING)
    assert october() == (0, NOTHING)


def test_a_replacement_is_rated_at_the_events_own_time_and_size(gateway: Gateway, key: APIKey) -> None:
    """The price in force then, and the threshold that the new count crosses: 200,001 x 3 + 10 x 6 per million."""
    make_price(input="9", output="9", effective_from=datetime(2026, 10, 15, 11, 58, tzinfo=UTC))
    long = make_price(input="3", cached_input=None, output="6", above_input_tokens=200_000)
    send(gateway, [an_event(key)])
    correct(gateway, replace(key, {"prompt_tokens": 200_001, "completion_tokens": 10, "total_tokens": 200_011}))
    assert state() == ("succeeded", 200_001, 0, 0, 10, 0, "0.600063000000")
    assert UsageEvent.objects.get().price == long
    correct(gateway, replace(key, {"prompt_tokens": 200_000, "completion_tokens": 10, "total_tokens": 200_010}))
    assert state()[-1] == "0.300060000000"
    assert october() == (1, "0.300060000000")


def test_the_last_instant_of_a_month_is_corrected_in_its_own_month(gateway: Gateway, key: APIKey) -> None:
    edge = [("end", "2026-09-30T23:59:59.999999Z"), ("start", "2026-10-01T00:00:00Z")]
    send(gateway, [an_event(key, request_id=name, occurred_at=at) for name, at in edge])
    correct(gateway, replace(key, SMALL_USAGE, "end"), void(key, "start"))
    september = parse_month("2026-09")
    assert [rollup_differences(grain, september).count for grain in ("hour", "day")] == [0, 0]
    assert list(DailyRollup.objects.values_list("day", "cost")) == [(datetime(2026, 9, 30, tzinfo=UTC), Decimal(SMALL_COST))]
    assert october() == (0, NOTHING)


def test_corrections_of_one_event_in_one_batch_are_taken_in_order(gateway: Gateway, key: APIKey) -> None:
    send(gateway, [an_event(key)])
    batch = correct(gateway, replace(key, SMALL_USAGE), replace(key, GOLDEN_USAGE), replace(key, SMALL_USAGE), void(key))
    assert outcomes_of(batch) == [(2, "duplicate", "duplicate")]
    assert trail() == [
        ("replace", True, GOLDEN, SMALL_COST),
        ("replace", True, SMALL_COST, GOLDEN),
        ("void", True, GOLDEN, NOTHING),
    ]
    assert state() == VOIDED


def test_a_thousand_corrections_cost_no_more_statements_than_one(gateway: Gateway, key: APIKey) -> None:
    def statements(count: int, name: str) -> int:
        send(gateway, [an_event(key, request_id=f"{name}-{at}") for at in range(count)])
        hand_in(gateway, *(replace(key, SMALL_USAGE, f"{name}-{at}") for at in range(count)))
        with CaptureQueriesContext(connection) as queries:
            work()
        return len(queries)

    first = statements(1, "a")
    assert statements(1000, "b") == first
    assert october() == (1001, str(Decimal(SMALL_COST) * 1001))


def test_the_trail_can_only_be_appended_to(gateway: Gateway, key: APIKey) -> None:
    send(gateway, [an_event(key)])
    correct(gateway, void(key))
    with pytest.raises(IntegrityError, match="appended, never changed"), transaction.atomic():
        EventCorrection.objects.update(reason="another")
    with pytest.raises(IntegrityError, match="appended, never changed"), transaction.atomic():
        EventCorrection.objects.all().delete()
