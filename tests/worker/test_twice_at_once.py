"""Workers that run at once, die half way, or meet an event that the database refuses."""

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import OperationalError, connection
from structlog.testing import capture_logs

from metering.catalogue.set_price import set_price
from metering.ingest.intake import inbox
from metering.ingest.models import Batch, QuarantinedEvent, UsageEvent
from metering.periods import month_of
from metering.revisions.rerating.reprice import price_waiting
from metering.rollups.compare import rollup_differences
from metering.rollups.fold import fold_events
from metering.rollups.models import HourlyRollup
from metering.worker import events, one_by_one
from metering.worker.events import process_failed, process_waiting
from tests.kit.concurrent import all_succeed_at_once
from tests.kit.factories import GOLDEN_COST, NOW, an_event, send, work
from tests.limits.cast import a_budget
from workspaces.models import APIKey, Gateway

pytestmark = pytest.mark.django_db(transaction=True)


def everything_agrees() -> bool:
    october = month_of(NOW)
    return all(rollup_differences(grain, october).count == 0 for grain in ("hour", "day"))


def test_two_workers_share_the_inbox_and_count_every_event_once(gateway: Gateway, key: APIKey) -> None:
    """Forty batches that overlap: each event is in two of them."""
    for batch in range(40):
        first = batch // 2 * 25
        events = [an_event(key, request_id=f"r{first + at}") for at in range(25)]
        send(gateway, events if batch % 2 else events[::-1], process=False)

    all_succeed_at_once(work, work, work)

    assert Batch.objects.filter(status="processed").count() == 40
    assert sum(Batch.objects.values_list("recorded", flat=True)) == 500
    assert sum(Batch.objects.values_list("duplicate", flat=True)) == 500
    assert UsageEvent.objects.count() == 500
    assert HourlyRollup.objects.get().requests == 500
    assert HourlyRollup.objects.get().cost == GOLDEN_COST * 500


def test_the_same_event_through_two_endpoints_at_once_counts_once(gateway: Gateway, key: APIKey) -> None:
    def post() -> None:
        send(gateway, [an_event(key)], process=False)
        work()

    all_succeed_at_once(*[post] * 6)
    work()
    assert UsageEvent.objects.count() == 1
    assert sum(Batch.objects.values_list("recorded", flat=True)) == 1
    assert sum(Batch.objects.values_list("duplicate", flat=True)) == 5


def test_new_names_that_two_workers_discover_at_once_get_one_number(gateway: Gateway, key: APIKey) -> None:
    for batch in range(10):
        send(
            gateway,
            [an_event(key, request_id=f"{batch}-{at}", model=f"new-{at}", provider=f"p-{9 - at}") for at in range(10)],
            process=False,
        )
    all_succeed_at_once(work, work, work)
    assert sum(Batch.objects.values_list("unpriced", flat=True)) == 100
    assert HourlyRollup.objects.count() == 10


def test_a_worker_that_dies_before_its_commit_leaves_everything_as_it_was(
    gateway: Gateway, key: APIKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    send(gateway, [an_event(key)], process=False)

    class Killed(BaseException):
        """Not an Exception, as a signal is none: nothing in the worker may handle it."""

    def die(recorded: Any) -> None:
        fold_events(recorded)
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(events, "fold_events", die)
        with pytest.raises(Killed):
            process_waiting(lambda: NOW)
    assert Batch.objects.get().status == "pending"
    assert not UsageEvent.objects.exists()
    assert not HourlyRollup.objects.exists()

    work()
    assert UsageEvent.objects.get().cost == GOLDEN_COST
    assert HourlyRollup.objects.get().requests == 1


def test_a_worker_that_dies_after_its_commit_and_is_sent_the_work_again_changes_nothing(gateway: Gateway, key: APIKey) -> None:
    batch = send(gateway, [an_event(key)])
    Batch.objects.filter(pk=batch.pk).update(status="pending")  # as if the mark had been lost as well
    work()
    assert UsageEvent.objects.count() == 1
    assert HourlyRollup.objects.get().requests == 1


def test_a_database_that_goes_away_blames_no_batch(gateway: Gateway, key: APIKey, monkeypatch: pytest.MonkeyPatch) -> None:
    send(gateway, [an_event(key)], process=False)

    def away(recorded: Any) -> None:
        raise OperationalError("the connection is closed")

    with monkeypatch.context() as patch:
        patch.setattr(events, "fold_events", away)
        with pytest.raises(OperationalError):
            process_waiting(lambda: NOW)
    assert (Batch.objects.get().status, Batch.objects.get().failures) == ("pending", 0)
    assert work() == 1


@pytest.fixture
def _poison() -> Iterator[None]:
    """The database refuses one event for a reason that no check foresaw."""
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE metering_usageevent ADD CONSTRAINT unforeseen CHECK (request_id NOT LIKE 'poison%')")
    yield
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE metering_usageevent DROP CONSTRAINT unforeseen")


@pytest.mark.usefixtures("_poison")
def test_a_poison_event_is_quarantined_and_holds_up_nobody(gateway: Gateway, key: APIKey) -> None:
    send(gateway, [an_event(key, request_id="other batch")], process=False)
    events = [an_event(key, request_id=request_id) for request_id in ("a", "poison", "b", "a")]
    poisoned = send(gateway, events, process=False)
    work()

    poisoned.refresh_from_db()
    assert (poisoned.status, poisoned.recorded, poisoned.duplicate, poisoned.rejected) == ("processed", 2, 1, 1)
    assert [(item["index"], item["code"]) for item in poisoned.items] == [(1, "refused_by_database"), (3, "duplicate")]
    quarantined = QuarantinedEvent.objects.get()
    assert (quarantined.request_id, quarantined.code) == ("poison", "refused_by_database")
    assert quarantined.workspace == key.workspace
    assert set(UsageEvent.objects.values_list("request_id", flat=True)) == {"other batch", "a", "b"}
    assert HourlyRollup.objects.get().requests == 3


def test_an_event_that_no_limit_can_take_is_quarantined_and_holds_up_nobody(gateway: Gateway, key: APIKey) -> None:
    budget = a_budget(key.workspace, "5", "user", "*")
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE metering_budgetwindow ADD CONSTRAINT unforeseen CHECK (scope_value <> 'poison')")
    try:
        batch = send(gateway, [an_event(key, request_id=name, user=name) for name in ("a", "poison", "b")])
    finally:
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE metering_budgetwindow DROP CONSTRAINT unforeseen")
    assert (batch.status, batch.failures, batch.recorded, batch.rejected) == ("processed", 0, 2, 1)
    assert QuarantinedEvent.objects.get().request_id == "poison"
    assert set(UsageEvent.objects.values_list("request_id", flat=True)) == {"a", "b"}
    assert {row.scope_value: row.spent for row in budget.windows.all()} == {"a": GOLDEN_COST, "b": GOLDEN_COST}


@pytest.mark.usefixtures("_poison")
def test_what_a_poison_event_was_the_first_to_name_is_not_remembered_wrongly(gateway: Gateway, key: APIKey) -> None:
    """It brings a new month, model and provider, whose rows go with its savepoint; its neighbours bring them again."""
    new = {"model": "never seen", "provider": "nobody", "occurred_at": "2026-02-28T23:59:59Z"}
    events = [an_event(key, request_id=request_id, **new) for request_id in ("poison", "a", "poison too", "b")]
    batch = send(gateway, events)
    assert (batch.rejected, batch.unpriced) == (2, 2)
    later = send(gateway, [an_event(key, request_id="c", **new)])
    assert later.unpriced == 1
    assert list(UsageEvent.objects.values_list("model__slug", "provider__name")) == [("never seen", "nobody")] * 3


def test_retries_of_a_refused_event_are_told_the_truth_in_one_transaction(gateway: Gateway, key: APIKey) -> None:
    """The first stands; another content twice is two conflicts, and a true retry among them is a duplicate."""
    first, other = an_event(key), an_event(key, usage={"prompt_tokens": 1, "completion_tokens": 1})
    send(gateway, [first])
    again = [send(gateway, [event], process=False) for event in (other, other, first)]
    work()
    for batch in again:
        batch.refresh_from_db()
    assert [(batch.duplicate, batch.conflict) for batch in again] == [(0, 1), (0, 1), (1, 0)]


def test_a_batch_that_takes_the_database_too_long_is_set_aside_for_the_others(
    gateway: Gateway, key: APIKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = send(gateway, [an_event(key, request_id="slow")], process=False)
    send(gateway, [an_event(key)], process=False)

    def fold(recorded: Any) -> None:
        if any(each.event.request_id == "slow" for each in recorded):
            with connection.cursor() as cursor:
                cursor.execute("SET LOCAL statement_timeout = 1")
                cursor.execute("SELECT pg_sleep(10)")
        fold_events(recorded)

    with monkeypatch.context() as patch, capture_logs() as logged:
        patch.setattr(events, "fold_events", fold)
        patch.setattr(one_by_one, "fold_events", fold)
        process_waiting(lambda: NOW)
    retried = [line["batches"] for line in logged if line["event"] == "batches_retried_alone"]
    assert retried == [list(Batch.objects.order_by("id").values_list("id", flat=True))]
    slow.refresh_from_db()
    assert (slow.status, slow.failures) == ("pending", 1)
    assert "statement timeout" in slow.last_error
    assert UsageEvent.objects.get().request_id == "req_1"
    assert not QuarantinedEvent.objects.exists()

    process_failed(lambda: NOW)
    slow.refresh_from_db()
    assert (slow.status, slow.recorded) == ("processed", 1)


def test_a_batch_that_cannot_be_processed_stays_visible_and_is_tried_again(gateway: Gateway, key: APIKey) -> None:
    send(gateway, [an_event(key)], process=False)
    send(gateway, [an_event(key, request_id="b")], process=False)
    broken = Batch.objects.order_by("id").first()
    assert broken is not None
    body = bytes(broken.body)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE metering_batch SET body = 'damaged on disk' WHERE id = %s", [broken.pk])

    work()
    broken = Batch.objects.defer("body").get(pk=broken.pk)
    assert (broken.status, broken.failures) == ("pending", 1)
    assert "frame header" in broken.last_error
    assert UsageEvent.objects.get().request_id == "b"

    Batch.objects.filter(pk=broken.pk).update(body=body)
    process_failed(lambda: NOW)
    broken.refresh_from_db()
    assert (broken.status, broken.recorded) == ("processed", 1)


def test_a_price_set_while_events_stream_in_rates_every_event_by_its_own_time(gateway: Gateway, key: APIKey) -> None:
    for batch in range(30):
        send(gateway, [an_event(key, model="late", request_id=f"{batch}-{at}") for at in range(20)], process=False)

    def set_and_price() -> None:
        set_price(
            "late",
            input=Decimal("1.5"),
            cached_input=Decimal("0.375"),
            output=Decimal(6),
            effective_from=NOW - timedelta(days=1),
            actor="test",
            now=NOW,
        )
        price_waiting()

    all_succeed_at_once(work, set_and_price, work, price_waiting)
    work()
    price_waiting()
    assert UsageEvent.objects.filter(cost=GOLDEN_COST).count() == 600
    assert everything_agrees()


def test_what_an_older_version_let_in_and_this_one_would_not_is_quarantined_and_its_neighbours_are_recorded(
    gateway: Gateway, key: APIKey
) -> None:
    contradictory = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 3}
    events = [
        an_event(key),
        an_event(key, request_id="contradictory", usage=contradictory),
        an_event(key, request_id="nobody's", key_id="key_unheard_of"),
        an_event(key, request_id="last"),
    ]
    batch = send(gateway, events, process=False)
    Batch.objects.filter(pk=batch.pk).update(items=[], rejected=0)
    QuarantinedEvent.objects.all().delete()
    work()

    batch.refresh_from_db()
    assert (batch.status, batch.recorded, batch.rejected) == ("processed", 2, 2)
    assert [(item["index"], item["code"]) for item in batch.items] == [(1, "usage_inconsistent"), (2, "unknown_key")]
    quarantined = QuarantinedEvent.objects.order_by("index").values_list("request_id", "code")
    assert list(quarantined) == [("contradictory", "usage_inconsistent"), ("nobody's", "unknown_key")]
    assert sum(UsageEvent.objects.values_list("cost", flat=True)) == 2 * GOLDEN_COST


def test_batches_that_come_as_fast_as_they_are_taken_up_leave_the_workers_time_for_other_tasks(
    gateway: Gateway, key: APIKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    reminded: list[str] = []
    monkeypatch.setattr(events, "TRANSACTIONS_IN_A_ROW", 3)
    monkeypatch.setattr(events, "ENOUGH", 1)
    monkeypatch.setattr(events, "remind", reminded.append)
    send(gateway, [an_event(key)], process=False)

    def fold_while_another_comes(recorded: Any) -> None:
        fold_events(recorded)
        if Batch.objects.count() < 10:
            send(gateway, [an_event(key, request_id=f"after {recorded[0].event.request_id}")], process=False)

    with monkeypatch.context() as patch:
        patch.setattr(events, "fold_events", fold_while_another_comes)
        assert process_waiting(lambda: NOW) == 3
    assert Batch.objects.filter(status="pending").count() == 1
    assert reminded == ["metering.process_waiting_batches"]

    reminded.clear()
    assert work() == 1
    assert reminded == []


def test_a_few_events_are_not_followed_by_a_transaction_for_fewer(
    gateway: Gateway, key: APIKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those that come meanwhile have a reminder of their own."""
    send(gateway, [an_event(key)], process=False)

    def fold_while_another_comes(recorded: Any) -> None:
        fold_events(recorded)
        if Batch.objects.count() < 10:
            send(gateway, [an_event(key, request_id=f"after {recorded[0].event.request_id}")], process=False)

    with monkeypatch.context() as patch:
        patch.setattr(events, "fold_events", fold_while_another_comes)
        assert process_waiting(lambda: NOW) == 1
    assert work() == 1
    assert not Batch.objects.filter(status="pending").exists()


def test_large_batches_are_all_processed_though_they_hold_few_events(
    gateway: Gateway, key: APIKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As many as are claimed for their size leave others waiting, of which nobody reminds again."""
    for module in (events, inbox):
        monkeypatch.setattr(module, "BYTES_PER_TRANSACTION", 1)
    monkeypatch.setattr(inbox, "BATCHES_PER_FETCH", 1)
    for at in range(5):
        send(gateway, [an_event(key, request_id=f"r{at}")], process=False)
    assert process_waiting(lambda: NOW) == 5
