"""Corrections over HTTP: at the gateway's endpoint, and what a customer reads of them afterwards."""

import csv
import io
import json
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
import time_machine
from django.test import Client

from metering.ingest.models import Batch
from tests.ingest.intake.endpoints import error_of
from tests.kit.billing import at
from tests.kit.corrections import SMALL_USAGE, correct, everything_agrees, replace, void
from tests.kit.factories import GOLDEN_USAGE, NOW, make_price, work
from tests.kit.tenants import Sender, Tenant, a_tenant
from workspaces.keys import secrets
from workspaces.keys.credentials import give_secret
from workspaces.models import Gateway

pytestmark = pytest.mark.django_db
ENDPOINT = "/gateway/v1/corrections"
EVENTS = "/api/v1/usage/events"


@pytest.fixture(autouse=True)
def _the_fixed_day() -> Iterator[None]:
    with time_machine.travel(NOW, tick=False):
        yield


@pytest.fixture
def token(gateway: Gateway) -> str:
    return give_secret(secrets.Kind.GATEWAY, NOW, gateway=gateway)


@pytest.fixture
def acme() -> Tenant:
    make_price()
    return a_tenant("Acme")


@pytest.fixture
def send(gateway: Gateway) -> Sender:
    return Sender(gateway)


def post(client: Client, token: str, corrections: Any) -> Any:
    headers = {"Authorization": f"Bearer {token}"}
    return client.post(ENDPOINT, json.dumps({"corrections": corrections}), content_type="application/json", headers=headers)


def test_the_endpoint_answers_once_they_are_stored_and_the_batch_tells_what_became_of_them(
    client: Client,
    token: str,
    acme: Tenant,
    send: Sender,
) -> None:
    send(acme.key, at("10-14T09:30"), at("10-14T09:31"))
    wrong = {"key_id": acme.key.public_id, "request_id": "req-1", "action": "erase"}
    with_usage = void(acme.key, "req-2", usage=GOLDEN_USAGE)
    answer = post(client, token, [void(acme.key, "req-1"), wrong, with_usage, replace(acme.key, SMALL_USAGE, "req-2")])
    assert answer.status_code == 202
    batch = Batch.objects.get(kind="corrections")
    answered = answer.json()
    assert (answered["batch_id"], answered["accepted"]) == (batch.public_id, 2)
    assert [(each["index"], each["request_id"], each["code"]) for each in answered["rejected"]] == [
        (1, "req-1", "invalid_correction"),
        (2, "req-2", "invalid_correction"),
    ]
    work()
    shown = client.get(f"/gateway/v1/batches/{batch.public_id}", headers={"Authorization": f"Bearer {token}"}).json()
    assert shown["status"] == "processed"
    assert shown["counts"] == {"recorded": 2, "duplicate": 0, "conflict": 0, "unpriced": 0, "rejected": 2}
    assert everything_agrees()


def test_what_is_no_list_of_corrections_is_refused_whole(client: Client, token: str) -> None:
    headers = {"Authorization": f"Bearer {token}"}
    for body in (b"{", b'{"events": []}', b'{"corrections": []}'):
        answer = client.post(ENDPOINT, body, content_type="application/json", headers=headers)
        assert (answer.status_code, error_of(answer)["code"]) == (400, "malformed_body")
    answer = client.post(ENDPOINT, b"{}", content_type="application/json")
    assert answer.status_code == 401
    assert not Batch.objects.exists()


def test_an_event_tells_its_history_and_nobodys_name(gateway: Gateway, acme: Tenant, send: Sender) -> None:
    send(acme.key, at("10-14T09:30"), usage=SMALL_USAGE, usage_source="estimated")
    price = acme.admin.get(f"{EVENTS}/req-1").json()["data"][0]["price_id"]
    correct(gateway, replace(acme.key, GOLDEN_USAGE, "req-1", reason="the provider's count"))
    correct(gateway, void(acme.key, "req-1"))
    small = {
        "status": "succeeded",
        "usage_source": "estimated",
        "input_tokens": 1000,
        "cached_input_tokens": 0,
        "cache_write_tokens": 0,
        "output_tokens": 100,
        "reasoning_tokens": 0,
        "components": [],
        "cost": "0.002100000000",
        "price_id": price,
        "currency": "USD",
    }
    golden = small | {
        "usage_source": "provider",
        "input_tokens": 2006,
        "cached_input_tokens": 1920,
        "output_tokens": 300,
        "reasoning_tokens": 192,
        "cost": "0.002649000000",
    }
    nothing = dict.fromkeys(small, 0) | {
        "status": "voided",
        "usage_source": "provider",
        "components": [],
        "cost": "0.000000000000",
        "price_id": None,
        "currency": "USD",
    }
    (attempt,) = acme.live.get(f"{EVENTS}/req-1").json()["data"]
    common = {"recorded_at": "2026-10-15T12:00:00Z", "took_effect": True}
    assert attempt["corrections"] == [
        {"action": "replace", "reason": "the provider's count", **common, "before": small, "after": golden},
        {"action": "void", "reason": "", **common, "before": golden, "after": nothing},
    ]
    assert (attempt["status"], attempt["cost"], attempt["price_id"]) == ("voided", "0.000000000000", None)
    assert {(part["tokens"], part["cost"]) for part in attempt["components"]} == {(0, "0.000000000000")}
    assert gateway.name not in json.dumps(attempt)


def test_attempts_have_histories_of_their_own(gateway: Gateway, acme: Tenant, send: Sender) -> None:
    send(acme.key, at("10-14T09:30"), request_id="r")
    send(acme.key, at("10-14T09:31"), request_id="r", attempt=1)
    correct(gateway, void(acme.key, "r", attempt=1))
    first, second = acme.admin.get(f"{EVENTS}/r").json()["data"]
    assert (first["corrections"], [each["action"] for each in second["corrections"]]) == ([], ["void"])


def test_voided_requests_are_on_no_list_export_or_total_unless_asked_for(gateway: Gateway, acme: Tenant, send: Sender) -> None:
    """Also within the hours that an answer reads from events."""
    instants = [at(f"10-14T09:{minute:02}") for minute in range(10)]
    send(acme.key, *instants)
    correct(gateway, *(void(acme.key, f"req-{number}") for number in (2, 5, 9)))

    def listed(**query: Any) -> list[str]:
        return [each["request_id"] for each in acme.admin.get(EVENTS, query).json()["data"]]

    standing = [f"req-{number}" for number in (10, 8, 7, 6, 4, 3, 1)]
    assert listed() == standing
    assert listed(model="codex-mini") == standing
    assert listed(status="voided") == ["req-9", "req-5", "req-2"]
    assert listed(status="voided", model="codex-mini", limit=2) == ["req-9", "req-5"]
    assert listed(status="voided", model="grok-3") == []
    assert listed(status=["voided", "succeeded"]) == [f"req-{number}" for number in range(10, 0, -1)]

    for start, end in (("2026-10-14T00:00:00Z", "2026-10-15T00:00:00Z"), ("2026-10-14T09:01:00Z", "2026-10-14T09:08:30Z")):
        span = {"start": start, "end": end}
        total = acme.admin.get("/api/v1/usage", span).json()["total"]
        lines = b"".join(acme.admin.get(EVENTS, span | {"format": "csv"}).streaming_content).decode()  # type: ignore[attr-defined]
        rows = list(csv.DictReader(io.StringIO(lines)))
        assert (len(rows), sum(Decimal(row["cost"]) for row in rows)) == (total["requests"], Decimal(total["cost"]))
        assert acme.admin.get("/api/v1/usage", span | {"status": "voided"}).json()["total"]["requests"] == 0
    assert total["requests"] == 5
    assert everything_agrees(NOW)
