import csv
import io
from typing import Any

import pytest
from rest_framework.test import APIClient

from metering.catalogue.models import PriceVersion
from tests.kit.billing import at
from tests.kit.tenants import Sender, Tenant, another_key, refusal

pytestmark = pytest.mark.django_db
DAY = {"start": "2026-10-14T00:00:00Z", "end": "2026-10-15T00:00:00Z"}


def get(client: APIClient, **query: Any) -> Any:
    answer = client.get("/api/v1/usage", {**DAY, **query})
    assert answer.status_code == 200, answer.content
    return answer.json()


def test_the_answer_has_the_contracts_shape(acme: Tenant, send: Sender, codex_mini: PriceVersion) -> None:
    send(acme.key, at("10-14T09:30"))
    sums = {
        "requests": 1,
        "input_tokens": 2006,
        "cached_input_tokens": 1920,
        "cache_write_tokens": 0,
        "output_tokens": 300,
        "reasoning_tokens": 192,
        "unpriced_requests": 0,
        "components": [],
        "cost": "0.002649000000",
        "currency": "USD",
    }
    hour = {"start": "2026-10-14T09:00:00Z", "end": "2026-10-14T10:00:00Z"}
    assert get(acme.admin, bucket="hour", group_by="model,key_id") == {
        "object": "list",
        **DAY,
        "bucket": "hour",
        "group_by": ["model", "key_id"],
        "data": [hour | {"model": "codex-mini", "key_id": acme.key.public_id} | sums],
        "total": DAY | sums,
        "next_cursor": None,
    }


def test_groups_come_with_commas_or_repeated(acme: Tenant, send: Sender) -> None:
    send(acme.key, at("10-14T09:30"))
    once = get(acme.admin, group_by="model,status,model")
    assert once["group_by"] == ["model", "status"]
    assert get(acme.admin, group_by=["model", "status"]) == once


def test_filters_may_be_repeated(acme: Tenant, send: Sender) -> None:
    for model in "abc":
        send(acme.key, at("10-14T09:30"), model=model)
    found = get(acme.admin, group_by="model", model=["a", "c", "never"])
    assert [row["model"] for row in found["data"]] == ["a", "c"]
    assert get(acme.admin, model="a,c")["data"] == []


@pytest.mark.parametrize(
    "zone",
    ["2026-10-14T02:00:00+02:00", "2026-10-14T02:00:00 02:00", "2026-10-14T02:00:00.0 0200", "2026-10-13T19:00:00-05:00"],
)
def test_a_zone_is_understood_even_when_its_plus_arrives_as_a_space(acme: Tenant, zone: str) -> None:
    assert get(acme.admin, start=zone)["start"] == "2026-10-14T00:00:00Z"


@pytest.mark.parametrize(
    ("query", "param"),
    [
        ({"end": DAY["end"]}, "start"),
        ({"start": DAY["start"]}, "end"),
        (DAY | {"start": "2026-10-14T00:00:00"}, "start"),
        (DAY | {"start": "2026-10-14"}, "start"),
        (DAY | {"start": "yesterday"}, "start"),
        (DAY | {"start": ""}, "start"),
        (DAY | {"end": "0001-01-01T00:00:00+05:00"}, "end"),
        (DAY | {"end": "9999-12-31T23:59:59Z"}, "end"),
        (DAY | {"end": DAY["start"]}, "end"),
        (DAY | {"bucket": "minute"}, "bucket"),
        (DAY | {"bucket": ["day", "hour"]}, "bucket"),
        (DAY | {"group_by": "model,workspace"}, "group_by"),
        (DAY | {"status": "lost"}, "status"),
        (DAY | {"format": "xml"}, "format"),
        (DAY | {"limit": "0"}, "limit"),
        (DAY | {"limit": "many"}, "limit"),
        (DAY | {"limit": "50001"}, "limit"),
        (DAY | {"cursor": "bm9uc2Vuc2U"}, "cursor"),
        (DAY | {"cursor": "ünsinn"}, "cursor"),
        (DAY | {"model": "nul\x00"}, "model"),
        (DAY | {"modle": "codex-mini"}, "modle"),
        (DAY | {"workspace": "ws_1"}, "workspace"),
    ],
)
def test_a_wrong_parameter_is_named(acme: Tenant, query: dict[str, Any], param: str) -> None:
    assert refusal(acme.admin, query) == (400, "invalid_parameter", param)


def test_more_than_400_days_by_the_hour_is_refused(acme: Tenant) -> None:
    long = {"start": "2025-01-01T00:00:00Z", "end": "2026-10-01T00:00:00Z"}
    assert refusal(acme.admin, long | {"bucket": "hour"}) == (422, "range_too_long", "end")
    assert get(acme.admin, **long, bucket="day")["data"] == []


def test_no_credential_sees_nothing(acme: Tenant, send: Sender) -> None:
    send(acme.key, at("10-14T09:30"))
    answer = APIClient().get("/api/v1/usage", DAY)
    assert (answer.status_code, answer.json()["error"]["type"]) == (401, "authentication_error")


def test_a_strangers_usage_and_key_are_not_there(acme: Tenant, rival: Tenant, send: Sender) -> None:
    send(rival.key, at("10-14T09:30"))
    assert get(acme.admin, group_by="key_id")["data"] == []
    assert refusal(acme.admin, DAY | {"key_id": rival.key.public_id}) == (404, "not_found", "key_id")
    assert refusal(acme.admin, DAY | {"key_id": "key_none"}) == (404, "not_found", "key_id")


def test_a_live_key_sees_only_what_it_used(acme: Tenant, send: Sender, codex_mini: PriceVersion) -> None:
    second, _ = another_key(acme)
    send(acme.key, at("10-14T09:30"))
    send(second, at("10-14T09:30"), at("10-14T09:31"))
    assert get(acme.live)["total"]["requests"] == 1
    assert get(acme.live, group_by="key_id")["data"][0]["key_id"] == acme.key.public_id
    assert get(acme.admin)["total"]["requests"] == 3
    assert refusal(acme.live, DAY | {"key_id": second.public_id}) == (404, "not_found", "key_id")


def test_pages_make_up_the_whole_and_every_page_has_the_total(acme: Tenant, send: Sender) -> None:
    for hour in range(7):
        send(acme.key, at(f"10-14T{hour:02}:30"), model=f"model-{hour % 2}")
    whole = get(acme.admin, bucket="hour", group_by="model")
    query: dict[str, Any] = {"bucket": "hour", "group_by": "model", "limit": 3}
    page, rows = get(acme.admin, **query), []
    while True:
        rows += page["data"]
        assert page["total"] == whole["total"]
        if page["next_cursor"] is None:
            break
        page = get(acme.admin, **query, cursor=page["next_cursor"])
    assert rows == whole["data"]
    assert len(rows) == 7


def test_csv_has_the_same_rows_and_columns(acme: Tenant, send: Sender, codex_mini: PriceVersion) -> None:
    send(acme.key, at("10-14T09:30"), at("10-14T10:30"))
    query = DAY | {"bucket": "hour", "group_by": "model,status"}
    answer = acme.admin.get("/api/v1/usage", query | {"format": "csv"}, headers={"accept": "text/csv"})
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert answer.headers["Content-Disposition"] == 'attachment; filename="usage_2026-10-14_2026-10-15.csv"'
    rows = list(csv.DictReader(io.StringIO(answer.getvalue().decode())))
    data = get(acme.admin, bucket="hour", group_by="model,status")["data"]
    assert rows == [{name: str(value) for name, value in row.items()} for row in data]
    assert list(rows[0]) == list(data[0])


def test_an_empty_csv_still_has_its_header(acme: Tenant) -> None:
    answer = acme.admin.get("/api/v1/usage", DAY | {"format": "csv"})
    assert answer.getvalue().decode() == (
        "start,end,requests,input_tokens,cached_input_tokens,cache_write_tokens,output_tokens,reasoning_tokens,"
        "unpriced_requests,components,cost,currency\r\n"
    )


def test_a_key_can_ask_what_it_is(acme: Tenant, send: Sender, codex_mini: PriceVersion) -> None:
    second, _ = another_key(acme)
    send(acme.key, at("09-30T23:59:59"), at("10-14T09:30"))
    send(second, at("10-14T09:30"))
    answer = acme.live.get("/api/v1/key").json()
    assert answer == {
        "object": "api_key",
        "id": acme.key.public_id,
        "name": "Server",
        "kind": "live",
        "scopes": None,
        "models": None,
        "workspace": {"id": acme.workspace.public_id, "name": "Acme"},
        "created_at": "2026-10-15T12:00:00Z",
        "last_used_at": "2026-10-15T12:00:00Z",
        "expires_at": None,
        "spend_this_month": "0.002649000000",
        "currency": "USD",
        "budgets": [],
        "data": answer["data"],
    }
    calling = acme.admin.get("/api/v1/key").json()
    assert (calling["kind"], calling["scopes"]) == ("admin", ["keys", "payments"])
    assert APIClient().get("/api/v1/key").status_code == 401
