"""Anthropic's reports in buckets. Their client has no methods for them, so the address is given to it."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from rest_framework.test import APIClient

from metering.catalogue.models import PriceVersion
from metering.compatible.anthropic.words import TOKEN_TYPES
from metering.components import COMPONENTS
from tests.kit.billing import at, tokens
from tests.kit.corrections import correct, void
from tests.kit.factories import make_price
from tests.kit.tenants import Sender, Tenant, another_key

if TYPE_CHECKING:
    import anthropic

pytestmark = pytest.mark.django_db
MESSAGES, COSTS = "/v1/organizations/usage_report/messages", "/v1/organizations/cost_report"
BASE = "/compat/anthropic"
GROUPS = (
    *("api_key_id", "workspace_id", "model", "service_tier", "context_window"),
    *("inference_geo", "speed", "account_id", "service_account_id"),
)
GOLDEN = {
    "uncached_input_tokens": 86,
    "cache_creation": {"ephemeral_1h_input_tokens": 0, "ephemeral_5m_input_tokens": 0},
    "cache_read_input_tokens": 1920,
    "output_tokens": 300,
    "server_tool_use": {"web_search_requests": 0},
}
WEEK = {"starting_at": "2026-10-12T00:00:00Z", "ending_at": "2026-10-15T00:00:00Z"}


def report(client: anthropic.Anthropic, path: str, **query: Any) -> dict[str, Any]:
    answer: dict[str, Any] = client.get(path, cast_to=dict[str, Any], options={"params": WEEK | query})
    return answer


def results(client: anthropic.Anthropic, path: str, **query: Any) -> list[dict[str, Any]]:
    return [result for bucket in report(client, path, **query)["data"] for result in bucket["results"]]


def refusal(client: APIClient, path: str, **query: Any) -> tuple[int, str, str]:
    answer = client.get(f"{BASE}{path}", query)
    body = answer.json()
    assert body["type"] == "error"
    return answer.status_code, body["error"]["type"], body["error"]["message"]


def test_usage_by_the_day(acme: Tenant, send: Sender, claude: anthropic.Anthropic) -> None:
    send(acme.key, at("10-12T23:59:59.999999"), at("10-14T00:00:00"))
    assert report(claude, MESSAGES) == {
        "data": [
            {
                "starting_at": f"2026-10-{day}T00:00:00Z",
                "ending_at": f"2026-10-{day + 1}T00:00:00Z",
                "results": [GOLDEN | dict.fromkeys(GROUPS)] if used else [],
            }
            for day, used in ((12, True), (13, False), (14, True))
        ],
        "has_more": False,
        "next_page": None,
    }


def test_usage_by_all_that_the_documentation_groups_by(acme: Tenant, send: Sender, claude: anthropic.Anthropic) -> None:
    written = {"input_tokens": 5, "cache_read_input_tokens": 20, "cache_creation_input_tokens": 100, "output_tokens": 1}
    send(acme.key, at("10-14T09:00"), service_tier="priority", status="aborted")
    send(acme.key, at("10-14T09:00"), model="claude", usage=written)
    shared = {"api_key_id": acme.key.public_id, "workspace_id": acme.workspace.public_id, "inference_geo": "not_available"}
    nothing = dict.fromkeys(("context_window", "speed", "account_id", "service_account_id"))
    found = results(claude, MESSAGES, group_by=list(GROUPS))
    assert found == [
        {
            "uncached_input_tokens": 5,
            "cache_creation": {"ephemeral_1h_input_tokens": 0, "ephemeral_5m_input_tokens": 100},
            "cache_read_input_tokens": 20,
            "output_tokens": 1,
            "server_tool_use": {"web_search_requests": 0},
            "model": "claude",
            "service_tier": "standard",
        }
        | shared
        | nothing,
        GOLDEN | {"model": "codex-mini", "service_tier": "priority"} | shared | nothing,
    ]


def test_usage_is_narrowed(acme: Tenant, rival: Tenant, send: Sender, claude: anthropic.Anthropic) -> None:
    second, _ = another_key(acme)
    send(acme.key, at("10-14T09:00"), service_tier="batch")
    send(second, at("10-14T09:00"), model="grok-3")
    for query, outputs in (
        ({}, [600]),
        ({"service_tiers": ["standard"]}, [300]),
        ({"service_tiers": ["batch", "standard"]}, [600]),
        ({"models": ["grok-3"]}, [300]),
        ({"api_key_ids": [second.public_id, rival.key.public_id]}, [300]),
        ({"api_key_ids": [rival.key.public_id]}, []),
        ({"workspace_ids": [acme.workspace.public_id]}, [600]),
        ({"workspace_ids": [rival.workspace.public_id]}, []),
    ):
        assert [each["output_tokens"] for each in results(claude, MESSAGES, **query)] == outputs, query


def test_buckets_are_whole(acme: Tenant, send: Sender, claude: anthropic.Anthropic) -> None:
    send(acme.key, at("10-14T09:29:59"), at("10-14T09:30:00"), at("10-14T10:00:00"))
    asked = {"starting_at": "2026-10-14T09:30:30+00:00", "ending_at": "2026-10-14T10:59:59Z"}
    hours = report(claude, MESSAGES, **asked, bucket_width="1h")["data"]
    assert [(each["starting_at"], each["ending_at"]) for each in hours] == [("2026-10-14T09:00:00Z", "2026-10-14T10:00:00Z")]
    assert [each["output_tokens"] for each in hours[0]["results"]] == [600]
    minutes = report(claude, MESSAGES, **asked, bucket_width="1m", limit=1440)["data"]
    assert (minutes[0]["starting_at"], minutes[-1]["ending_at"]) == ("2026-10-14T09:30:00Z", "2026-10-14T10:59:00Z")
    assert [each["starting_at"] for each in minutes if each["results"]] == ["2026-10-14T09:30:00Z", "2026-10-14T10:00:00Z"]
    assert report(claude, MESSAGES, **asked)["data"] == []


def test_pages_follow_each_other_and_the_last_is_the_running_day(
    acme: Tenant, send: Sender, claude: anthropic.Anthropic, plain: APIClient
) -> None:
    send(acme.key, at("10-15T11:00"))
    seen: list[str] = []
    query: dict[str, Any] = {"starting_at": "2026-10-01T00:00:00Z", "limit": 6}
    for _ in range(9):
        page = plain.get(f"{BASE}{MESSAGES}", query).json()
        seen += [each["starting_at"] for each in page["data"]]
        if not page["has_more"]:
            break
        query["page"] = page["next_page"]
    assert seen == [f"2026-10-{day:02}T00:00:00Z" for day in range(1, 16)]
    assert len(page["data"][-1]["results"]) == 1


def test_costs_are_cents_with_every_digit(
    acme: Tenant, send: Sender, codex_mini: PriceVersion, claude: anthropic.Anthropic
) -> None:
    send(acme.key, at("10-14T09:00"))
    send(acme.key, at("10-14T09:00"), model="unpriced")
    (found,) = results(claude, COSTS)
    assert found == {
        "amount": "0.2649000000",
        "currency": "USD",
        **dict.fromkeys(("description", "cost_type", "token_type", "model", "service_tier", "context_window", "inference_geo")),
        "workspace_id": None,
    }
    total = acme.admin.get("/api/v1/usage", {"start": WEEK["starting_at"], "end": WEEK["ending_at"]}).json()["total"]
    assert Decimal(found["amount"]) / 100 == Decimal(total["cost"])


def test_costs_by_description(acme: Tenant, send: Sender, claude: anthropic.Anthropic) -> None:
    make_price("claude", input="3", cached_input="0.3", cache_write="3.75", output="15")
    make_price("claude", input="0.000001", cached_input=None, output="0", tier="batch")
    written = {"input_tokens": 5, "cache_read_input_tokens": 20, "cache_creation_input_tokens": 100, "output_tokens": 1}
    send(acme.key, at("10-14T09:00"), model="claude", usage=written)
    send(acme.key, at("10-14T09:00"), model="claude", usage=tokens(input=1), service_tier="batch")
    found = results(claude, COSTS, group_by=["description", "workspace_id"])
    assert [(each["description"], each["token_type"], each["service_tier"], each["amount"]) for each in found] == [
        ("claude, cache write", "cache_creation.ephemeral_5m_input_tokens", "standard", "0.0375000000"),
        ("claude, cached input", "cache_read_input_tokens", "standard", "0.0006000000"),
        ("claude, input", "uncached_input_tokens", "standard", "0.0015000000"),
        ("claude, input, batch tier", "uncached_input_tokens", "batch", "0.0000000001"),
        ("claude, output", "output_tokens", "standard", "0.0015000000"),
    ]
    assert {(each["cost_type"], each["model"], each["workspace_id"]) for each in found} == {
        ("tokens", "claude", acme.workspace.public_id)
    }
    (whole,) = results(claude, COSTS)
    assert sum(Decimal(each["amount"]) for each in found) == Decimal(whole["amount"])


def test_a_correction_takes_back(acme: Tenant, send: Sender, codex_mini: PriceVersion, claude: anthropic.Anthropic) -> None:
    first, _ = send(acme.key, at("10-14T09:00"), at("10-14T09:01"))
    correct(send.gateway, void(acme.key, first))
    assert [each["output_tokens"] for each in results(claude, MESSAGES)] == [300]
    assert [each["amount"] for each in results(claude, COSTS)] == ["0.2649000000"]


def test_every_priced_component_has_a_type_of_token() -> None:
    assert set(TOKEN_TYPES) == {each.name for each in COMPONENTS} | {"cache_write_1h"}


@pytest.mark.parametrize(
    ("path", "query", "word"),
    [
        (MESSAGES, {"starting_at": ""}, "starting_at"),
        (MESSAGES, {"starting_at": "2026-10-14"}, "starting_at"),
        (MESSAGES, {"ending_at": WEEK["starting_at"]}, "ending_at"),
        (MESSAGES, {"limit": 32}, "limit"),
        (MESSAGES, {"limit": 0}, "limit"),
        (MESSAGES, {"bucket_width": "1w"}, "bucket_width"),
        (MESSAGES, {"group_by[]": "user"}, "group_by"),
        (MESSAGES, {"context_window[]": "0-200k"}, "context_window"),
        (MESSAGES, {"account_ids[]": "user_1"}, "account_ids"),
        (MESSAGES, {"page": "page_MjAyNS0wNS0xNFQwMDowMDowMFo="}, "page"),
        (MESSAGES, {"until": "now"}, "until"),
        (COSTS, {"bucket_width": "1h"}, "bucket_width"),
        (COSTS, {"group_by[]": "model"}, "group_by"),
        (COSTS, {"models[]": "claude"}, "models"),
    ],
)
def test_a_wrong_parameter_is_named(plain: APIClient, path: str, query: dict[str, Any], word: str) -> None:
    status, kind, message = refusal(plain, path, **WEEK | query)
    assert (status, kind) == (400, "invalid_request_error")
    assert word in message


def test_the_version_has_to_be_named(acme: Tenant) -> None:
    status, kind, message = refusal(APIClient(headers={"x-api-key": acme.admin_secret}), MESSAGES, **WEEK)
    assert (status, kind) == (400, "invalid_request_error")
    assert message.startswith("anthropic-version: header is required")
