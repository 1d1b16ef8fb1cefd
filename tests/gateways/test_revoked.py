"""What comes for a revoked gateway goes to the quarantine; what came before the revocation counts, whenever it is processed."""

from datetime import timedelta

import pytest

from metering.ingest.models import Batch, QuarantinedEvent, UsageEvent
from metering.ingest.quarantine.replay import replay_events
from tests.kit.corrections import hand_in, void
from tests.kit.factories import NOW, an_event, send, work
from workspaces.keys import issue
from workspaces.models import APIKey, Gateway

pytestmark = pytest.mark.django_db
WHO = "operator@omixa.example"
AT_ONCE = timedelta(microseconds=1)


def outcome(batch: Batch) -> tuple[str, int, int, list[str]]:
    batch.refresh_from_db()
    return batch.status, batch.recorded, batch.rejected, [item["code"] for item in batch.items]


def test_what_was_received_before_the_revocation_counts_when_it_is_processed_after_it(gateway: Gateway, key: APIKey) -> None:
    batch = send(gateway, [an_event(key)], process=False)
    issue.revoke_gateway(gateway, WHO, NOW + AT_ONCE)
    work(NOW + timedelta(hours=1))
    assert outcome(batch) == ("processed", 1, 0, [])


def test_a_request_that_passed_while_its_gateway_was_revoked_goes_to_the_quarantine(gateway: Gateway, key: APIKey) -> None:
    batch = send(gateway, [an_event(key), {"request_id": "bad"}, an_event(key, request_id="second")], process=False)
    issue.revoke_gateway(gateway, WHO, NOW)
    work()
    assert outcome(batch) == ("processed", 0, 3, ["gateway_revoked", "invalid_event", "gateway_revoked"])
    assert not UsageEvent.objects.exists()
    kept = QuarantinedEvent.objects.order_by("index").values_list("code", "request_id", "workspace__name")
    assert list(kept) == [
        ("gateway_revoked", "req_1", "Acme"),
        ("invalid_event", "bad", None),
        ("gateway_revoked", "second", "Acme"),
    ]


def test_so_does_a_correction_that_passed(gateway: Gateway, key: APIKey) -> None:
    send(gateway, [an_event(key)])
    batch = hand_in(gateway, void(key), now=NOW + AT_ONCE)
    issue.revoke_gateway(gateway, WHO, NOW + AT_ONCE)
    work(NOW + timedelta(hours=1))
    assert outcome(batch) == ("processed", 0, 1, ["gateway_revoked"])
    assert UsageEvent.objects.get().get_status_display() == "succeeded"


def test_what_comes_by_itself_for_a_revoked_gateway_is_kept_whole(gateway: Gateway, key: APIKey) -> None:
    issue.revoke_gateway(gateway, WHO, NOW)
    batch = send(Gateway.objects.get(pk=gateway.pk), [an_event(key), an_event(key, request_id="second")])
    assert outcome(batch) == ("processed", 0, 2, ["gateway_revoked", "gateway_revoked"])
    first = QuarantinedEvent.objects.order_by("index")[0]
    assert (first.gateway, first.workspace, first.message) == (
        gateway,
        key.workspace,
        "Its gateway was revoked before it came.",
    )


def test_an_operator_who_replays_it_counts_it(gateway: Gateway, key: APIKey) -> None:
    issue.revoke_gateway(gateway, WHO, NOW)
    send(Gateway.objects.get(pk=gateway.pk), [an_event(key)])
    replay_events(list(QuarantinedEvent.objects.values_list("pk", flat=True)), WHO, NOW + AT_ONCE)
    work(NOW + timedelta(hours=1))
    assert UsageEvent.objects.get().gateway == gateway
    assert not QuarantinedEvent.objects.open().exists()
