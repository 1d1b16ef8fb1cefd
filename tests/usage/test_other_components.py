"""The usage API about components beside the common ones: in sums, in events, and in what an event costs."""

import csv
import io
import json
from typing import Any

import pytest

from tests.kit.billing import at
from tests.kit.factories import GOLDEN_USAGE, make_price
from tests.kit.searched import COST, make_claude, searched, searched_times
from tests.kit.tenants import Sender, Tenant

pytestmark = pytest.mark.django_db
SPAN = {"start": "2026-10-14T00:00:00Z", "end": "2026-10-16T00:00:00Z"}


def quantities(searches: int, one_hour: int) -> list[dict[str, Any]]:
    return [
        {"component": "cache_write_1h", "quantity": one_hour, "unit": "token"},
        {"component": "web_search", "quantity": searches, "unit": "search"},
    ]


def usage(tenant: Tenant, **query: Any) -> Any:
    answer = tenant.admin.get("/api/v1/usage", SPAN | query)
    assert answer.status_code == 200, answer.content
    return answer.json()


def test_rows_and_the_total_have_what_was_used(acme: Tenant, rival: Tenant, send: Sender) -> None:
    make_claude()
    make_price()
    send(acme.key, at("10-14T09:30"), at("10-15T09:30"), **searched())
    send(acme.key, at("10-15T10:30"), **searched(usage=searched_times(5, one_hour=424)))
    send(acme.key, at("10-15T10:40"), usage=GOLDEN_USAGE)
    send(rival.key, at("10-15T10:40"), **searched())
    by_model = usage(acme, bucket="day", group_by="model")
    assert [(row["start"][:10], row["model"], row["components"]) for row in by_model["data"]] == [
        ("2026-10-14", "claude", quantities(2, 5424)),
        ("2026-10-15", "claude", quantities(7, 5848)),
        ("2026-10-15", "codex-mini", []),
    ]
    assert by_model["total"]["components"] == quantities(9, 11272)
    assert usage(acme, model="codex-mini")["total"]["components"] == []
    # Edges within an hour are read from events, and hours from theirs.
    edges = {"start": "2026-10-14T09:30:00Z", "end": "2026-10-15T10:30:00Z"}
    assert usage(acme, **edges)["total"]["components"] == quantities(4, 10848)
    assert usage(acme, **edges, bucket="hour")["total"]["components"] == quantities(4, 10848)
    assert usage(acme, start="2026-10-15T09:30:00Z", end="2026-10-15T09:31:00Z")["total"]["components"] == quantities(2, 5424)


def test_csv_has_them_in_one_column(acme: Tenant, send: Sender) -> None:
    make_claude()
    send(acme.key, at("10-14T09:30"), **searched())
    answer = acme.admin.get("/api/v1/usage", SPAN | {"format": "csv"})
    (row,) = csv.DictReader(io.StringIO(b"".join(answer.streaming_content).decode()))
    assert json.loads(row["components"]) == quantities(2, 5424)


def test_an_event_and_its_attempts_show_them_with_rate_and_cost(acme: Tenant, send: Sender) -> None:
    make_claude()
    [request] = send(acme.key, at("10-14T09:30"), **searched())
    (event,) = acme.admin.get("/api/v1/usage/events").json()["data"]
    assert (event["components"], event["cost"]) == (quantities(2, 5424), COST)
    (attempt,) = acme.admin.get(f"/api/v1/usage/events/{request}").json()["data"]
    assert attempt["components"] == [
        part("input", 3, "3.000000", "0.000009000000"),
        part("cached_input", 0, "0.300000", "0.000000000000"),
        part("cache_write", 0, "3.750000", "0.000000000000"),
        part("output", 12, "15.000000", "0.000180000000"),
        part("cache_write_1h", 5424, "6.000000", "0.032544000000"),
        {
            "component": "web_search",
            "quantity": 2,
            "unit": "search",
            "tokens": None,
            "rate": "0.010000000000",
            "rate_for": "search",
            "rate_per_million": None,
            "cost": "0.020000000000",
        },
    ]


def part(component: str, tokens: int, rate: str, cost: str) -> dict[str, Any]:
    return {
        "component": component,
        "quantity": tokens,
        "unit": "token",
        "tokens": tokens,
        "rate": rate,
        "rate_for": "1M tokens",
        "rate_per_million": rate,
        "cost": cost,
    }


def test_an_unpriced_event_shows_what_waits_for_a_rate(acme: Tenant, send: Sender) -> None:
    make_claude(web_search=None)
    [request] = send(acme.key, at("10-14T09:30"), **searched())
    (attempt,) = acme.admin.get(f"/api/v1/usage/events/{request}").json()["data"]
    assert (attempt["cost"], attempt["price_id"]) == (None, None)
    shown = {each["component"]: (each["quantity"], each["rate"], each["cost"]) for each in attempt["components"]}
    assert shown["web_search"] == (2, None, None)
