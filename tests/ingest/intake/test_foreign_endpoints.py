"""LiteLLM and CloudEvents over HTTP: the same promises as for our own format, and nothing kept that is not ours."""

import gzip
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import time_machine
from django.db import connection
from django.http import HttpResponse
from django.test import Client

from metering.ingest.models import Batch, QuarantinedEvent, UsageEvent
from tests.ingest.formats.payloads import CAPTURED, Payload, as_json, changed, every_payload, payload_of, payloads_of
from tests.ingest.intake.endpoints import EVENTS, error_of, nothing_stored
from tests.kit.factories import GOLDEN_COST, GOLDEN_USAGE, make_key, make_price, make_workspace, work
from workspaces.keys import issue
from workspaces.models import APIKey

pytestmark = pytest.mark.django_db

LITELLM = "/gateway/v1/events/litellm"
ONE = "application/cloudevents+json"
BATCH = "application/cloudevents-batch+json"
LIVE = "omx_live_" + "7" * 36
FOREIGN = "sk-proj-4f9aQ2plaintext"
KEY_PATH = "metadata__user_api_key_auth_metadata__omx_key_id"

Send = Callable[..., HttpResponse]


@pytest.fixture(autouse=True)
def _the_day_of_the_samples() -> Iterator[None]:
    with time_machine.travel(CAPTURED, tick=False):
        yield


@pytest.fixture
def key() -> APIKey:
    make_price("up-codex")
    return make_key(make_workspace())


@pytest.fixture
def send(client: Client) -> Send:
    token = issue.create_gateway("eu-1", "test", CAPTURED)[1]

    def sent(body: bytes, path: str = LITELLM, content_type: str = "application/json", **headers: str) -> HttpResponse:
        return client.post(path, body, content_type=content_type, headers={"Authorization": f"Bearer {token}", **headers})

    return sent


def with_key(payload: Payload, key: APIKey) -> Payload:
    return changed(payload, **{KEY_PATH: key.public_id})


def process() -> Batch:
    work(CAPTURED)
    batch = Batch.objects.latest("id")
    assert batch.status == Batch.Status.PROCESSED
    return batch


def counts(batch: Batch) -> dict[str, int]:
    names = ("recorded", "duplicate", "conflict", "unpriced", "rejected")
    return {name: value for name in names if (value := getattr(batch, name))}


def stored_text() -> str:
    """Everything in the database, with bodies opened and bytes as they read."""
    texts = [bytes(batch.body).decode(errors="replace") for batch in Batch.objects.all()]
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f'SELECT t::text FROM "{table}" t')  # names from the database itself
            texts += [row[0] for row in cursor.fetchall()]
    return "\n".join(texts)


def traces(secret: str, *texts: str) -> list[str]:
    """The texts in which a secret is, in letters or as the database writes bytes."""
    return [text for text in texts if secret in text or secret.encode().hex() in text]


def test_the_captured_payloads_are_recorded_as_the_right_events(send: Send, key: APIKey) -> None:
    response = send(as_json([with_key(payload, key) for payload in every_payload()]))
    assert response.status_code == 202
    assert response.json() == {"batch_id": Batch.objects.get().public_id, "accepted": 13, "rejected": []}

    assert counts(process()) == {"recorded": 6, "unpriced": 7}
    rows = UsageEvent.objects.order_by("occurred_at").values_list(
        "provider__name",
        "service_tier__name",
        "status",
        "usage_source",
        "input_tokens",
        "cached_input_tokens",
        "cache_write_tokens",
        "output_tokens",
        "cost",
    )
    golden = (2006, 1920, 0, 300)
    assert list(rows) == [
        ("openai", "default", 0, 0, *golden, GOLDEN_COST),
        ("openai", "default", 0, 0, *golden, GOLDEN_COST),
        ("openai", "default", 0, 0, *golden, GOLDEN_COST),
        ("openai", "default", 0, 0, *golden, GOLDEN_COST),
        ("openai", "priority", 0, 0, *golden, None),
        ("openai", "default", 0, 0, *golden, None),
        ("openai", "default", 0, 0, *golden, None),
        ("anthropic", "default", 0, 0, 2098, 1800, 248, 503, None),
        ("openai", "default", 2, 0, 0, 0, 0, 0, 0),
        ("openai", "default", 0, 0, *golden, None),
        ("openai", "default", 1, 1, 17, 0, 0, 9, None),
        ("openai", "default", 0, 0, *golden, None),
        ("openai", "default", 2, 1, 17, 0, 0, 1, 0),
    ]


def test_payloads_sent_again_in_other_company_are_duplicates(send: Send, key: APIKey) -> None:
    payloads = [with_key(payload, key) for payload in every_payload()]
    send(as_json(payloads))
    process()
    send(b"\n".join(as_json(payload) for payload in reversed(payloads)), content_type="application/x-ndjson")
    assert counts(process()) == {"duplicate": 13}
    send(as_json(payloads[0]))
    assert counts(process()) == {"duplicate": 1}
    assert UsageEvent.objects.count() == 13


def test_a_failover_is_two_attempts_of_one_request_and_one_is_billed(send: Send, key: APIKey) -> None:
    make_price("up-gpt5")
    send(as_json([with_key(payload, key) for payload in payloads_of("fail_fallback")]))
    assert counts(process()) == {"recorded": 2}
    failed, served = UsageEvent.objects.order_by("occurred_at")
    assert failed.request_id == served.request_id
    assert (failed.cost, served.cost) == (0, GOLDEN_COST)


def test_a_bad_payload_is_quarantined_and_its_neighbours_are_recorded(send: Send, key: APIKey) -> None:
    good = with_key(payload_of(), key)
    unpaid = with_key(payload_of("chat_stream_usage", model_parameters__service_tier="priority"), key)
    response = send(as_json([7, good, {**good, "metadata": None}, unpaid]))

    assert response.status_code == 202
    assert response.json()["accepted"] == 1
    refused = [(item["index"], item["code"]) for item in response.json()["rejected"]]
    assert refused == [(0, "invalid_litellm_payload"), (2, "invalid_event"), (3, "served_tier_unknown")]
    assert counts(process()) == {"recorded": 1, "rejected": 3}
    assert list(QuarantinedEvent.objects.order_by("index").values_list("index", "code")) == refused


@pytest.mark.parametrize(
    ("call_type", "code"),
    [("aimage_generation", "usage_missing"), ("image_edit", "usage_missing"), ("acompletion", "invalid_event")],
)
@pytest.mark.parametrize("more", ['{"a":' * 20 + "1" + "}" * 20, "[" * 20 + "1" + "]" * 20, "1e70", "1e999"])
def test_usage_that_no_provider_states_is_refused_alone(send: Send, key: APIKey, call_type: str, code: str, more: str) -> None:
    good = with_key(payload_of(), key)
    odd = as_json({**with_key(payload_of(metadata__usage_object={"x": "MORE"}), key), "call_type": call_type})
    response = send(b"[%s,%s]" % (odd.replace(b'"MORE"', more.encode()), as_json({**good, "litellm_call_id": "good"})))
    assert response.status_code == 202
    assert (response.json()["accepted"], [item["code"] for item in response.json()["rejected"]]) == (1, [code])
    assert counts(process()) == {"recorded": 1, "rejected": 1}


@pytest.mark.parametrize("secret", [LIVE, FOREIGN])
def test_a_plaintext_key_is_in_no_table_log_or_answer(
    send: Send, key: APIKey, secret: str, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str], client: Client
) -> None:
    good = with_key(payload_of(metadata__user_api_key_hash=secret), key)
    unauthorized = changed(
        payloads_of("fail_fallback")[0], metadata__user_api_key_hash=secret, metadata__user_api_key_auth_metadata=None
    )
    broken = {"litellm_call_id": "c", "metadata": secret}
    caplog.set_level("DEBUG")
    response = send(as_json([good, unauthorized, broken]))
    assert response.json()["accepted"] == 1
    process()

    out, err = capfd.readouterr()
    assert traces(secret, response.content.decode(), stored_text(), caplog.text, out, err) == []
    assert traces(key.public_id, stored_text()) != []
    assert traces("Explain this model", stored_text(), caplog.text, out, err) == []


@pytest.mark.parametrize("body", [b"", b"hello", b"{", b"[", b"[]", b"null"])
def test_a_body_that_holds_no_payloads_is_refused_and_nothing_stored(send: Send, body: bytes) -> None:
    response = send(body)
    assert response.status_code == 400
    assert error_of(response)["type"] == "invalid_request_error"
    assert nothing_stored()


def test_more_than_a_thousand_payloads_are_too_many(send: Send) -> None:
    response = send(b"[" + b",".join([b"{}"] * 1001) + b"]")
    assert (response.status_code, error_of(response)["code"]) == (413, "batch_too_large")
    assert nothing_stored()


def test_payloads_may_come_compressed(send: Send, key: APIKey) -> None:
    response = send(gzip.compress(as_json(with_key(payload_of(), key))), **{"Content-Encoding": "gzip"})
    assert response.status_code == 202
    assert counts(process()) == {"recorded": 1}


def test_litellms_endpoint_asks_for_a_gateways_token(client: Client) -> None:
    assert client.post(LITELLM, b"[]", content_type="application/json").status_code == 401
    assert client.get(LITELLM).status_code == 405


def envelope(key: APIKey, **changes: Any) -> dict[str, Any]:
    data = {"key_id": key.public_id, "model": "up-codex", "usage": GOLDEN_USAGE}
    whole = {
        "specversion": "1.0",
        "id": "ce-1",
        "source": "/eu-1",
        "type": "com.omixa.usage",
        "time": "2026-11-20T15:00:00Z",
        "data": data,
    }
    return {name: value for name, value in (whole | changes).items() if value is not None}


def test_a_cloudevent_is_recorded_under_its_id_and_time(send: Send, key: APIKey) -> None:
    response = send(as_json(envelope(key)), EVENTS, ONE + "; charset=utf-8")
    assert response.status_code == 202
    assert response.json()["accepted"] == 1
    assert counts(process()) == {"recorded": 1}
    event = UsageEvent.objects.get()
    assert (event.request_id, event.occurred_at.isoformat(), event.cost) == ("ce-1", "2026-11-20T15:00:00+00:00", GOLDEN_COST)

    send(as_json([envelope(key)]), EVENTS, BATCH)
    assert counts(process()) == {"duplicate": 1}


def test_a_bad_envelope_in_a_batch_is_quarantined_alone(send: Send, key: APIKey) -> None:
    response = send(as_json([envelope(key), envelope(key, type=None), envelope(key, id="ce-3")]), EVENTS, BATCH)
    assert response.status_code == 202
    assert [(item["index"], item["code"]) for item in response.json()["rejected"]] == [(1, "invalid_cloudevent")]
    assert counts(process()) == {"recorded": 2, "rejected": 1}
    assert QuarantinedEvent.objects.get().code == "invalid_cloudevent"


@pytest.mark.parametrize(
    ("body", "content_type"), [(b"{", ONE), (b"[]", ONE), (b"{}", BATCH), (b"[]", BATCH), (b'{"events": []}', BATCH)]
)
def test_a_body_that_holds_no_cloudevents_is_refused_and_nothing_stored(send: Send, body: bytes, content_type: str) -> None:
    assert send(body, EVENTS, content_type).status_code == 400
    assert nothing_stored()


def test_our_own_format_is_read_under_any_other_content_type(send: Send, key: APIKey) -> None:
    event = envelope(key)["data"] | {"request_id": "own", "occurred_at": "2026-11-20T15:00:00Z"}
    for content_type in ("application/json", "text/plain"):
        assert send(json.dumps({"events": [event]}).encode(), EVENTS, content_type).status_code == 202


@pytest.mark.parametrize("charset", ["utf-16", "utf-16-le", "utf-32", "utf-32-le"])
@pytest.mark.parametrize(
    ("path", "content_type", "body"),
    [
        (LITELLM, "application/json", [{"litellm_call_id": LIVE}]),
        (LITELLM, "application/json", {"litellm_call_id": LIVE}),
        (EVENTS, BATCH, [{"id": LIVE, "data": {}}]),
        (EVENTS, "application/json", {"events": [{"key_id": LIVE}]}),
        ("/gateway/v1/corrections", "application/json", {"corrections": [{"key_id": LIVE}]}),
    ],
)
def test_a_body_in_another_encoding_than_utf_8_is_refused_because_a_credential_would_pass_unseen(
    send: Send, path: str, content_type: str, body: Any, charset: str
) -> None:
    response = send(json.dumps(body).encode(charset), path, content_type)
    assert response.status_code == 400
    assert error_of(response)["code"] == "malformed_body"
    assert nothing_stored()
