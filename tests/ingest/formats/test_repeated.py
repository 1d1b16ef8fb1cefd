"""A name that an object of usage states twice: which one counts nobody can tell, so no way in takes either for it."""

import base64
import json
from collections.abc import Callable
from typing import Any

import pytest
from kombu.serialization import loads

from metering import tasks
from metering.console.quarantine.content import editable, has_secrets
from metering.errors import MalformedBody
from metering.ingest.formats.bodies import redact_json
from metering.ingest.formats.events import read_all
from metering.ingest.formats.payloads import of_cloudevents, of_corrections, of_events, of_litellm
from metering.ingest.formats.repeated import repeated_name
from metering.ingest.intake.broker.messages import Call, Message, read_call
from metering.ingest.intake.broker.store import store_call
from metering.ingest.intake.receive import receive
from metering.ingest.models import QuarantinedEvent, UsageEvent
from tests.ingest.formats.payloads import CAPTURED, payload_of
from tests.kit.factories import NOW, an_event, work
from workspaces.models import APIKey, Gateway

PLAIN = '{"prompt_tokens": 5, "completion_tokens": 1}'
REPEATED = [
    ('{"prompt_tokens": 5, "prompt_tokens": 5000, "completion_tokens": 1}', "usage.prompt_tokens"),
    ('{"prompt_tokens": 5, "completion_tokens": 1, "prompt_tokens": 5}', "usage.prompt_tokens"),
    ('{"prompt_tokens": 5, "prompt_tokens": null, "completion_tokens": 1}', "usage.prompt_tokens"),
    (r'{"prompt_tokens": 5, "prompt\u005ftokens": 5000, "completion_tokens": 1}', "usage.prompt_tokens"),
    (
        '{"prompt_tokens": 5, "completion_tokens": 1, "prompt_tokens_details": {"cached_tokens": 5, "cached_tokens": 0}}',
        "usage.prompt_tokens_details.cached_tokens",
    ),
    (
        '{"prompt_tokens": 5, "completion_tokens": 1, "prompt_tokens_details": {"cached_tokens": 5}, '
        '"prompt_tokens_details": null}',
        "usage.prompt_tokens_details",
    ),
    (
        '{"prompt_tokens": 5, "completion_tokens": 1, "prompt_tokens_details": {"cached_tokens": 5}, '
        '"prompt_tokens_details": {}}',
        "usage.prompt_tokens_details",
    ),
    ('{"prompt_tokens": 5, "completion_tokens": 1, "cost": 1, "cost": 2}', "usage.cost"),
    ('{"prompt_tokens": 5, "completion_tokens": 1, "x": [{"n": 7, "n": 0}]}', "usage.x[].n"),
    (
        '{"prompt_tokens": 5, "completion_tokens": 1, "speed": "fast", "speed": "slow"}',
        "usage.speed",
    ),
    ('{"input_tokens": 5, "output_tokens": 1, "output_tokens": 2, "cache_read_input_tokens": 0}', "usage.output_tokens"),
]
WayIn = Callable[[APIKey, Gateway, str], None]


def with_usage(sent: dict[str, Any], usage: str) -> str:
    return json.dumps(sent | {"usage": "USAGE"}).replace('"USAGE"', usage)


def an_event_with(key: APIKey, usage: str, **more: Any) -> str:
    return with_usage(an_event(key, **more), usage)


def native(key: APIKey, gateway: Gateway, usage: str) -> None:
    neighbour = an_event_with(key, PLAIN, request_id="neighbour")
    receive(of_events(redact_json(f'{{"events": [{an_event_with(key, usage)}, {neighbour}]}}'.encode())), gateway, NOW)


def alone_in_its_batch(key: APIKey, gateway: Gateway, usage: str) -> None:
    receive(of_events(redact_json(f'{{"events": [{an_event_with(key, usage)}]}}'.encode())), gateway, NOW)


def with_half_a_character(key: APIKey, gateway: Gateway, usage: str) -> None:
    event = an_event_with(key, usage, user="HALF").replace("HALF", r"\ud83d")
    receive(of_events(redact_json(f'{{"events": [{event}]}}'.encode())), gateway, NOW)


def cloud(key: APIKey, gateway: Gateway, usage: str) -> None:
    envelope = {"specversion": "1.0", "id": "a", "source": "s", "type": "t"}
    event = an_event(key)
    del event["request_id"]
    body = json.dumps(envelope | {"data": "DATA"}).replace('"DATA"', with_usage(event, usage)).encode()
    receive(of_cloudevents(redact_json(body), "application/cloudevents+json"), gateway, NOW)


def cloud_in_base64(key: APIKey, gateway: Gateway, usage: str) -> None:
    data = base64.b64encode(an_event_with(key, usage).encode()).decode()
    envelope = {"specversion": "1.0", "id": "a", "source": "s", "type": "t", "data_base64": data}
    receive(of_cloudevents(json.dumps(envelope).encode(), "application/cloudevents+json"), gateway, NOW)


def celery(key: APIKey, gateway: Gateway, usage: str) -> None:
    body = f'[[[{an_event_with(key, usage)}]], {{"gateway_id": "{gateway.public_id}"}}, {{}}]'.encode()
    call = read_call(Message({"task": "metering.ingest_events"}, "application/json", body))
    assert isinstance(call, Call)
    store_call(*call, NOW)


def celery_in_our_own_queue(key: APIKey, gateway: Gateway, usage: str) -> None:
    body = f'[[[{an_event_with(key, usage)}], "{gateway.public_id}"], {{}}, {{}}]'.encode()
    args, kwargs, _ = loads(body, "application/json", "utf-8")
    tasks.ingest_events(*args, **kwargs)


def litellm(key: APIKey, gateway: Gateway, usage: str) -> None:
    payload = payload_of(metadata__usage_object="USAGE")
    receive(of_litellm(redact_json(json.dumps(payload).replace('"USAGE"', usage).encode())), gateway, CAPTURED)


def litellm_with_half_a_character(key: APIKey, gateway: Gateway, usage: str) -> None:
    payload = payload_of(metadata__usage_object="USAGE") | {"prompt": "HALF"}
    body = json.dumps(payload).replace('"USAGE"', usage).replace("HALF", r"\ud83d").encode()
    receive(of_litellm(redact_json(body)), gateway, CAPTURED)


def correction(key: APIKey, gateway: Gateway, usage: str) -> None:
    sent = with_usage({"request_id": "req_1", "key_id": key.public_id, "action": "replace"}, usage)
    receive(of_corrections(redact_json(f'{{"corrections": [{sent}]}}'.encode())), gateway, NOW)


WAYS_IN = [
    *(native, alone_in_its_batch, with_half_a_character, cloud, cloud_in_base64, celery, celery_in_our_own_queue),
    *(litellm, litellm_with_half_a_character, correction),
]


@pytest.mark.django_db
@pytest.mark.parametrize("way_in", WAYS_IN, ids=lambda way_in: way_in.__name__)
@pytest.mark.parametrize(("usage", "path"), REPEATED)
def test_a_repeated_name_is_refused_at_every_way_in(
    key: APIKey, gateway: Gateway, way_in: WayIn, usage: str, path: str
) -> None:
    way_in(key, gateway, usage)
    work()
    held = QuarantinedEvent.objects.get()
    assert (held.code, held.message) == (
        "usage_name_repeated",
        f"{path} is stated more than once, and only one of them can be right: state it once.",
    )
    assert UsageEvent.objects.count() == (1 if way_in is native else 0)


@pytest.mark.django_db
@pytest.mark.parametrize("way_in", WAYS_IN, ids=lambda way_in: way_in.__name__)
@pytest.mark.parametrize("first", [PLAIN, '{"prompt_tokens": 7, "completion_tokens": 1, "cost": 1}'])
@pytest.mark.parametrize("second", [PLAIN, "null", "{}"])
def test_usage_itself_is_stated_once(key: APIKey, gateway: Gateway, way_in: WayIn, first: str, second: str) -> None:
    name = "usage_object" if way_in in (litellm, litellm_with_half_a_character) else "usage"
    way_in(key, gateway, f'{first}, "{name}": {second}')
    work()
    held = QuarantinedEvent.objects.get()
    assert (held.code, held.message.split(" ")[0]) == ("usage_name_repeated", "usage")


def test_data_of_a_cloudevent_is_stated_once() -> None:
    event = '{"request_id": "a", "usage": %s}'
    envelope = '{"specversion": "1.0", "id": "a", "source": "s", "type": "t", "data": %s, "data": %s}'
    body = (envelope % (event % PLAIN, event % PLAIN)).encode()
    [content] = of_cloudevents(body, "application/cloudevents+json").contents
    assert content.code == "usage_name_repeated"  # type: ignore[union-attr]


@pytest.mark.django_db
@pytest.mark.parametrize(
    "usage",
    [
        '{"prompt_tokens": null, "prompt_tokens": 5, "completion_tokens": 1}',
        '{"prompt_tokens":5,"completion_tokens":1,"total_tokens":null,"prompt_tokens_details":null}',
        '{"prompt_tokens" : 5, "completion_tokens" : 1, "total_tokens" : null}',
        '{"prompt_tokens": 5, "completion_tokens": 1, "completion_tokens_details": {"reasoning_tokens": null}}',
        '{"prompt_tokens": 5, "completion_tokens": 1, "note": "prompt_tokens: 7, a:b"}',
        '{"prompt_tokens": 5, "completion_tokens": 1, "x": [{"type": "a", "n": 0}, {"type": "a", "n": 0}]}',
    ],
)
def test_names_that_only_look_repeated_count(key: APIKey, gateway: Gateway, usage: str) -> None:
    native(key, gateway, usage)
    work()
    assert not QuarantinedEvent.objects.exists()
    assert list(UsageEvent.objects.values_list("input_tokens", "output_tokens")) == [(5, 1)] * 2


@pytest.mark.django_db
def test_labels_may_have_the_names_of_counts(key: APIKey, gateway: Gateway) -> None:
    event = an_event_with(key, PLAIN, metadata={"usage": {"max_tokens": 5}, "prompt_tokens": 1, "note": '"usage"'})
    receive(of_events(redact_json(f'{{"events": [{event}]}}'.encode())), gateway, NOW)
    work()
    assert UsageEvent.objects.get().input_tokens == 5


def test_plain_events_are_read_all_at_once() -> None:
    """None would say that one by one tells which of them is at fault, which takes twenty times as long."""
    event = {"request_id": "a", "key_id": "key_1", "model": "m", "occurred_at": NOW.isoformat(), "usage": json.loads(PLAIN)}
    read = read_all(json.dumps({"events": [event, event]}).encode(), NOW)
    assert read is not None
    assert len(read) == 2
    twice = json.dumps({"events": [event]}).replace('"prompt_tokens"', '"prompt_tokens": 1, "prompt_tokens"').encode()
    assert read_all(twice, NOW) is None


@pytest.mark.parametrize(
    ("stated", "at", "path"),
    [
        ('{"a": 1, "a": 1}', (), "a"),
        ('{"a": 1, "a": 1}', ("b",), None),
        ('{"a.b": {"c": 1, "c": 1}}', (), '"a.b".c'),
        ('{"m": {"u": {"x": 1, "x": 2}}, "y": 1, "y": 2}', ("m", "u"), "m.u.x"),
        ('{"m": {"u": 1}, "m": {"u": 1}}', ("m", "u"), "m"),
        ('{"m": {"v": 1, "v": 2, "u": {}}}', ("m", "u"), None),
        ('{"a": [[{"b": 1}, {"b": 2, "b": 2}]]}', (), "a[][].b"),
        ('{"a": %s, "a": 1}' % ("9" * 5000), (), "a"),
    ],
)
def test_a_repeated_name_is_named_by_its_path(stated: str, at: tuple[str, ...], path: str | None) -> None:
    assert repeated_name(stated.encode(), *at) == path


def test_an_operator_sees_and_edits_both() -> None:
    content = b'{"request_id": "a", "usage": {"prompt_tokens": 5, "prompt_tokens": 5000}}'
    assert editable(content).count('"prompt_tokens"') == 2
    assert not has_secrets(content)


@pytest.mark.parametrize("first", ["[]", "null", "[%s]"])
@pytest.mark.parametrize("kind", ["events", "corrections"])
def test_a_body_has_one_list(kind: str, first: str) -> None:
    """Else the events of the first would be lost without a word."""
    event = with_usage({"request_id": "a", "key_id": "k", "model": "m", "occurred_at": NOW.isoformat()}, PLAIN)
    if "%s" in first:
        first = first % event
    body = f'{{"{kind}": {first}, "{kind}": [{event}]}}'.encode()
    if kind == "events" and len(first) > 4:
        assert read_all(body, NOW) is None
    payload = of_events(body) if kind == "events" else of_corrections(body)
    if first == "null":
        assert len(payload.contents) == 1
        return
    with pytest.raises(MalformedBody, match=f"{kind} is stated more than once"):
        payload.contents  # noqa: B018


@pytest.mark.django_db
def test_two_lists_in_one_body_or_message_store_nothing_that_would_lose_one(key: APIKey, gateway: Gateway) -> None:
    event = an_event_with(key, PLAIN)
    twice = f'{{"events": [{event}], "events": [{event}]}}'
    with pytest.raises(MalformedBody):
        receive(of_events(twice.encode()), gateway, NOW)
    call = read_call(Message({"task": "metering.ingest_events"}, "application/json", f"[[{twice}], {{}}, {{}}]".encode()))
    assert isinstance(call, Call)
    store_call(*call, NOW, gateway)
    work()
    held = QuarantinedEvent.objects.get()
    assert (held.code, bytes(held.content).count(b'"events"')) == ("malformed_batch", 2)
    assert not UsageEvent.objects.exists()
