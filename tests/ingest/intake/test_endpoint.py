"""What bad events get: recorded, or quarantined with their reason, while their neighbours are recorded."""

import json
from typing import Any

import pytest
from django.db import OperationalError, connection
from django.test import Client

from metering.ingest.models import Batch, QuarantinedEvent, UsageEvent
from tests.ingest.intake.endpoints import EVENTS, Post, error_of, nothing_stored
from tests.kit.factories import NOW, an_event, body_of, make_key, make_workspace, work
from workspaces.keys import issue
from workspaces.models import APIKey

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("_the_fixed_day")]


def test_a_batch_is_acknowledged_with_what_was_accepted(post: Post, key: APIKey, client: Client, token: str) -> None:
    response = post(body_of([an_event(key), an_event(key, request_id="b", usage=None)]))

    assert response.status_code == 202
    answer = response.json()
    assert answer == {
        "batch_id": Batch.objects.get().public_id,
        "accepted": 1,
        "rejected": [
            {
                "index": 1,
                "request_id": "b",
                "code": "usage_missing",
                "message": "A succeeded event must carry its usage; only a failed one may leave it out.",
            }
        ],
    }
    shown = client.get(f"/gateway/v1/batches/{answer['batch_id']}", headers={"Authorization": f"Bearer {token}"}).json()
    assert (shown["status"], shown["processed_at"]) == ("pending", None)
    assert shown["counts"] == {"recorded": 0, "duplicate": 0, "conflict": 0, "unpriced": 0, "rejected": 1}

    work()
    shown = client.get(f"/gateway/v1/batches/{answer['batch_id']}", headers={"Authorization": f"Bearer {token}"}).json()
    assert (shown["status"], shown["received_at"]) == ("processed", "2026-10-15T12:00:00Z")
    assert shown["counts"] == {"recorded": 1, "duplicate": 0, "conflict": 0, "unpriced": 0, "rejected": 1}
    assert [(item["index"], item["attempt"], item["outcome"]) for item in shown["items"]] == [(1, 0, "rejected")]


USAGE = {"prompt_tokens": 10, "completion_tokens": 5}


@pytest.mark.parametrize(
    ("overrides", "code"),
    [
        ({"usage": USAGE | {"prompt_tokens": -1}}, "invalid_event"),
        ({"usage": USAGE | {"prompt_tokens": 1.5}}, "invalid_event"),
        ({"usage": USAGE | {"prompt_tokens": 10.0}}, "invalid_event"),
        ({"usage": USAGE | {"prompt_tokens": "10"}}, "invalid_event"),
        ({"usage": USAGE | {"prompt_tokens": True}}, "invalid_event"),
        ({"usage": USAGE | {"prompt_tokens": 2**31}}, "invalid_event"),
        ({"usage": USAGE | {"prompt_tokens": 2**53 + 1}}, "invalid_event"),
        ({"usage": USAGE | {"completion_tokens": 2**63}}, "invalid_event"),
        ({"usage": USAGE | {"completion_tokens": 10**40}}, "invalid_event"),
        ({"usage": USAGE | {"prompt_tokens_details": {"cached_tokens": 11}}}, "usage_inconsistent"),
        ({"usage": USAGE | {"prompt_tokens_details": {"cached_tokens": 6, "cache_write_tokens": 5}}}, "usage_inconsistent"),
        ({"usage": USAGE | {"completion_tokens_details": {"reasoning_tokens": 6}}}, "usage_inconsistent"),
        ({"usage": USAGE | {"total_tokens": 16}}, "usage_inconsistent"),
        ({"usage": {}}, "usage_missing"),
        ({"usage": {"prompt_tokens": 10}}, "usage_missing"),
        ({"usage": {"completion_tokens": 10}}, "usage_missing"),
        ({"usage": USAGE | {"input_tokens": 100_000, "output_tokens": 5}}, "usage_inconsistent"),
        ({"usage": USAGE | {"input_tokens": 10, "output_tokens": 6}}, "usage_inconsistent"),
        ({"request_id": "half an emoji: \ud83d"}, "invalid_event"),
        ({"usage": USAGE | {"half": "\ud83d"}}, "invalid_event"),
        ({"occurred_at": "2026-W42-4T00:00:00Z"}, "invalid_event"),
        ({"occurred_at": "2026-10-15T11:59:60Z"}, "invalid_event"),
        ({"usage": []}, "invalid_event"),
        ({"usage": {"input_tokens": 10, "output_tokens": 5}, "dialect": "openai.chat"}, "usage_missing"),
        ({"dialect": "anthropic"}, "usage_missing"),
        ({"dialect": "openai"}, "invalid_event"),
        ({"occurred_at": "2026-10-15T11:55:00"}, "invalid_event"),
        ({"occurred_at": "yesterday"}, "invalid_event"),
        ({"occurred_at": 1_792_000_000}, "invalid_event"),
        ({"occurred_at": "2026-02-29T00:00:00Z"}, "invalid_event"),
        ({"occurred_at": "2026-10-15T12:10:00.000001Z"}, "occurred_at_in_the_future"),
        ({"occurred_at": "2099-01-01T00:00:00Z"}, "occurred_at_in_the_future"),
        ({"occurred_at": "1970-01-01T00:00:00Z"}, "occurred_at_too_old"),
        ({"occurred_at": "0001-01-01T00:00:00+14:00"}, "occurred_at_out_of_range"),
        ({"occurred_at": "2025-09-10T11:59:59Z"}, "occurred_at_too_old"),
        ({"key_id": "key_nobody"}, "unknown_key"),
        ({"key_id": 7}, "invalid_event"),
        ({"model": ""}, "invalid_event"),
        ({"model": "m" * 301}, "invalid_event"),
        ({"model": "a\x00b"}, "invalid_event"),
        ({"request_id": ""}, "invalid_event"),
        ({"request_id": "x" * 513}, "invalid_event"),
        ({"request_id": "a\x00b"}, "invalid_event"),
        ({"attempt": -1}, "invalid_event"),
        ({"attempt": 2**31}, "invalid_event"),
        ({"attempt": True}, "invalid_event"),
        ({"status": "exploded"}, "invalid_event"),
        ({"status": "a\x00b"}, "invalid_event"),
        ({"usage_source": "guess"}, "invalid_event"),
        ({"latency_ms": -1}, "invalid_event"),
        ({"stream": "yes"}, "invalid_event"),
        ({"metadata": "text"}, "invalid_event"),
        ({"metadata": {"a": "x" * 4096}}, "metadata_too_large"),
        ({"service_tier": 1}, "invalid_event"),
    ],
)
def test_a_bad_event_is_quarantined_and_its_neighbours_are_not(
    post: Post, key: APIKey, overrides: dict[str, Any], code: str
) -> None:
    events = [an_event(key, request_id="before"), an_event(key) | overrides, an_event(key, request_id="after")]
    answer = post(body_of(events)).json()

    assert answer["accepted"] == 2
    assert [(each["index"], each["code"]) for each in answer["rejected"]] == [(1, code)]
    quarantined = QuarantinedEvent.objects.get()
    assert (quarantined.index, quarantined.outcome, quarantined.code) == (1, "rejected", code)
    assert json.loads(bytes(quarantined.content)) == events[1]
    work()
    batch = Batch.objects.get()
    assert (batch.recorded, batch.rejected, batch.status) == (2, 1, "processed")
    assert set(UsageEvent.objects.values_list("request_id", flat=True)) == {"before", "after"}


@pytest.mark.parametrize("event", [5, "text", None, [], {}, {"request_id": 5}])
def test_an_event_that_is_no_event_is_quarantined(post: Post, key: APIKey, event: Any) -> None:
    answer = post(body_of([event, an_event(key)])).json()
    assert (answer["accepted"], answer["rejected"][0]["code"]) == (1, "invalid_event")


@pytest.mark.parametrize(
    "overrides",
    [
        {"occurred_at": "2026-10-15T12:00:03Z"},
        {"occurred_at": "2026-10-15T12:10:00Z"},
        {"occurred_at": "2026-10-13T12:00:00Z"},
        {"occurred_at": "2025-09-10T12:00:00Z"},
        {"occurred_at": "2026-10-15T14:00:00+02:00"},
        {"usage": {"prompt_tokens": 5, "total_tokens": 5}},
        {"usage": USAGE | {"prompt_tokens_details": None, "completion_tokens_details": {"reasoning_tokens": None}}},
        {"usage": USAGE | {"prompt_tokens_details": {"audio_tokens": 3}, "cost": 0.1}},
        {"usage": {"prompt_tokens": 2**31 - 1, "completion_tokens": 0}},
        {"status": None, "attempt": None, "metadata": None, "provider": None},
        {"request_id": "x" * 512},
        {"metadata": {"a": "x" * 4000}},
        {"a_field_of_tomorrow": 1},
        {"usage": USAGE | {"input_tokens": 10, "output_tokens": 5}},
        {"occurred_at": "2026-10-15t11:00:00.123456789z"},
        {"metadata": {"path": "C:\\u0041pp", "quote": '\\"'}},
    ],
)
def test_what_is_unusual_and_right_is_accepted(post: Post, key: APIKey, overrides: dict[str, Any]) -> None:
    assert post(body_of([an_event(key) | overrides])).json()["rejected"] == []
    work()
    assert UsageEvent.objects.count() == 1


def test_a_rejected_event_is_kept_under_the_workspace_whose_key_it_names(post: Post, key: APIKey) -> None:
    bad_count = an_event(key, usage=USAGE | {"prompt_tokens": -1})
    contradiction = an_event(key, request_id="b", usage=USAGE | {"total_tokens": 1})
    post(body_of([bad_count, contradiction, bad_count | {"key_id": "key_nobody"}, 5]))
    owners = QuarantinedEvent.objects.order_by("index").values_list("workspace", "request_id", "attempt")
    own = key.workspace_id
    assert list(owners) == [(own, "req_1", 0), (own, "b", 0), (None, "req_1", 0), (None, None, None)]


def test_an_admin_key_takes_no_usage(post: Post) -> None:
    admin = make_key(make_workspace(), kind="admin")
    assert post(body_of([an_event(admin)])).json()["rejected"][0]["code"] == "admin_key"


def test_a_whole_credential_in_an_event_is_never_stored_or_echoed(post: Post, key: APIKey) -> None:
    secret = issue.create_key(key.workspace, "live", "k", "test", NOW)[1]
    events = [an_event(key, metadata={"k": secret}), an_event(key, request_id="b") | {"key_id": secret}]
    response = post(body_of(events))
    work()

    stored = bytes(Batch.objects.get().body) + bytes(QuarantinedEvent.objects.get().content)
    assert secret.encode() not in stored + response.content
    assert UsageEvent.objects.get().details == {"metadata": {"k": "omx_live_[removed]"}}


def test_a_credential_spelt_in_escapes_is_never_stored_or_shown(post: Post, key: APIKey) -> None:
    secret = issue.create_key(key.workspace, "live", "k", "test", NOW)[1]
    spelt = "".join(f"\\u{ord(letter):04x}" for letter in secret)
    post(body_of([an_event(key, user="SPELT")]).replace(b"SPELT", spelt.encode()))
    work()
    assert UsageEvent.objects.get().details == {"user": "omx_live_[removed]"}
    assert spelt.encode() not in bytes(Batch.objects.get().body)


def test_bytes_that_are_no_utf8_refuse_only_the_event_that_holds_them(post: Post, key: APIKey) -> None:
    events = [an_event(key, request_id="before"), an_event(key, user="BAD"), an_event(key, request_id="after")]
    answer = post(body_of(events).replace(b"BAD", b"\xff\xfe")).json()
    assert (answer["accepted"], [each["code"] for each in answer["rejected"]]) == (2, ["invalid_event"])
    work()
    assert Batch.objects.get().recorded == 2


def test_nanoseconds_are_cut_and_never_rounded_into_the_next_month(post: Post, key: APIKey) -> None:
    post(body_of([an_event(key, occurred_at="2026-09-30T23:59:59.999999999Z")]))
    work()
    assert UsageEvent.objects.get().occurred_at.isoformat() == "2026-09-30T23:59:59.999999+00:00"


@pytest.mark.parametrize("batch_id", ["%00", "bat_%00x", "a%20b", "%FF"])
def test_a_batch_id_of_any_text_is_not_found(client: Client, token: str, batch_id: str) -> None:
    response = client.get(f"/gateway/v1/batches/{batch_id}", headers={"Authorization": f"Bearer {token}"})
    assert (response.status_code, error_of(response)["code"]) == (404, "not_found")


def test_a_database_that_became_read_only_stores_nothing_and_says_so(post: Post, key: APIKey) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET TRANSACTION READ ONLY")  # as a primary is after a failover
    response = post(body_of([an_event(key)]))
    assert (response.status_code, response["Retry-After"]) == (503, "5")
    assert error_of(response)["code"] == "storage_unavailable"


def test_without_a_token_nothing_is_read(client: Client) -> None:
    response = client.post(EVENTS, b"{}", content_type="application/json")
    assert (response.status_code, error_of(response)["type"]) == (401, "authentication_error")
    assert response["WWW-Authenticate"].startswith("Bearer")


def test_the_wrong_kind_of_credential_is_told_so(client: Client, key: APIKey) -> None:
    for kind in ("live", "admin"):
        secret = issue.create_key(key.workspace, kind, "k", "test", NOW)[1]
        response = client.post(EVENTS, b"{}", content_type="application/json", headers={"Authorization": f"Bearer {secret}"})
        assert (response.status_code, error_of(response)["type"]) == (403, "permission_error")
    assert nothing_stored()


def test_a_token_with_a_bad_checksum_costs_no_query(
    client: Client, django_assert_num_queries: Any, django_capture_on_commit_callbacks: Any
) -> None:
    broken = {"Authorization": "Bearer omx_gateway_" + "a" * 36}
    with django_capture_on_commit_callbacks(execute=True):
        client.post(EVENTS, headers=broken)  # the first refusal of an hour is recorded, and remembered once that is committed
    with django_assert_num_queries(0):
        response = client.post(EVENTS, headers=broken)
    assert response.status_code == 401


def test_another_gateways_batch_is_not_found(client: Client, post: Post, key: APIKey) -> None:
    batch_id = post(body_of([an_event(key)])).json()["batch_id"]
    stranger = issue.create_gateway("us-1", "test", NOW)[1]
    for batch in (batch_id, "bat_nonsense"):
        response = client.get(f"/gateway/v1/batches/{batch}", headers={"Authorization": f"Bearer {stranger}"})
        assert (response.status_code, error_of(response)["type"]) == (404, "not_found_error")


def test_a_get_where_only_a_post_is_answered(client: Client) -> None:
    response = client.get(EVENTS)
    assert (response.status_code, response["Allow"], error_of(response)["code"]) == (405, "POST, OPTIONS", "method_not_allowed")


def test_when_nothing_can_be_stored_the_gateway_is_asked_to_come_again(post: Post, key: APIKey) -> None:
    """The database going away in the middle; that it is away from the start is tested on the running product."""

    def away(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if "metering_batch" in sql:
            raise OperationalError("server closed the connection unexpectedly")
        return execute(sql, params, many, context)

    with connection.execute_wrapper(away):
        response = post(body_of([an_event(key)]))
    assert (response.status_code, response["Retry-After"]) == (503, "5")
    assert error_of(response)["code"] == "storage_unavailable"
    assert nothing_stored()
