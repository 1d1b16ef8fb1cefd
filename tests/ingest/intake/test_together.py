"""Requests that come at the same time are stored by one statement; one that is refused keeps no other from it."""

import gzip
import json
from typing import Any

import pytest
import time_machine
from django.db import OperationalError

from metering.ingest.intake import together
from metering.ingest.intake.api import CorrectionsView, EventsView, LiteLLMView
from metering.ingest.intake.inbox import put
from metering.ingest.intake.together import Posted, receive_together
from metering.ingest.models import Batch, QuarantinedEvent, UsageEvent
from tests.ingest.formats.payloads import CAPTURED, as_json, payload_of
from tests.kit.corrections import void
from tests.kit.factories import NOW, an_event, body_of, make_key, make_price, make_workspace, work
from workspaces.keys.secrets import new_secret
from workspaces.models import APIKey, Gateway

pytestmark = pytest.mark.django_db

JSON = "application/json"


@pytest.fixture(autouse=True)
def _the_fixed_day() -> Any:
    with time_machine.travel(NOW, tick=False):
        yield


def posted(gateway: Gateway, body: bytes, encoding: str = "", view: Any = EventsView) -> Posted:
    return Posted(gateway, JSON, encoding, body, view.payload)


def test_each_is_a_batch_of_its_own_and_all_are_one_statement(
    gateway: Gateway, key: APIKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_together: list[int] = []

    def counted(batches: list[Batch]) -> None:
        put_together.append(len(batches))
        put(batches)

    monkeypatch.setattr(together, "put", counted)
    bodies = [body_of([an_event(key, request_id=f"r{at}")]) for at in range(20)]
    batches = receive_together([posted(gateway, body) for body in bodies])
    assert put_together == [20]
    ids = [batch.public_id for batch in batches if batch is not None]
    assert len(set(ids)) == 20
    stored = {batch.public_id: (batch.pk, batch.event_count, bytes(batch.body)) for batch in Batch.objects.all()}
    assert [stored[each.public_id] for each in batches if each] == [
        (each.pk, 1, body) for each, body in zip(batches, bodies, strict=True) if each
    ]
    work()
    assert UsageEvent.objects.count() == 20


def test_what_is_refused_is_left_to_its_view_and_the_others_are_stored(gateway: Gateway, key: APIKey) -> None:
    good, late = (body_of([an_event(key, request_id=name)]) for name in ("good", "late"))
    partly = body_of([an_event(key, request_id="fine"), {"request_id": "not an event"}])
    bound = Gateway.objects.create(name="bound")
    bound.workspaces.add(make_workspace("Elsewhere"))
    cases = [
        posted(gateway, good),
        posted(gateway, b"{"),
        posted(gateway, partly),
        posted(gateway, good, "br"),
        posted(bound, good),
        posted(gateway, gzip.compress(late), "gzip"),
        posted(gateway, gzip.compress(late)[:-3], "gzip"),
    ]
    assert [batch is not None for batch in receive_together(cases)] == [True, False, False, False, False, True, False]
    assert Batch.objects.count() == 2
    assert not QuarantinedEvent.objects.exists()


def test_every_endpoint_reads_its_own_format(gateway: Gateway, key: APIKey) -> None:
    make_price("up-codex")
    litellm = as_json(payload_of(metadata__user_api_key_auth_metadata__omx_key_id=key.public_id))
    bodies = {
        EventsView: body_of([an_event(key)]),
        CorrectionsView: json.dumps({"corrections": [void(key)]}).encode(),
        LiteLLMView: litellm,
    }
    with time_machine.travel(CAPTURED, tick=False):
        found = receive_together([posted(gateway, body, view=view) for view, body in bodies.items()])
    kinds = [batch and (batch.kind, batch.source, batch.event_count) for batch in found]
    assert kinds == [("events", "http", 1), ("corrections", "http", 1), ("events", "litellm", 1)]


def test_a_secret_in_a_body_is_not_stored(gateway: Gateway, key: APIKey) -> None:
    secret = new_secret("live")
    (batch,) = receive_together([posted(gateway, body_of([an_event(key, user=secret)]))])
    assert batch is not None
    assert secret.encode() not in bytes(Batch.objects.get().body)


def test_without_a_database_each_is_left_to_its_view(gateway: Gateway, key: APIKey, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(_: Any) -> None:
        raise OperationalError("the connection is lost")

    monkeypatch.setattr(together, "put", away)
    assert receive_together([posted(gateway, body_of([an_event(key)]))] * 3) == [None] * 3


def test_of_a_full_inbox_the_view_tells(gateway: Gateway, key: APIKey, settings: Any) -> None:
    settings.INGEST_MAX_WAITING_BATCHES = 2
    bodies = [body_of([an_event(key, request_id=f"r{at}")]) for at in range(4)]

    def stored(some: list[bytes]) -> list[bool]:
        return [batch is not None for batch in receive_together([posted(gateway, body) for body in some])]

    assert stored(bodies[:2]) == [True, True]
    assert stored(bodies[2:]) == [False, False]
    assert Batch.objects.count() == 2


def test_keys_of_several_workspaces_may_come_together(gateway: Gateway, key: APIKey) -> None:
    other = make_key(make_workspace("Other"))
    bodies = [body_of([an_event(each, request_id=each.public_id)]) for each in (key, other)]
    receive_together([posted(gateway, body) for body in bodies])
    work()
    assert set(UsageEvent.objects.values_list("key_id", flat=True)) == {key.pk, other.pk}
