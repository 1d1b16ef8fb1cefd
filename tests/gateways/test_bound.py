"""A gateway that is bound to workspaces sends and corrects for them alone, by whichever way it comes."""

import json

import pytest
from django.db.models import ProtectedError
from django.test import Client
from django.utils import timezone

from metering.ingest.formats.payloads import of_corrections, of_litellm
from metering.ingest.intake.receive import receive
from metering.ingest.models import Batch, QuarantinedEvent, UsageEvent
from metering.ingest.quarantine.replay import replay_events
from tests.ingest.formats.payloads import CAPTURED, payload_of
from tests.kit.corrections import correct, outcomes_of, void
from tests.kit.factories import NOW, an_event, send, work
from workspaces.keys import issue
from workspaces.models import APIKey, AuditEntry, Gateway

pytestmark = pytest.mark.django_db
WHO = "operator@omixa.example"


@pytest.fixture
def bound(key: APIKey) -> Gateway:
    return issue.create_gateway("acme's own", WHO, NOW, [key.workspace])[0]


def refused() -> list[tuple[str, str | None]]:
    rows = QuarantinedEvent.objects.open().order_by("id")
    return [(row.code, row.workspace.name if row.workspace else None) for row in rows]


def test_events_of_another_workspace_go_to_the_quarantine_and_their_neighbours_count(
    bound: Gateway, key: APIKey, birch: APIKey
) -> None:
    batch = send(bound, [an_event(key), an_event(birch), an_event(key, request_id="second")])
    assert (batch.recorded, batch.rejected, outcomes_of(batch)) == (2, 1, [(1, "rejected", "wrong_workspace")])
    assert batch.items[0]["message"] == "key_id is the id of a key of a workspace that this gateway is not bound to."
    assert refused() == [("wrong_workspace", "Birch")]
    assert {event.workspace for event in UsageEvent.objects.all()} == {key.workspace}


def test_the_gateway_hears_of_it_at_once(client: Client, key: APIKey, birch: APIKey) -> None:
    token = issue.create_gateway("acme's own", WHO, NOW, [key.workspace])[1]
    for path, kind, content in (
        ("/gateway/v1/events", "application/json", {"events": [an_event(birch, occurred_at=timezone.now().isoformat())]}),
        ("/gateway/v1/corrections", "application/json", {"corrections": [void(birch)]}),
        (
            "/gateway/v1/events",
            "application/cloudevents+json",
            {"specversion": "1.0", "id": "1", "source": "a", "type": "usage", "data": an_event(birch)},
        ),
    ):
        headers = {"Authorization": f"Bearer {token}"}
        answer = client.post(path, json.dumps(content), content_type=kind, headers=headers).json()
        assert (answer["accepted"], answer["rejected"][0]["code"]) == (0, "wrong_workspace"), path


def test_litellms_payloads_are_bounded_too(bound: Gateway, birch: APIKey) -> None:
    payload = payload_of(metadata__user_api_key_auth_metadata__omx_key_id=birch.public_id)
    batch = receive(of_litellm(json.dumps(payload).encode()), bound, CAPTURED)
    assert [item["code"] for item in batch.items] == ["wrong_workspace"]


def test_corrections_of_another_workspace_go_to_the_quarantine_even_with_leave_to_correct_all(
    gateway: Gateway, bound: Gateway, key: APIKey, birch: APIKey
) -> None:
    send(gateway, [an_event(key), an_event(birch)])
    issue.change_reach(bound, [key.workspace], True, WHO, NOW)
    batch = correct(bound, void(birch), void(key))
    assert (batch.recorded, outcomes_of(batch)) == (1, [(0, "rejected", "wrong_workspace")])
    statuses = {event.workspace.name: event.get_status_display() for event in UsageEvent.objects.all()}
    assert statuses == {"Acme": "voided", "Birch": "succeeded"}


def test_what_was_committed_before_the_gateway_was_bound_is_counted(gateway: Gateway, key: APIKey, birch: APIKey) -> None:
    batch = send(gateway, [an_event(birch)], process=False)
    issue.change_reach(gateway, [key.workspace], False, WHO, NOW)
    work()
    batch.refresh_from_db()
    assert (batch.recorded, batch.rejected) == (1, 0)


def test_a_gateway_that_is_bound_no_more_sends_for_all(bound: Gateway, birch: APIKey) -> None:
    issue.change_reach(bound, [], False, WHO, NOW)
    assert send(Gateway.objects.get(pk=bound.pk), [an_event(birch)]).recorded == 1


def test_an_operator_who_replays_it_counts_it(bound: Gateway, birch: APIKey) -> None:
    send(bound, [an_event(birch)])
    (batch,) = replay_events(list(QuarantinedEvent.objects.values_list("pk", flat=True)), WHO, NOW)
    work()
    batch.refresh_from_db()
    assert (batch.recorded, batch.rejected, UsageEvent.objects.get().gateway) == (1, 0, bound)


def test_a_batch_that_is_recorded_one_by_one_keeps_what_was_refused_refused(bound: Gateway, key: APIKey, birch: APIKey) -> None:
    from metering.worker.events import process_failed

    batch = send(bound, [an_event(key, metadata={"bad": "\\u0000"}), an_event(birch)], process=False)
    Batch.objects.filter(pk=batch.pk).update(failures=1)
    assert process_failed(lambda: NOW) == (1, 0)
    batch.refresh_from_db()
    assert (batch.recorded, batch.rejected) == (1, 1)
    assert refused() == [("wrong_workspace", "Birch")]


def test_a_workspace_that_a_gateway_is_bound_to_cannot_be_deleted(bound: Gateway, key: APIKey) -> None:
    """Without its last workspace the gateway would be bound to none, and send for all."""
    APIKey.objects.all().delete()
    with pytest.raises(ProtectedError):
        key.workspace.delete()


def test_what_a_gateway_may_do_is_in_the_audit_trail(bound: Gateway, key: APIKey) -> None:
    issue.change_reach(bound, [], True, WHO, NOW)
    issue.change_reach(bound, [], True, WHO, NOW)  # changes nothing, and leaves no entry
    made, changed = AuditEntry.objects.filter(target=bound.public_id).order_by("id")
    acme = [key.workspace.public_id]
    assert (made.action, made.detail["workspaces"], made.detail["may_correct_all"]) == ("gateway.created", acme, False)
    assert (changed.actor, changed.action) == (WHO, "gateway.reach_changed")
    before, after = {"workspaces": acme, "may_correct_all": False}, {"workspaces": [], "may_correct_all": True}
    assert changed.detail == {"before": before, "after": after}


def test_corrections_replayed_for_a_bound_gateway_pass_its_bounds(gateway: Gateway, bound: Gateway, birch: APIKey) -> None:
    send(gateway, [an_event(birch)])
    receive(of_corrections(json.dumps({"corrections": [void(birch)]}).encode()), bound, NOW)
    assert refused() == [("wrong_workspace", "Birch")]
    replay_events(list(QuarantinedEvent.objects.values_list("pk", flat=True)), WHO, NOW)
    work()
    assert UsageEvent.objects.get().get_status_display() == "voided"
