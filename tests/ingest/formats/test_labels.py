"""Text beside the usage that no database can hold: replaced wherever it came in, and the usage counts."""

import base64
import json
from importlib import import_module
from typing import Any

import pytest
from django.db import connection

from metering.ingest.formats.cloudevents import BATCH
from metering.ingest.formats.events import Event, read_event
from metering.ingest.formats.payloads import of_cloudevents, of_events, of_litellm
from metering.ingest.intake.broker.store import store_call
from metering.ingest.intake.receive import receive
from metering.ingest.models import Batch, QuarantinedEvent, UsageEvent
from metering.limits.budgets.compare import limit_differences
from metering.limits.models import BudgetWindow
from tests.ingest.formats.payloads import CAPTURED, payload_of
from tests.kit.factories import NOW, an_event, send, work
from tests.limits.cast import a_budget
from workspaces.models import APIKey, Gateway

pytestmark = pytest.mark.django_db

LABELS = {
    "endpoint": "/v1\x00",
    "route": "r\x00",
    "user": "a\x00",
    "metadata": {"k\x00": ["v\x00", {"deep": "\x00"}], "not one": "\\u0000"},
}
HALVES = {
    "endpoint": "/v1\ud800",
    "route": "r\ud800",
    "user": "a\udfff",
    "metadata": {"k\ud800": ["v\ud800", {"deep": "\ud83d"}]},
}
CLEANED = {"endpoint": "/v1�", "route": "r�", "user": "a�", "metadata": {"k�": ["v�", {"deep": "�"}], "not one": "\\u0000"}}
REPLACED = "text_replaced"


def details() -> list[Any]:
    rows = UsageEvent.objects.order_by("pk").values_list("detail", flat=True)
    return [None if row is None else json.loads(row) for row in rows]


def read(**labels: Any) -> Event:
    event = an_event(APIKey(public_id="key_1"), **labels)
    return read_event(json.dumps(event).encode(), 0, NOW)


def test_a_nul_and_half_a_character_are_replaced_in_every_label() -> None:
    assert json.loads(read(**LABELS).detail or "") == CLEANED
    kept = json.loads(read(**HALVES).detail or "")
    assert kept == CLEANED | {"metadata": {"k�": ["v�", {"deep": "�"}]}}
    assert [read(**each).replaced for each in (LABELS, HALVES, {"user": "ann"}, {"metadata": {"a": "\\u0000"}})] == [
        True,
        True,
        False,
        False,
    ]


@pytest.mark.parametrize("labels", [LABELS, HALVES], ids=["NUL", "halves"])
def test_an_event_with_such_labels_counts_in_our_own_format_and_its_sender_is_warned(
    post: Any, key: APIKey, labels: dict[str, Any]
) -> None:
    events = [an_event(key, request_id="one"), an_event(key, request_id="two", **labels)]
    answer = post(json.dumps({"events": events}).encode()).json()
    assert (answer["accepted"], answer["rejected"]) == (2, [])
    assert [(each["index"], each["request_id"], each["code"]) for each in answer["warnings"]] == [(1, "two", REPLACED)]
    work()
    assert UsageEvent.objects.exclude(cost=None).count() == 2
    assert details()[1]["user"] == "a�"


def test_a_body_without_such_labels_is_answered_without_warnings(post: Any, key: APIKey) -> None:
    assert set(post(json.dumps({"events": [an_event(key)]}).encode()).json()) == {"batch_id", "accepted", "rejected"}


@pytest.mark.parametrize("labels", [LABELS, HALVES], ids=["NUL", "halves"])
@pytest.mark.parametrize("endpoint", ["celery", "cloudevents", "base64"])
def test_so_it_does_at_every_other_endpoint(gateway: Gateway, key: APIKey, labels: dict[str, Any], endpoint: str) -> None:
    event = an_event(key, **labels)
    if endpoint == "celery":
        store_call([[event]], {"gateway_id": gateway.public_id}, NOW)
    else:
        data = {"data": event}
        if endpoint == "base64":
            data = {"data_base64": base64.b64encode(json.dumps(event).encode()).decode()}
        envelope = {"specversion": "1.0", "id": "e", "source": "s", "type": "t"} | data
        receive(of_cloudevents(json.dumps([envelope]).encode(), BATCH), gateway, NOW)
    work()
    assert QuarantinedEvent.objects.count() == 0
    assert [each["user"] for each in details()] == ["a�"]


def test_litellm_calls_with_such_names_are_stored(gateway: Gateway, key: APIKey) -> None:
    auth = {"metadata__user_api_key_auth_metadata": {"omx_key_id": key.public_id}}
    payloads = [
        payload_of(**auth, end_user="a\x00", metadata__user_api_key_request_route="/\x00"),
        payload_of(**auth, call_type="aretrieve_batch", litellm_call_id="b\x00"),
    ]
    receive(of_litellm(json.dumps(payloads).encode()), gateway, CAPTURED)
    work(CAPTURED)
    passed = [item["request_id"] for item in Batch.objects.get().items if item["code"] == "not_inference"]
    assert passed == ["b�"]
    assert UsageEvent.objects.count() == 1


def test_one_nul_blocks_neither_its_batch_nor_what_a_budget_has_spent(gateway: Gateway, key: APIKey) -> None:
    each = a_budget(key.workspace, "5", "user", "*")
    both = a_budget(key.workspace, "5")
    batch = send(gateway, [an_event(key, request_id="bad", **LABELS), an_event(key, request_id="good", user="ann")])
    assert (batch.status, batch.recorded) == ("processed", 2)
    spent = {(row.budget_id, row.scope_value): row.spent for row in BudgetWindow.objects.all()}
    cost = UsageEvent.objects.values_list("cost", flat=True)[0]
    assert spent == {(each.pk, "a�"): cost, (each.pk, "ann"): cost, (both.pk, ""): 2 * cost}
    assert list(limit_differences(NOW)) == []


@pytest.mark.parametrize("name", ["request_id", "model", "key_id"])
@pytest.mark.parametrize("text", ["a\x00", "a\ud800"])
def test_a_name_that_counts_is_not_changed_but_refused(gateway: Gateway, key: APIKey, name: str, text: str) -> None:
    batch = receive(of_events(json.dumps({"events": [an_event(key) | {name: text}, an_event(key)]}).encode()), gateway, NOW)
    assert [(item["index"], item["code"]) for item in batch.items] == [(0, "invalid_event")]
    assert batch.warnings == []


def test_what_was_stored_before_becomes_readable(gateway: Gateway, key: APIKey) -> None:
    replace = import_module("metering.migrations.0037_storable_labels").REPLACE
    send(gateway, [an_event(key, metadata={"a": 1})])
    before = r'{"metadata":{"a\u0000":"\u0000\u0000","b":"\\u0000","c":"\\\u0000"},"user":"\u0000"}'
    UsageEvent.objects.update(detail=before)
    with connection.cursor() as cursor:
        cursor.execute(replace)
        cursor.execute("SELECT detail, detail::json ->> 'user' FROM metering_usageevent")
        [(detail, user)] = cursor.fetchall()
    assert json.loads(detail) == {"metadata": {"a�": "��", "b": "\\u0000", "c": "\\�"}, "user": "�"}
    assert user == "�"
