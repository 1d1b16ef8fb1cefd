import csv
import io
import json
from datetime import timedelta
from typing import Any
from urllib.parse import quote

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from metering.catalogue.models import PriceVersion
from metering.usage.events import events
from tests.kit.billing import at
from tests.kit.factories import make_price
from tests.kit.tenants import Sender, Tenant, another_key, refusal, usage_of

pytestmark = pytest.mark.django_db
EVENTS = "/api/v1/usage/events"
DETAIL = {"endpoint": "/v1/chat/completions", "route": "eu", "user": "u-1", "metadata": {"team": "späti", "n": 1}}


def get(client: APIClient, **query: Any) -> Any:
    answer = client.get(EVENTS, query)
    assert answer.status_code == 200, answer.content
    return answer.json()


def ids(page: Any) -> list[str]:
    return [event["request_id"] for event in page["data"]]


def walk(client: APIClient, **query: Any) -> list[str]:
    """The request ids of every page."""
    page = get(client, **query)
    seen = ids(page)
    while page["next_cursor"]:
        page = get(client, **query, cursor=page["next_cursor"])
        seen += ids(page)
    return seen


def attempts_of(client: APIClient, request_id: str) -> Any:
    return client.get(f"{EVENTS}/{quote(request_id, safe='')}")


def part(component: str, tokens: int, rate: str, cost: str) -> dict[str, Any]:
    """Of an event's components, one that is counted in tokens."""
    counted = {"component": component, "quantity": tokens, "unit": "token", "tokens": tokens}
    return counted | {"rate": rate, "rate_for": "1M tokens", "rate_per_million": rate, "cost": cost}


def test_an_event_shows_all_that_is_known_of_it(acme: Tenant, send: Sender, codex_mini: PriceVersion) -> None:
    timing = {"stream": True, "latency_ms": 1200, "time_to_first_token_ms": 80}
    send(acme.key, at("10-14T09:30:00.000001"), service_tier="standard", **DETAIL, **timing)
    assert get(acme.admin) == {
        "object": "list",
        "data": [
            {
                "request_id": "req-1",
                "attempt": 0,
                "occurred_at": "2026-10-14T09:30:00.000001Z",
                "recorded_at": "2026-10-15T12:00:01Z",
                "key_id": acme.key.public_id,
                "model": "codex-mini",
                "service_tier": "default",
                "provider": "azure-openai",
                "status": "succeeded",
                "usage_source": "provider",
                "input_tokens": 2006,
                "cached_input_tokens": 1920,
                "cache_write_tokens": 0,
                "output_tokens": 300,
                "reasoning_tokens": 192,
                "components": [],
                "cost": "0.002649000000",
                "currency": "USD",
                "price_id": codex_mini.public_id,
                **timing,
                **DETAIL,
            }
        ],
        "next_cursor": None,
    }


def test_what_was_not_said_is_null_and_so_is_the_cost_without_a_price(acme: Tenant, send: Sender) -> None:
    send(acme.key, at("10-14T09:30"), provider=None)
    [event] = get(acme.admin)["data"]
    nulls = ("cost", "price_id", "stream", "latency_ms", "time_to_first_token_ms", *DETAIL)
    assert {name: event[name] for name in nulls} == dict.fromkeys(nulls)
    assert event["provider"] == ""


@pytest.mark.parametrize("filtered", [False, True])
def test_pages_show_each_event_once_while_new_ones_arrive(acme: Tenant, send: Sender, filtered: bool) -> None:
    same_instant = [at("10-14T09:00")] * 5
    scattered = [at("10-01T00:00") + timedelta(hours=17 * number) for number in range(15)]
    known = set(send(acme.key, *same_instant, *scattered))
    query: dict[str, Any] = {"limit": 3} | ({"model": "codex-mini"} if filtered else {})
    page, seen = get(acme.admin, **query), []
    while True:
        seen += ids(page)
        send(acme.key, at("10-15T11:59"), at("10-14T09:00") - timedelta(seconds=len(seen)))
        if page["next_cursor"] is None:
            break
        page = get(acme.admin, **query, cursor=page["next_cursor"])
    assert len(seen) == len(set(seen))
    assert known <= set(seen)


def test_events_are_newest_first_and_within_the_range(acme: Tenant, send: Sender) -> None:
    send(acme.key, at("10-14T09:00"), at("10-14T10:00"), at("10-14T09:30"), at("10-13T09:30"))
    assert walk(acme.admin, limit=1) == ["req-2", "req-3", "req-1", "req-4"]
    day = {"start": "2026-10-14T09:00:00Z", "end": "2026-10-14T10:00:00Z"}
    assert walk(acme.admin, **day, limit=1) == ["req-3", "req-1"]
    assert walk(acme.admin, **day, status="succeeded", limit=1) == ["req-3", "req-1"]
    assert walk(acme.admin, end="2026-10-14T09:00:00Z") == ["req-4"]


def test_a_rare_key_is_found_without_reading_the_others_hours(acme: Tenant, send: Sender) -> None:
    rare, _ = another_key(acme)
    busy = [at("10-10T00:00") + timedelta(minutes=7 * number) for number in range(300)]
    send(acme.key, *busy)
    found = send(rare, at("10-10T08:10"), at("10-10T08:50"), at("10-01T03:00"), at("09-02T03:00"))
    assert walk(acme.admin, key_id=rare.public_id, limit=1) == [found[1], found[0], found[2], found[3]]
    assert walk(acme.admin, key_id=rare.public_id, limit=2) == [found[1], found[0], found[2], found[3]]
    assert walk(acme.admin, key_id=rare.public_id, start="2026-10-01T03:00:00Z", end="2026-10-10T08:50:00Z") == [
        found[0],
        found[2],
    ]
    assert walk(acme.admin, key_id=rare.public_id, model="grok-3") == []


@pytest.mark.parametrize("limit", [1, 4, 7, 1000])
def test_filtered_pages_agree_with_filtering_the_whole(acme: Tenant, send: Sender, limit: int) -> None:
    instants = [at("10-10T00:00") + timedelta(minutes=23 * number) for number in range(60)]
    for number, instant in enumerate(instants):
        send(acme.key, instant, model="grok-3" if number % 5 == 0 else "codex-mini", user=str(number))
    whole = get(acme.admin, limit=1000)["data"]
    expected = [event["request_id"] for event in whole if event["model"] == "grok-3"]
    assert len(expected) == 12
    assert walk(acme.admin, model="grok-3", limit=limit) == expected


def test_a_page_takes_the_same_few_queries_however_many_events_it_shows(acme: Tenant, send: Sender) -> None:
    send(acme.key, *[at("10-14T09:00") + timedelta(minutes=number) for number in range(40)])
    get(acme.admin)  # notes the key's use, once a minute
    counts = set()
    for limit in (1, 40):
        with CaptureQueriesContext(connection) as captured:
            get(acme.admin, limit=limit)
        counts.add(len(captured))
    assert counts == {2}  # the credential, the page


def test_another_workspaces_events_are_on_no_page_or_export(acme: Tenant, rival: Tenant, send: Sender) -> None:
    [theirs] = send(rival.key, at("10-14T09:30"))
    assert ids(get(acme.admin)) == []
    assert b"".join(acme.admin.get(EVENTS, {"format": "ndjson"})) == b""
    assert attempts_of(acme.admin, theirs).status_code == 404
    assert refusal(acme.admin, {"key_id": rival.key.public_id}, EVENTS) == (404, "not_found", "key_id")
    export = {"key_id": rival.key.public_id, "format": "csv"}
    assert refusal(acme.admin, export, EVENTS) == (404, "not_found", "key_id")


def test_a_live_key_sees_its_own_events_alone(acme: Tenant, send: Sender) -> None:
    second, _ = another_key(acme)
    [own] = send(acme.key, at("10-14T09:30"))
    [other] = send(second, at("10-14T09:31"))
    assert ids(get(acme.live)) == [own]
    assert ids(get(acme.admin)) == [other, own]
    assert attempts_of(acme.live, own).status_code == 200
    assert attempts_of(acme.live, other).status_code == 404
    assert refusal(acme.live, {"key_id": second.public_id}, EVENTS) == (404, "not_found", "key_id")


@pytest.mark.parametrize(
    ("query", "param"),
    [
        ({"limit": 1001}, "limit"),
        ({"bucket": "day"}, "bucket"),
        ({"cursor": "W10"}, "cursor"),
        ({"cursor": "WzEsMl0x"}, "cursor"),
        ({"cursor": "WzEsLTFd"}, "cursor"),
        ({"cursor": "WzFlOTk5LDFd"}, "cursor"),
        ({"start": "2026-10-14T00:00:00"}, "start"),
        ({"start": "2026-10-14T00:00:00Z", "end": "2026-10-14T00:00:00Z"}, "end"),
    ],
)
def test_a_wrong_parameter_is_named(acme: Tenant, query: dict[str, Any], param: str) -> None:
    assert refusal(acme.admin, query, EVENTS) == (400, "invalid_parameter", param)


def test_every_attempt_says_why_it_costs_what_it_costs(acme: Tenant, send: Sender, codex_mini: PriceVersion) -> None:
    request = {"request_id": "chat/ünïcode 1"}
    send(acme.key, at("10-14T09:31"), attempt=1, **request)
    send(acme.key, at("09-30T23:59"), attempt=0, status="failed", usage=None, **request)
    answer = attempts_of(acme.admin, request["request_id"]).json()
    assert (answer["object"], answer["request_id"], answer["next_cursor"]) == ("list", request["request_id"], None)
    failed, billed = answer["data"]
    assert (failed["attempt"], failed["status"], failed["cost"], failed["price_id"]) == (0, "failed", "0.000000000000", None)
    assert (billed["attempt"], billed["cost"], billed["price_id"]) == (1, "0.002649000000", codex_mini.public_id)
    assert billed["components"] == [
        part("input", 86, "1.500000", "0.000129000000"),
        part("cached_input", 1920, "0.375000", "0.000720000000"),
        part("cache_write", 0, "1.500000", "0.000000000000"),
        part("output", 300, "6.000000", "0.001800000000"),
    ]
    assert billed["corrections"] == []


def test_the_attempts_of_a_request_come_in_pages_for_whoever_asks(acme: Tenant, send: Sender) -> None:
    for attempt in (2, 0, 1):
        send(acme.key, at("10-14T09:31"), request_id="tried", attempt=attempt)
    url = f"{EVENTS}/tried"
    first = acme.admin.get(url, {"limit": 2}).json()
    assert [each["attempt"] for each in first["data"]] == [0, 1]
    last = acme.admin.get(url, {"limit": 2, "cursor": first["next_cursor"]}).json()
    assert ([each["attempt"] for each in last["data"]], last["next_cursor"]) == ([2], None)
    assert len(acme.admin.get(url).json()["data"]) == 3
    for query in ({"limit": 0}, {"limit": "x"}, {"cursor": "x"}, {"cursor": "WyJ4Il0"}, {"nope": 1}):
        assert refusal(acme.admin, query, url) == (400, "invalid_parameter", next(iter(query)))


def test_cached_input_without_a_rate_costs_the_full_input_rate(acme: Tenant, send: Sender) -> None:
    make_price(cached_input=None)
    [request_id] = send(acme.key, at("10-14T09:31"))
    [event] = attempts_of(acme.admin, request_id).json()["data"]
    assert [part["rate_per_million"] for part in event["components"]] == ["1.500000", "1.500000", "1.500000", "6.000000"]
    assert event["cost"] == "0.004809000000"


def test_an_unpriced_event_has_its_tokens_and_no_costs(acme: Tenant, send: Sender) -> None:
    [request_id] = send(acme.key, at("10-14T09:31"))
    [event] = attempts_of(acme.admin, request_id).json()["data"]
    assert (event["cost"], event["price_id"]) == (None, None)
    assert [(part["tokens"], part["rate_per_million"], part["cost"]) for part in event["components"]] == [
        (86, None, None),
        (1920, None, None),
        (0, None, None),
        (300, None, None),
    ]


@pytest.mark.parametrize(
    "request_id", ["a/b//c", "/lead", "trail/", "x" * 512, "50%/50?#&=+", "line\nbreak", "日本", ".hidden", "..", "a/../b"]
)
def test_any_request_id_is_found_and_no_other_for_it(acme: Tenant, send: Sender, request_id: str) -> None:
    send(acme.key, at("10-14T09:31"), request_id=request_id)
    send(acme.key, at("10-14T09:31"), request_id=request_id.upper()[:511] + "!")
    answer = attempts_of(acme.admin, request_id)
    assert [event["request_id"] for event in answer.json()["data"]] == [request_id]


@pytest.mark.parametrize("request_id", ["nothing", "nul\x00", "x" * 3000, "req-1/", "REQ-1"])
def test_an_unknown_request_is_a_404(acme: Tenant, send: Sender, request_id: str) -> None:
    send(acme.key, at("10-14T09:31"))
    answer = attempts_of(acme.admin, request_id)
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "not_found")


@pytest.fixture
def several(acme: Tenant, send: Sender, codex_mini: PriceVersion, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Seven events in pages of three, as JSON."""
    monkeypatch.setattr(events, "EXPORT_PAGE", 3)
    for number in range(7):
        instant = at("10-14T09:00") - timedelta(hours=9 * number)
        send(acme.key, instant, usage=usage_of(number, 1), stream=bool(number % 2), **DETAIL)
    return list(get(acme.admin)["data"])


def test_ndjson_has_the_same_events(acme: Tenant, several: list[Any]) -> None:
    answer = acme.admin.get(EVENTS, {"format": "ndjson"})
    assert answer.streaming
    assert answer.headers["Content-Type"] == "application/x-ndjson; charset=utf-8"
    assert [json.loads(line) for line in b"".join(answer).splitlines()] == several


def test_csv_has_the_same_events(acme: Tenant, several: list[Any]) -> None:
    rows = list(csv.DictReader(io.StringIO(acme.admin.get(EVENTS, {"format": "csv"}).getvalue().decode())))
    assert list(rows[0]) == list(several[0])
    assert [row["cost"] for row in rows] == [event["cost"] for event in several]
    assert [json.loads(row["metadata"]) for row in rows] == [event["metadata"] for event in several]
    assert [json.loads(row["stream"]) for row in rows] == [event["stream"] for event in several]
    assert [int(row["input_tokens"]) for row in rows] == list(range(7))


def test_an_export_takes_the_filters_and_goes_on_below_a_cursor(acme: Tenant, several: list[Any]) -> None:
    whole = [event["request_id"] for event in several]
    cursor = get(acme.admin, limit=2)["next_cursor"]

    def exported(**query: Any) -> list[str]:
        lines = b"".join(acme.admin.get(EVENTS, {"format": "ndjson", **query})).splitlines()
        return [json.loads(line)["request_id"] for line in lines]

    assert exported(cursor=cursor) == whole[2:]
    assert exported(model="codex-mini", start="2026-10-13T00:00:00Z") == whole[:4]
    assert exported(model="grok-3") == []


def test_a_formula_in_a_text_is_disarmed_in_csv_and_untouched_in_ndjson(acme: Tenant, send: Sender) -> None:
    send(acme.key, at("10-14T09:31"), request_id='=HYPERLINK("http://x")', user="@sum", route="-1", endpoint="+a,\n")
    [row] = csv.DictReader(io.StringIO(acme.admin.get(EVENTS, {"format": "csv"}).getvalue().decode(), newline=""))
    assert (row["request_id"], row["user"], row["route"]) == ('\'=HYPERLINK("http://x")', "'@sum", "-1")
    assert (row["endpoint"], row["cost"]) == ("'+a,\n", "")
    [line] = b"".join(acme.admin.get(EVENTS, {"format": "ndjson"})).splitlines()
    assert json.loads(line)["request_id"] == '=HYPERLINK("http://x")'
