"""What was refused goes through the endpoint again: as it was, edited, or in bulk; once, whatever happens meanwhile."""

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from pytest_django import DjangoAssertNumQueries

from metering.errors import AlreadyResolved, InboxFull
from metering.ingest.formats.payloads import of_corrections, packed
from metering.ingest.formats.translated import Untranslatable
from metering.ingest.intake.receive import receive
from metering.ingest.models import Batch, QuarantinedEvent, UsageEvent
from metering.ingest.quarantine.replay import raw_content, replay_edited, replay_events, replay_matching
from omixa_billing.api.errors import InvalidParameter
from tests.kit.concurrent import all_succeed_at_once
from tests.kit.factories import (
    GOLDEN_COST,
    GOLDEN_USAGE,
    NOW,
    an_event,
    make_gateway,
    send,
    work,
)
from workspaces.models import APIKey, AuditEntry, Gateway

WHO = "operator@omixa.example"
LATER = NOW + timedelta(hours=1)
BAD = {**GOLDEN_USAGE, "total_tokens": 2307}


def held(**about: Any) -> QuarantinedEvent:
    return QuarantinedEvent.objects.get(settled_at__isnull=True, **about)


def ids() -> list[int]:
    return list(QuarantinedEvent.objects.open().order_by("id").values_list("pk", flat=True))


def outcomes(batch: Batch) -> tuple[int, int, int, int, int]:
    batch.refresh_from_db()
    return batch.recorded, batch.duplicate, batch.conflict, batch.unpriced, batch.rejected


def test_an_event_of_a_key_that_was_made_since_is_recorded(gateway: Gateway, key: APIKey) -> None:
    """Its key came to this database later than its usage."""
    send(gateway, [an_event(key)])
    unknown = send(gateway, [{**an_event(key, request_id="req_2"), "key_id": "key_of_tomorrow"}])
    event = held(code="unknown_key")
    APIKey.objects.create(workspace=key.workspace, kind="live", name="tomorrow", public_id="key_of_tomorrow")

    (batch,) = replay_events([event.pk], WHO, LATER)
    work(LATER)

    assert (batch.source, batch.kind, batch.gateway, batch.received_at) == ("replay", "events", gateway, LATER)
    assert outcomes(batch) == (1, 0, 0, 0, 0)
    assert UsageEvent.objects.get(request_id="req_2").cost == GOLDEN_COST
    event.refresh_from_db()
    assert (event.settled_at, event.settlement) == (LATER, f"replayed by {WHO}")
    assert (event.replayed_in, event.batch_id) == (batch.public_id, unknown.pk)
    entry = AuditEntry.objects.get(target=event.public_id)
    assert (entry.actor, entry.action, entry.at) == (WHO, "quarantine.replayed", LATER)
    assert entry.detail == {"batch": batch.public_id, "code": "unknown_key"}


def test_what_is_refused_again_comes_back_as_another(gateway: Gateway, key: APIKey) -> None:
    send(gateway, [an_event(key, usage=BAD)])
    event = held()
    (batch,) = replay_events([event.pk], WHO, LATER, "to see")
    work(LATER)
    assert outcomes(batch) == (0, 0, 0, 0, 1)
    again = held()
    assert (again.batch_id, again.code, again.request_id) == (batch.pk, "usage_inconsistent", "req_1")
    assert bytes(again.content) == bytes(event.content)
    event.refresh_from_db()
    assert event.settlement == f"replayed by {WHO}: to see"


def test_a_settled_event_is_not_replayed_again(gateway: Gateway, key: APIKey) -> None:
    send(gateway, [an_event(key, usage=BAD)])
    event = held()
    replay_events([event.pk], WHO, LATER)
    with pytest.raises(AlreadyResolved):
        replay_events([event.pk], WHO, LATER)
    with pytest.raises(AlreadyResolved):
        replay_edited(event.pk, json.dumps(an_event(key)).encode(), WHO, LATER)
    assert Batch.objects.filter(source="replay").count() == 1
    assert AuditEntry.objects.filter(target=event.public_id).count() == 1


def test_an_edited_event_is_recorded_and_the_edit_is_in_the_trail(gateway: Gateway, key: APIKey) -> None:
    send(gateway, [an_event(key, usage=BAD)])
    event = held()
    before = bytes(event.content)
    fixed = {**an_event(key), "provider": "azure"}
    batch = replay_edited(event.pk, json.dumps(fixed).encode(), WHO, LATER, "off by one")
    work(LATER)
    assert outcomes(batch) == (1, 0, 0, 0, 0)
    assert UsageEvent.objects.get().cost == GOLDEN_COST
    event.refresh_from_db()
    assert event.settlement == f"edited and replayed by {WHO}: off by one"
    assert bytes(event.content) == before
    assert AuditEntry.objects.get(target=event.public_id).detail == {
        "batch": batch.public_id,
        "code": "usage_inconsistent",
        "reason": "off by one",
        "edited": {"usage.total_tokens": [2307, 2306], "provider": [None, "azure"]},
    }


def test_an_edit_that_the_endpoint_would_refuse_changes_nothing(gateway: Gateway, key: APIKey) -> None:
    send(gateway, [an_event(key, usage=BAD)])
    event = held()
    for content, message in (
        (b"{", "This is not JSON"),
        (b"", "not one JSON value"),
        (b'{"request_id": "a"}, {"request_id": "b"}', "not one JSON value"),
        (b'{"request_id": "a"}], "events": [{}', "not one JSON value"),
        (b"[]", "Expected `object`"),
        (json.dumps(an_event(key, usage=BAD)).encode(), "The usage contradicts itself"),
        (json.dumps({**an_event(key), "key_id": "key_nobody"}).encode(), "key_id is not the id of a key"),
        (b'"' + b"x" * 5 * 1024 * 1024 + b'"', "more than one batch may hold"),
    ):
        with pytest.raises(InvalidParameter, match=message) as refused:
            replay_edited(event.pk, content, WHO, LATER)
        assert refused.value.param == "content"
    assert Batch.objects.count() == 1
    assert held() == event
    assert not AuditEntry.objects.filter(target=event.public_id).exists()


def test_a_credential_of_ours_in_an_edit_is_not_stored(gateway: Gateway, key: APIKey) -> None:
    send(gateway, [an_event(key, usage=BAD)])
    secret = "omx_live_zQWBuTSOoRi4A9spHcVY5ncnsDkxkJ0mLq17"
    batch = replay_edited(held().pk, json.dumps(an_event(key, user=secret)).encode(), WHO, LATER)
    assert secret.encode() not in batch.body
    assert secret not in json.dumps(AuditEntry.objects.latest("id").detail)


def test_what_was_recorded_since_is_a_duplicate(gateway: Gateway, key: APIKey) -> None:
    send(gateway, [an_event(key, usage=BAD)])
    send(gateway, [an_event(key)])
    batch = replay_edited(held().pk, json.dumps(an_event(key)).encode(), WHO, LATER)
    work(LATER)
    assert outcomes(batch) == (0, 1, 0, 0, 0)
    assert UsageEvent.objects.count() == 1
    assert ids() == []


def test_a_conflict_conflicts_again_until_it_is_another_attempt(gateway: Gateway, key: APIKey) -> None:
    send(gateway, [an_event(key), an_event(key, model="other")])
    (batch,) = replay_events(ids(), WHO, LATER)
    work(LATER)
    assert outcomes(batch) == (0, 0, 1, 0, 0)
    conflict = held(outcome="conflict")
    assert conflict.batch_id == batch.pk
    batch = replay_edited(conflict.pk, json.dumps(an_event(key, attempt=1)).encode(), WHO, LATER)
    work(LATER)
    assert outcomes(batch) == (1, 0, 0, 0, 0)
    assert list(UsageEvent.objects.order_by("attempt").values_list("attempt", "cost")) == [(0, GOLDEN_COST), (1, GOLDEN_COST)]


def test_a_clock_that_ran_ahead_is_right_in_the_end_and_a_very_old_event_is_not(gateway: Gateway, key: APIKey) -> None:
    """A replay is checked as of the moment of the replay."""
    send(gateway, [an_event(key, occurred_at="2026-10-15T13:00:00Z")])
    (batch,) = replay_events(ids(), WHO, LATER)
    work(LATER)
    assert outcomes(batch) == (1, 0, 0, 0, 0)

    send(gateway, [an_event(key, request_id="old", usage=BAD)])
    much_later = NOW + timedelta(days=401)
    (batch,) = replay_events(ids(), WHO, much_later)
    with pytest.raises(InvalidParameter, match="more than 400 days in the past"):
        replay_edited(held().pk, json.dumps(an_event(key, request_id="old")).encode(), WHO, much_later)


def test_a_correction_is_replayed_as_a_correction(gateway: Gateway, key: APIKey) -> None:
    void = {"key_id": "key_nobody", "request_id": "req_1", "action": "void"}
    receive(of_corrections(json.dumps({"corrections": [void]}).encode()), gateway, NOW)
    (batch,) = replay_events(ids(), WHO, LATER)
    assert (batch.kind, batch.source, batch.rejected) == ("corrections", "replay", 1)
    assert (held().kind, held().code) == ("corrections", "unknown_key")
    with pytest.raises(InvalidParameter, match="usage"):
        replay_edited(held().pk, json.dumps({**void, "key_id": key.public_id, "action": "replace"}).encode(), WHO, LATER)
    batch = replay_edited(held().pk, json.dumps({**void, "key_id": key.public_id}).encode(), WHO, LATER)
    assert (batch.kind, batch.source, batch.rejected) == ("corrections", "replay", 0)
    assert ids() == []


def test_each_gateway_and_kind_gets_a_batch_of_its_own_in_the_order_of_ids(gateway: Gateway, key: APIKey) -> None:
    other = make_gateway("us-1")
    send(gateway, [an_event(key, request_id=f"a{at}", usage=BAD) for at in range(3)])
    send(other, [an_event(key, request_id="b", usage=BAD)])
    send(gateway, [an_event(key, request_id="c", usage=BAD)])
    batches = replay_events(ids()[::-1], WHO, LATER)
    assert [(batch.gateway, [item["request_id"] for item in batch.items]) for batch in batches] == [
        (gateway, ["a0", "a1", "a2", "c"]),
        (other, ["b"]),
    ]


def test_a_batch_holds_a_thousand_events_and_five_mebibytes(gateway: Gateway, key: APIKey, settings: Any) -> None:
    settings.INGEST_MAX_EVENTS = 3
    for start in (0, 3):
        send(gateway, [an_event(key, request_id=f"r{start + at}", usage=BAD) for at in range(2)])
    assert [batch.event_count for batch in replay_events(ids(), WHO, LATER)] == [3, 1]
    settings.INGEST_MAX_BYTES = 64 + 2 * len(bytes(QuarantinedEvent.objects.latest("id").content)) + 2
    assert [batch.event_count for batch in replay_events(ids(), WHO, LATER)] == [2, 2]


def test_what_is_no_json_harms_nobody_beside_it(gateway: Gateway, key: APIKey) -> None:
    broken = [b'{"request_id": "x"', b'{}], "events": [{}', b"\xff\xfe", b'{"user": "\\ud83d"}', b"[" * 5000]
    contents = [Untranslatable("invalid_cloudevent", "It is none.", each) for each in broken]
    receive(packed(contents), gateway, NOW)
    send(gateway, [{**an_event(key), "key_id": "key_of_tomorrow"}])
    APIKey.objects.create(workspace=key.workspace, kind="live", name="tomorrow", public_id="key_of_tomorrow")
    (batch,) = replay_events(ids(), WHO, LATER)
    work(LATER)
    assert outcomes(batch) == (1, 0, 0, 0, 5)
    again = QuarantinedEvent.objects.filter(batch_id=batch.pk).order_by("index")
    assert [bytes(each.content) for each in again] == broken
    assert {each.code for each in again} == {"invalid_event"}


def test_json_that_fits_a_body_is_let_through() -> None:
    for content in (b'{"a": 1e999}', b'  {"a": [1, 2]}\n', b"null", b'"text"', b"12345678901234567890123"):
        assert raw_content(content) == content


def test_all_that_match_are_replayed_and_what_comes_back_is_not(gateway: Gateway, key: APIKey) -> None:
    for start in range(0, 1500, 500):
        send(gateway, [an_event(key, request_id=f"r{start + at}", usage=BAD) for at in range(500)])
    send(gateway, [{**an_event(key), "key_id": "key_nobody"}])
    matching = QuarantinedEvent.objects.filter(code="usage_inconsistent")
    assert [batch.event_count for batch in replay_matching(matching, WHO, LATER)] == [1000, 500]
    assert QuarantinedEvent.objects.filter(settled_at=LATER).count() == 1500
    assert len(ids()) == 1501
    assert AuditEntry.objects.filter(action="quarantine.replayed").count() == 1500


def test_a_thousand_cost_no_more_statements_than_ten(
    gateway: Gateway, key: APIKey, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    send(gateway, [an_event(key, request_id=f"r{at}", usage=BAD) for at in range(1000)])
    with django_assert_max_num_queries(16):
        replay_events(ids(), WHO, LATER)


def test_a_full_inbox_leaves_the_rest_open(gateway: Gateway, key: APIKey, settings: Any) -> None:
    settings.INGEST_MAX_EVENTS = 2
    for start in (0, 2):
        send(gateway, [an_event(key, request_id=f"r{start + at}", usage=BAD) for at in range(2)])
    first = ids()[:2]
    settings.INGEST_MAX_WAITING_BATCHES = 1
    with pytest.raises(InboxFull):
        replay_events(ids(), WHO, LATER)
    assert list(QuarantinedEvent.objects.filter(settled_at=LATER).order_by("pk").values_list("pk", flat=True)) == first
    assert Batch.objects.filter(source="replay").count() == 1


@pytest.mark.django_db(transaction=True)
def test_many_operators_at_once_replay_each_event_once(gateway: Gateway, key: APIKey) -> None:
    send(gateway, [{**an_event(key, request_id=f"r{at}"), "key_id": "key_of_tomorrow"} for at in range(300)])
    APIKey.objects.create(workspace=key.workspace, kind="live", name="tomorrow", public_id="key_of_tomorrow")
    everything = ids()
    settled: list[int] = []

    def press(some: list[int]) -> Callable[[], None]:
        def act() -> None:
            try:
                settled.append(sum(batch.event_count for batch in replay_events(some, WHO, LATER)))
            except AlreadyResolved:
                settled.append(0)

        return act

    all_succeed_at_once(press(everything), press(everything[::-1]), press(everything[:200]), press(everything[100:]))
    work(LATER)
    assert sum(settled) == 300
    assert sum(Batch.objects.filter(source="replay").values_list("recorded", flat=True)) == 300
    assert UsageEvent.objects.count() == 300
    assert ids() == []


@pytest.mark.django_db(transaction=True)
def test_a_replay_that_dies_before_its_commit_never_happened(gateway: Gateway, key: APIKey) -> None:
    send(gateway, [an_event(key, usage=BAD)])
    event = held()

    class Killed(BaseException):
        """Not an Exception, as a signal is none."""

    class Actor(str):
        """Read when the batch is stored and its event about to be settled."""

        def __format__(self, form: str) -> str:
            raise Killed

    with pytest.raises(Killed):
        replay_events([event.pk], Actor(WHO), LATER)
    assert held() == event
    assert Batch.objects.count() == 1
    (batch,) = replay_events([event.pk], WHO, LATER)
    assert batch.received_at == LATER
