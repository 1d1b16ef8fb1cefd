"""The OpenAPI document is complete, valid, and true of what the endpoints really answer."""

import re
from typing import Any

import pytest
from django.core.management import call_command
from django.urls import get_resolver
from rest_framework.test import APIClient

from metering.catalogue.models import PriceVersion
from metering.invoicing.lifecycle.close import close_workspaces
from metering.payments.refunds.reversals import issue_credit_note
from metering.periods import parse_month
from tests.kit.billing import at
from tests.kit.days import fixed_day
from tests.kit.factories import NOW, an_event, make_price
from tests.kit.tenants import Sender, Tenant, acme, sender, with_key
from tests.openapi.document import check, document
from workspaces.keys import issue
from workspaces.models import Gateway

__all__ = ["acme", "fixed_day", "sender"]


def test_the_document_is_valid_and_made_without_a_warning(tmp_path: Any) -> None:
    call_command("spectacular", "--validate", "--fail-on-warn", "--file", str(tmp_path / "schema.yml"))


def test_every_endpoint_for_programs_is_in_the_document() -> None:
    paths = {f"/{pattern}" for pattern in _patterns(get_resolver().url_patterns)}
    programs = {path for path in paths if path.startswith(("/api/v1/", "/gateway/v1/"))}
    undescribed = programs - {"/api/v1/schema/", "/api/v1/docs/"}
    assert undescribed == set(document()["paths"])


def _patterns(patterns: Any, prefix: str = "") -> Any:
    for pattern in patterns:
        route = prefix + _without_converters(str(pattern.pattern))
        if hasattr(pattern, "url_patterns"):
            yield from _patterns(pattern.url_patterns, route)
        else:
            yield route


def _without_converters(route: str) -> str:
    return re.sub(r"<(?:[^:>]+:)?([^>]+)>", r"{\1}", route)


def test_every_operation_says_its_credential_and_its_errors() -> None:
    for path, operations in document()["paths"].items():
        for operation in operations.values():
            assert operation["summary"]
            assert operation["tags"]
            error = operation["responses"]["400"]["content"]["application/json"]["schema"]
            assert error == {"$ref": "#/components/schemas/Error"}
            public = {} in operation["security"]
            assert public == path.startswith("/api/v1/models")
            assert public or {"401", "403"} <= operation["responses"].keys()
    schemes = document()["components"]["securitySchemes"]
    assert {name: scheme["type"] for name, scheme in schemes.items()} == {
        "key": "http",
        "session": "apiKey",
        "gateway": "http",
        "operator": "http",
    }


def test_words_are_enumerated_and_times_and_limits_bounded() -> None:
    parameters = {each["name"]: each["schema"] for each in document()["paths"]["/api/v1/usage"]["get"]["parameters"]}
    assert parameters["bucket"]["enum"] == ["hour", "day", "month", "none"]
    assert parameters["group_by"]["items"]["enum"] == ["model", "key_id", "service_tier", "provider", "status"]
    assert parameters["status"]["items"]["enum"] == ["succeeded", "aborted", "failed", "voided"]
    assert parameters["start"] == {"type": "string", "format": "date-time"}
    assert parameters["format"]["enum"] == ["json", "csv"]
    events = {each["name"]: each["schema"] for each in document()["paths"]["/api/v1/usage/events"]["get"]["parameters"]}
    assert events["format"]["enum"] == ["json", "csv", "ndjson"]
    assert (events["limit"]["minimum"], events["limit"]["maximum"], events["limit"]["default"]) == (1, 1000, 100)


@pytest.mark.django_db
def test_usage_answers_are_as_described(acme: Tenant, send: Sender, codex_mini: PriceVersion) -> None:
    send(acme.key, at("10-14T09:30"), metadata={"a": [1]}, user="u", stream=True, latency_ms=3)
    send(acme.key, at("10-14T09:31"), request_id="a/b", model="unpriced")
    send(acme.key, at("10-14T09:32"), status="failed", usage=None)
    month = {"start": "2026-10-01T00:00:00Z", "end": "2026-11-01T00:00:00Z"}
    groups = {"bucket": "day", "group_by": "model,key_id,service_tier,provider,status"}
    rows = check(acme.admin.get("/api/v1/usage", month | groups), "/api/v1/usage")
    assert len(rows["data"]) == 3
    check(acme.admin.get("/api/v1/usage", month), "/api/v1/usage")
    check(acme.admin.get("/api/v1/usage", {}), "/api/v1/usage", status=400)
    check(acme.admin.get("/api/v1/usage", month | {"key_id": "key_x"}), "/api/v1/usage", status=404)
    check(APIClient().get("/api/v1/usage", month), "/api/v1/usage", status=401)
    assert len(check(acme.admin.get("/api/v1/usage/events"), "/api/v1/usage/events")["data"]) == 3
    for request_id in ("req-1", "a/b", "req-3"):
        check(acme.admin.get(f"/api/v1/usage/events/{request_id}"), "/api/v1/usage/events/{request_id}")
    check(acme.admin.get("/api/v1/usage/events/none"), "/api/v1/usage/events/{request_id}", status=404)
    check(acme.live.get("/api/v1/key"), "/api/v1/key")


@pytest.mark.django_db
def test_model_answers_are_as_described(codex_mini: PriceVersion) -> None:
    make_price(tier="priority", input="3", output="12", cached_input=None)
    make_price(tier="priority", input="6", output="24", above_input_tokens=200_000)
    make_price(tier="batch", input="6", output="24", above_input_tokens=200_000)
    listed = check(APIClient().get("/api/v1/models"), "/api/v1/models")
    assert [model["id"] for model in listed["data"]] == ["codex-mini"]
    check(APIClient().get("/api/v1/models/codex-mini"), "/api/v1/models/{model}")
    check(APIClient().get("/api/v1/models/none"), "/api/v1/models/{model}", status=404)


@pytest.mark.django_db
def test_key_answers_are_as_described(acme: Tenant) -> None:
    created = check(acme.admin.post("/api/v1/keys", {"name": "New"}, format="json"), "/api/v1/keys", "post", 201)
    one = f"/api/v1/keys/{created['id']}"
    check(acme.admin.get("/api/v1/keys"), "/api/v1/keys")
    check(acme.admin.get(one), "/api/v1/keys/{key_id}")
    check(acme.admin.patch(one, {"name": "Newer"}, format="json"), "/api/v1/keys/{key_id}", "patch")
    check(acme.admin.post(f"{one}/rotate", {}, format="json"), "/api/v1/keys/{key_id}/rotate", "post")
    check(acme.admin.post(f"{one}/revoke", {}, format="json"), "/api/v1/keys/{key_id}/revoke", "post")
    check(acme.live.get("/api/v1/keys"), "/api/v1/keys", status=403)


@pytest.mark.django_db
def test_invoice_answers_are_as_described(acme: Tenant, send: Sender, codex_mini: PriceVersion) -> None:
    send(acme.key, at("09-14T09:30"))
    [invoice] = close_workspaces(parse_month("2026-09"), NOW, finalize=True)
    send(acme.key, at("09-15T09:30"), at("10-14T09:30"))
    preview = check(acme.admin.get("/api/v1/invoices/upcoming"), "/api/v1/invoices/upcoming")
    assert {line["kind"] for line in preview["lines"]} == {"usage", "adjustment"}
    listed = check(acme.admin.get("/api/v1/invoices"), "/api/v1/invoices")
    assert [each["id"] for each in listed["data"]] == [invoice.public_id]
    one = check(acme.admin.get(f"/api/v1/invoices/{invoice.public_id}"), "/api/v1/invoices/{invoice_id}")
    line = one["lines"][0]["id"]
    path = "/api/v1/invoices/{invoice_id}/lines/{line_id}/events"
    explained = check(acme.admin.get(path.format(invoice_id=invoice.public_id, line_id=line)), path)
    assert len(explained["data"]) == 1
    check(acme.live.get("/api/v1/invoices"), "/api/v1/invoices", status=403)
    check(acme.admin.get("/api/v1/invoices/inv_none"), "/api/v1/invoices/{invoice_id}", status=404)


@pytest.mark.django_db
def test_credit_note_answers_are_as_described(acme: Tenant, send: Sender, codex_mini: PriceVersion) -> None:
    usage = {"prompt_tokens": 10_000_000, "completion_tokens": 0, "total_tokens": 10_000_000}
    send(acme.key, at("09-14T09:30"), usage=usage)
    [invoice] = close_workspaces(parse_month("2026-09"), NOW, finalize=True)
    note = issue_credit_note(invoice.pk, None, "an outage", "", "the tests", NOW)
    listed = check(acme.admin.get("/api/v1/credit-notes"), "/api/v1/credit-notes")
    assert [each["id"] for each in listed["data"]] == [note.public_id]
    path = "/api/v1/credit-notes/{credit_note_id}"
    one = check(acme.admin.get(path.format(credit_note_id=note.public_id)), path)
    assert (one["total"], one["settlement"]) == ("15.00", None)
    check(acme.live.get("/api/v1/credit-notes"), "/api/v1/credit-notes", status=403)
    check(acme.admin.get("/api/v1/credit-notes", {"limit": "0"}), "/api/v1/credit-notes", status=400)
    check(acme.admin.get(path.format(credit_note_id="cn_none")), path, status=404)


@pytest.mark.django_db
def test_gateway_answers_are_as_described(acme: Tenant, send: Sender) -> None:
    _, token = issue.create_gateway("edge", "the tests", send.gateway.created_at)
    events = [an_event(acme.key), an_event(acme.key, request_id=7), an_event(acme.key, request_id="late", model="")]
    client = with_key(token)
    receipt = check(client.post("/gateway/v1/events", {"events": events}, format="json"), "/gateway/v1/events", "post", 202)
    assert (receipt["accepted"], len(receipt["rejected"])) == (1, 2)
    path = "/gateway/v1/batches/{batch_id}"
    pending = check(client.get(path.format(batch_id=receipt["batch_id"])), path)
    assert pending["status"] == "pending"
    check(client.get(path.format(batch_id="bat_none")), path, status=404)
    check(client.post("/gateway/v1/events", {"other": 1}, format="json"), "/gateway/v1/events", "post", 400)
    assert Gateway.objects.count() == 2


@pytest.mark.django_db
def test_the_document_and_its_browser_are_served(client: APIClient) -> None:
    assert client.get("/api/v1/schema/").status_code == 200
    assert b"swagger" in client.get("/api/v1/docs/").content
