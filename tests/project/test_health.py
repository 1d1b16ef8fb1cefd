"""What machines ask: does it live, can it work, how much waits."""

from typing import Any

import pytest
from django.db import OperationalError, connection
from django.test import Client

from tests.kit.factories import an_event, make_gateway, make_key, make_workspace, send

pytestmark = pytest.mark.django_db


def test_a_living_process_says_so_without_the_database(client: Client, django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(0):
        assert client.get("/healthz").json() == {"status": "ok"}


@pytest.fixture
def monitoring(settings: Any) -> dict[str, str]:
    """The headers of the operator's monitoring."""
    settings.METRICS_TOKEN = "s3cret"
    return {"Authorization": "Bearer s3cret"}


def test_readiness_tells_the_token_of_database_broker_and_backlog(client: Client, monitoring: dict[str, str]) -> None:
    key = make_key(make_workspace())
    send(make_gateway(), [an_event(key), an_event(key, request_id="b")], process=False)
    response = client.get("/readyz", headers=monitoring)
    ready = response.json()
    assert (response.status_code, ready["status"], ready["database"], ready["broker"]) == (200, "ok", "ok", "ok")
    assert (ready["waiting"]["batches"], ready["waiting"]["events"]) == (1, 2)
    assert ready["waiting"]["oldest_age_seconds"] > 0


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer wrong"}, {"X-Forwarded-For": "127.0.0.1"}])
def test_readiness_tells_strangers_one_word(client: Client, monitoring: dict[str, str], headers: dict[str, str]) -> None:
    def away(*_: Any) -> Any:
        raise OperationalError("connection to server at db.internal failed")

    response = client.get("/readyz", headers=headers)
    assert (response.status_code, response.json()) == (200, {"status": "ok"})
    with connection.execute_wrapper(away):
        response = client.get("/readyz", headers=headers)
    assert (response.status_code, response.json()) == (503, {"status": "not ready"})


def test_a_broker_that_is_away_is_reported_and_does_not_stop_ingest(
    client: Client, monkeypatch: pytest.MonkeyPatch, monitoring: dict[str, str]
) -> None:
    # In this order: the second is read from the first, and would be put back wrong.
    monkeypatch.setattr("omixa_billing.celery.app.conf.broker_write_url", "redis+socket:///nowhere/redis.sock")
    monkeypatch.setattr("omixa_billing.celery.app.conf.broker_url", "redis+socket:///nowhere/redis.sock")
    assert client.get("/readyz").json() == {"status": "ok"}
    response = client.get("/readyz", headers=monitoring)
    assert response.status_code == 200
    assert response.json()["broker"].startswith("away:")


def test_without_the_database_it_is_not_ready(client: Client, monitoring: dict[str, str]) -> None:
    def away(*_: Any) -> Any:
        raise OperationalError("connection refused")

    with connection.execute_wrapper(away):
        response = client.get("/readyz", headers=monitoring)
    assert (response.status_code, response.json()["database"]) == (503, "away: connection refused")


def test_metrics_count_the_backlog_and_are_not_public(client: Client, settings: Any, monitoring: dict[str, str]) -> None:
    key = make_key(make_workspace())
    send(make_gateway(), [an_event(key, model="unknown"), {}])
    send(make_gateway(), [an_event(key, request_id="b")], process=False)

    text = client.get("/metrics", headers=monitoring, REMOTE_ADDR="203.0.113.9").content.decode()
    assert "omixa_waiting_batches 1.0\n" in text
    assert "omixa_quarantined_events 1.0\n" in text
    assert "omixa_unpriced_events 1.0\n" in text
    assert "django_http_requests_total" in text

    assert client.get("/metrics", REMOTE_ADDR="127.0.0.1").status_code == 403
    settings.METRICS_TOKEN = ""  # loopback is no proof: behind a proxy every caller comes from there
    for sent in ({}, {"Authorization": "Bearer "}, {"Authorization": "Bearer s3cret"}):
        assert client.get("/metrics", headers=sent, REMOTE_ADDR="127.0.0.1").status_code == 403


@pytest.mark.parametrize("token", ["s3cret", "gehëim"])
def test_a_credential_of_any_bytes_is_compared_and_no_more(client: Client, settings: Any, token: str) -> None:
    settings.METRICS_TOKEN = token
    for header in (f"Bearer {token}x", "Bearer \xe9", "Bearer \udce9", ""):
        assert client.get("/metrics", headers={"Authorization": header}).status_code == 403
    as_wsgi_reads_it = f"Bearer {token}".encode().decode("latin-1")
    assert client.get("/metrics", headers={"Authorization": as_wsgi_reads_it}).status_code == 200


def test_an_unknown_address_answers_programs_in_json(client: Client) -> None:
    response = client.get("/api/v1/nothing")
    assert (response.status_code, response.json()["error"]["type"]) == (404, "not_found_error")
