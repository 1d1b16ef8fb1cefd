"""A gateway corrects what it sent itself, unless it was given leave for more; what is refused waits for an operator."""

import pytest
from django.db import connection

from metering.ingest.models import Batch, EventCorrection, QuarantinedEvent, UsageEvent
from metering.ingest.quarantine.replay import replay_edited, replay_events
from tests.kit.corrections import correct, everything_agrees, hand_in, october, outcomes_of, replace, state, void
from tests.kit.factories import GOLDEN_USAGE, NOW, an_event, send, work
from workspaces.keys import issue
from workspaces.models import APIKey, Gateway

pytestmark = pytest.mark.django_db
WHO = "operator@omixa.example"
GOLDEN = ("succeeded", 2006, 1920, 0, 300, 192, "0.002649000000")
VOIDED = ("voided", 0, 0, 0, 0, 0, "0.000000000000")


def waiting() -> QuarantinedEvent:
    return QuarantinedEvent.objects.get(settled_at__isnull=True)


def operators_word() -> Batch:
    (batch,) = replay_events([waiting().pk], WHO, NOW)
    work()
    batch.refresh_from_db()
    return batch


def without_gateways() -> None:
    """As events from before it was kept which gateway sent them."""
    with connection.cursor() as cursor:
        cursor.execute("UPDATE metering_usageevent SET gateway_id = NULL")


@pytest.mark.parametrize("act", [void, replace])
def test_what_another_gateway_sent_stays_as_it_is(gateway: Gateway, other: Gateway, key: APIKey, act: object) -> None:
    send(gateway, [an_event(key)])
    batch = correct(other, act(key))  # type: ignore[operator]
    assert (batch.recorded, batch.rejected) == (0, 1)
    assert outcomes_of(batch) == [(0, "rejected", "sent_by_another_gateway")]
    assert state() == GOLDEN
    assert not EventCorrection.objects.exists()
    refused = waiting()
    assert (refused.code, refused.gateway, refused.workspace) == ("sent_by_another_gateway", other, key.workspace)
    assert refused.message == "Another gateway sent this event; a gateway corrects only what it sent itself."
    assert correct(gateway, void(key)).recorded == 1
    assert october() == (0, "0.000000000000")


def test_a_neighbour_in_the_same_batch_is_applied(gateway: Gateway, other: Gateway, key: APIKey) -> None:
    send(gateway, [an_event(key)])
    send(other, [an_event(key, request_id="own")])
    batch = correct(other, void(key), void(key, "own"))
    assert (batch.recorded, outcomes_of(batch)) == (1, [(0, "rejected", "sent_by_another_gateway")])
    assert (state(), state("own")) == (GOLDEN, VOIDED)


def test_with_leave_a_gateway_corrects_what_any_sent(gateway: Gateway, other: Gateway, key: APIKey) -> None:
    send(gateway, [an_event(key)])
    issue.change_reach(other, [], True, WHO, NOW)
    assert correct(other, void(key)).recorded == 1
    assert state() == VOIDED


def test_one_that_overtakes_its_event_is_judged_when_the_event_arrives(gateway: Gateway, other: Gateway, key: APIKey) -> None:
    assert outcomes_of(correct(other, void(key))) == [(0, "rejected", "unknown_event")]
    send(gateway, [an_event(key)])
    assert (state(), waiting().code) == (GOLDEN, "sent_by_another_gateway")
    assert work() == 0  # it is not tried again and again


@pytest.mark.parametrize(("leave_at_first", "outcome"), [(True, GOLDEN), (False, VOIDED)])
def test_leave_counts_as_it_is_when_the_correction_is_applied(
    gateway: Gateway, other: Gateway, key: APIKey, leave_at_first: bool, outcome: object
) -> None:
    issue.change_reach(other, [], leave_at_first, WHO, NOW)
    correct(other, void(key))
    issue.change_reach(other, [], not leave_at_first, WHO, NOW)
    send(gateway, [an_event(key)])
    assert state() == outcome


def test_an_operator_who_replays_it_applies_it(gateway: Gateway, other: Gateway, key: APIKey) -> None:
    send(gateway, [an_event(key)])
    correct(other, void(key))
    batch = operators_word()
    assert (batch.recorded, batch.rejected, state()) == (1, 0, VOIDED)
    assert not QuarantinedEvent.objects.open().exists()


def test_an_operators_edit_is_the_operators_own_word(gateway: Gateway, other: Gateway, key: APIKey) -> None:
    send(gateway, [an_event(key, usage={"prompt_tokens": 1, "completion_tokens": 0, "total_tokens": 1})])
    correct(other, void(key))
    content = b'{"key_id":"%s","request_id":"req_1","action":"replace","usage":%s}'
    replay_edited(waiting().pk, content % (key.public_id.encode(), str(GOLDEN_USAGE).replace("'", '"').encode()), WHO, NOW)
    work()
    assert state() == GOLDEN


def test_an_operators_word_that_overtakes_the_event_stands_when_it_arrives(
    gateway: Gateway, other: Gateway, key: APIKey
) -> None:
    correct(other, void(key))
    assert operators_word().rejected == 1
    assert (waiting().code, waiting().by_operator) == ("unknown_event", True)
    send(gateway, [an_event(key)])
    assert state() == VOIDED


def test_what_an_operator_replays_still_belongs_to_the_gateway_that_sent_it(gateway: Gateway, key: APIKey) -> None:
    send(gateway, [an_event(key, occurred_at="2026-10-15T13:00:00Z")])
    issue.change_reach(gateway, [], False, WHO, NOW)
    (batch,) = replay_events([waiting().pk], WHO, NOW.replace(hour=14))
    work(NOW.replace(hour=14))
    assert (batch.gateway, UsageEvent.objects.get().gateway) == (gateway, gateway)
    assert correct(gateway, void(key), now=NOW.replace(hour=15)).recorded == 1


def test_an_event_from_before_is_its_batchs_while_the_inbox_has_it(gateway: Gateway, other: Gateway, key: APIKey) -> None:
    send(gateway, [an_event(key)])
    without_gateways()
    assert outcomes_of(correct(other, void(key))) == [(0, "rejected", "sent_by_another_gateway")]
    assert correct(gateway, void(key)).recorded == 1
    assert state() == VOIDED


def test_later_nobody_knows_whose_it_is_and_an_operator_has_the_word(gateway: Gateway, key: APIKey) -> None:
    send(gateway, [an_event(key)])
    without_gateways()
    Batch.objects.all().delete()
    assert outcomes_of(correct(gateway, void(key))) == [(0, "rejected", "sender_not_recorded")]
    assert state() == GOLDEN
    assert (operators_word().recorded, state()) == (1, VOIDED)
    assert everything_agrees()


def test_one_by_one_the_same_holds(gateway: Gateway, other: Gateway, key: APIKey, monkeypatch: pytest.MonkeyPatch) -> None:
    from metering.worker import corrections as module

    send(gateway, [an_event(key)])
    whole = module._correct_batch

    def broken(*_: object) -> None:
        monkeypatch.setattr(module, "_correct_batch", whole)
        raise LookupError("unforeseen")

    monkeypatch.setattr(module, "_correct_batch", broken)
    batch = hand_in(other, void(key))
    Batch.objects.filter(pk=batch.pk).update(failures=1)
    module.sweep_corrections(lambda: NOW)
    batch.refresh_from_db()
    assert (batch.status, outcomes_of(batch), state()) == ("processed", [(0, "rejected", "sent_by_another_gateway")], GOLDEN)
