"""What all lists of the API have in common: cursors that stay good, strict queries, instants."""

import base64
import json
from typing import Any

import pytest
from django.test import Client

from metering.credits.models import CreditGrant
from metering.usage.events.cursors import EPOCH, MICROSECOND
from metering.usage.events.events import EventQuestion, events_page
from tests.kit.days import fixed_day
from tests.kit.world import IN_PATH, World
from workspaces.ids import audit_id
from workspaces.models import APIKey, AuditEntry, Workspace

__all__ = ["fixed_day"]

LISTS = (
    "/api/v1/audit",
    "/api/v1/budgets",
    "/api/v1/credit-notes",
    "/api/v1/credits",
    "/api/v1/credits/{credit_id}/entries",
    "/api/v1/invoices",
    "/api/v1/invoices/{invoice_id}/lines",
    "/api/v1/invoices/{invoice_id}/lines/{line_id}/events",
    "/api/v1/keys",
    "/api/v1/models",
    "/api/v1/usage/events",
    "/api/v1/usage/events/{request_id}",
    "/api/v1/webhooks",
    "/api/v1/webhooks/{webhook_id}/deliveries",
)


def address_of(path: str, world: World) -> str:
    ids = world.ids
    return path.format(**{name: ids[known] for name, known in IN_PATH.items() if known in ids})


def get(client: Client, world: World, path: str, **query: Any) -> tuple[int, Any]:
    answer = client.get(address_of(path, world), query, headers=world.callers["admin key"])
    return answer.status_code, answer.json()


def opaque(*position: Any) -> str:
    """A cursor as it was always given out: base64 of JSON, for addresses, without padding."""
    return base64.urlsafe_b64encode(json.dumps(position, separators=(",", ":")).encode()).decode().rstrip("=")


@pytest.mark.parametrize("path", LISTS)
def test_each_list_has_one_envelope_and_pages_of_one_row_are_the_whole(client: Client, world: World, path: str) -> None:
    status, whole = get(client, world, path)
    assert (status, whole["object"], whole["next_cursor"]) == (200, "list", None)
    rows, cursor = [], {}
    for _ in whole["data"]:
        status, page = get(client, world, path, limit=1, **cursor)
        assert (status, len(page["data"])) == (200, 1)
        rows += page["data"]
        cursor = {"cursor": page["next_cursor"]}
    assert (rows, cursor.get("cursor")) == (whole["data"], None)


@pytest.mark.parametrize("path", LISTS)
def test_each_list_refuses_the_same_queries_in_the_same_words(client: Client, world: World, path: str) -> None:
    refused = {
        "limit=1&limit=2": "limit is given more than once.",
        "limit=0": "limit: Ensure this value is greater than or equal to 1.",
        "cursor=nonsense": "This is not a cursor of this list: use `next_cursor` of the page before.",
        "unheard=1": "There is no parameter 'unheard' here; there are: ",
    }
    for query, message in refused.items():
        answer = client.get(f"{address_of(path, world)}?{query}", headers=world.callers["admin key"])
        error = answer.json()["error"]
        assert (answer.status_code, error["code"], error["param"]) == (400, "invalid_parameter", query.partition("=")[0])
        assert error["message"].startswith(message)
    assert error["message"].endswith(".")
    assert {"limit", "cursor"} <= set(error["message"].partition("there are: ")[2].rstrip(".").split(", "))


def test_a_cursor_that_was_given_out_before_names_the_same_place(client: Client, world: World) -> None:
    acme = Workspace.objects.get(name="Acme")
    [invoice] = acme.invoices.all()
    newest = CreditGrant.objects.filter(workspace=acme).latest("pk")
    keys = list(APIKey.objects.filter(workspace=acme).order_by("-pk"))
    entries = list(AuditEntry.objects.filter(workspace=acme).order_by("-pk"))
    events, _ = events_page(EventQuestion(acme), 100)
    given_out = {
        "/api/v1/invoices": opaque(invoice.public_id),
        "/api/v1/credit-notes": opaque(world.ids["<credit note>"]),
        "/api/v1/credits": opaque(newest.public_id),
        "/api/v1/keys": keys[0].public_id,
        "/api/v1/models": "codex-mini",
        "/api/v1/audit": audit_id(entries[0].pk),
        "/api/v1/usage/events": opaque((events[0].occurred_at - EPOCH) // MICROSECOND, events[0].id),
        "/api/v1/usage/events/{request_id}": opaque(0),
    }
    for path, cursor in given_out.items():
        _, whole = get(client, world, path)
        _, first = get(client, world, path, limit=1)
        status, rest = get(client, world, path, cursor=cursor)
        assert (path, status, rest["data"]) == (path, 200, whole["data"][1:])
        assert first["next_cursor"] == (cursor if len(whole["data"]) > 1 else None), path


@pytest.mark.parametrize("path", ["/api/v1/usage/events", "/api/v1/audit"])
def test_a_plus_that_a_query_lost_is_restored(client: Client, world: World, path: str) -> None:
    answer = client.get(f"{path}?start=2026-10-01T00:00:00+02:00", headers=world.callers["admin key"])
    assert answer.status_code == 200
    assert get(client, world, path, start="2026-10-01T00:00:00")[1]["error"]["param"] == "start"
    body = {"name": "New", "expires_at": "2027-10-01T00:00:00 02:00"}
    made = client.post("/api/v1/keys", body, content_type="application/json", headers=world.callers["admin key"])
    assert (made.status_code, made.json()["error"]["param"]) == (400, "expires_at")


def test_a_key_may_expire_in_any_year_to_come_and_a_trail_be_read_from_any(client: Client, world: World) -> None:
    body = {"name": "New", "expires_at": "2999-12-31T23:59:59Z"}
    made = client.post("/api/v1/keys", body, content_type="application/json", headers=world.callers["admin key"])
    assert (made.status_code, made.json()["expires_at"]) == (201, "2999-12-31T23:59:59Z")
    body["expires_at"] = "1960-01-01T00:00:00Z"
    past = client.post("/api/v1/keys", body, content_type="application/json", headers=world.callers["admin key"])
    assert (past.status_code, past.json()["error"]["code"]) == (422, "invalid_expiry")
    assert get(client, world, "/api/v1/audit", start="0001-01-01T00:00:00Z")[0] == 200
    assert get(client, world, "/api/v1/usage/events", start="1960-01-01T00:00:00Z")[0] == 400
