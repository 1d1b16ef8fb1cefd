"""Anthropic's analytics of usage and cost, asked by their own client, which knows them."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from rest_framework.test import APIClient

from metering.catalogue.models import PriceVersion
from tests.kit.billing import at, tokens
from tests.kit.corrections import correct, void
from tests.kit.factories import make_price
from tests.kit.foreign import anthropic_client
from tests.kit.tenants import Sender, Tenant, another_key, usage_of

if TYPE_CHECKING:
    import anthropic

pytestmark = pytest.mark.django_db
DAYS = {"starting_at": "2026-10-12T00:00:00Z", "ending_at": "2026-10-15T00:00:00Z"}
BASE = "/compat/anthropic/v1/organizations/analytics"


def usage(client: anthropic.Anthropic, **query: Any) -> list[Any]:
    """Of every page, as the client fetches them."""
    return list(client.beta.organization.analytics.usage.list(**DAYS | query))


def costs(client: anthropic.Anthropic, **query: Any) -> list[Any]:
    return list(client.beta.organization.analytics.cost.list(**DAYS | query))


def ours(tenant: Tenant) -> dict[str, Any]:
    asked = {"start": DAYS["starting_at"], "end": DAYS["ending_at"]}
    total: dict[str, Any] = tenant.admin.get("/api/v1/usage", asked).json()["total"]
    return total


def test_one_row_is_the_whole_range(acme: Tenant, send: Sender, codex_mini: PriceVersion, claude: anthropic.Anthropic) -> None:
    send(acme.key, at("10-12T00:00"), at("10-14T23:59:59.999999"), at("10-15T00:00"))
    (row,) = usage(claude)
    assert (row.starting_at, row.ending_at) == (at("10-12T00:00"), at("10-15T00:00"))
    total = ours(acme)
    assert (row.usage.requests, row.usage.total_tokens) == (total["requests"], 4612)
    assert (row.usage.uncached_input_tokens, row.usage.cache_read_input_tokens, row.usage.output_tokens) == (172, 3840, 600)
    assert row.usage.cache_creation.ephemeral_5m_input_tokens == row.usage.server_tool_use.web_search_requests == 0
    assert set(row.group.to_dict().values()) == {None}
    (cost,) = costs(claude)
    assert (cost.cost.amount, cost.cost.list_amount, cost.cost.currency) == ("0.5298000000", "0.5298000000", "USD")
    assert cost.cost.requests == 2
    assert Decimal(cost.cost.amount) / 100 == Decimal(total["cost"])


def test_dimensions(acme: Tenant, send: Sender, claude: anthropic.Anthropic) -> None:
    second, _ = another_key(acme)
    send(acme.key, at("10-14T09:00"), service_tier="priority")
    send(second, at("10-14T09:00"), at("10-14T09:01"), model="grok-3")
    rows = usage(claude, group_by=["actor", "api_key_id", "model", "service_tier", "workspace_id"])
    assert [(row.group.api_key_id, row.group.model, row.group.service_tier, row.usage.requests) for row in rows] == [
        (second.public_id, "grok-3", "standard", 2),
        (acme.key.public_id, "codex-mini", "priority", 1),
    ]
    assert {row.group.workspace_id for row in rows} == {acme.workspace.public_id}
    actor = rows[0].group.actor
    assert (actor.type, actor.api_key_id) == ("api_actor", second.public_id)
    (row,) = usage(claude, group_by=["actor_type", "product", "context_window", "speed", "session_id"])
    assert (row.group.actor_type, row.group.product, row.group.speed) == ("api_actor", None, None)


def test_ranks_and_times(acme: Tenant, send: Sender, claude: anthropic.Anthropic) -> None:
    send(acme.key, at("10-12T09:00"), model="few", usage=usage_of(10, 1))
    send(acme.key, at("10-13T09:00"), at("10-13T09:01"), model="many", usage=usage_of(1, 2))
    send(acme.key, at("10-14T09:00"), model="few", usage=usage_of(3, 2))

    def order(**query: Any) -> list[tuple[str, int]]:
        rows = usage(claude, group_by=["model"], time_bucket_width="1d", **query)
        return [(row.group.model, row.starting_at.day) for row in rows]

    assert order() == [("few", 12), ("many", 13), ("few", 14)]
    assert order(order="asc") == [("few", 14), ("many", 13), ("few", 12)]
    assert order(order_by="output_tokens") == [("many", 13), ("few", 14), ("few", 12)]
    assert order(order_by="requests") == [("many", 13), ("few", 12), ("few", 14)]
    assert order(order_by="uncached_input_tokens", order="asc") == [("many", 13), ("few", 14), ("few", 12)]
    assert order(order_by="time") == [("few", 14), ("many", 13), ("few", 12)]
    assert order(order_by="time", order="asc") == [("few", 12), ("many", 13), ("few", 14)]
    whole = usage(claude, group_by=["model"], order_by="time")
    assert [(row.group.model, row.usage.total_tokens) for row in whole] == [("few", 16), ("many", 6)]


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 20])
def test_the_client_turns_the_pages(acme: Tenant, send: Sender, claude: anthropic.Anthropic, limit: int) -> None:
    for hour in range(7):
        send(acme.key, at("10-12T00:30") + timedelta(hours=hour), model=f"model-{hour % 2}", usage=usage_of(hour // 2, 1))
    rows = usage(claude, group_by=["model"], time_bucket_width="1h", limit=limit)
    assert [row.usage.total_tokens for row in rows] == [4, 3, 3, 2, 2, 1, 1]
    assert len({(row.starting_at, row.group.model) for row in rows}) == 7


def test_costs_by_type_of_token(acme: Tenant, send: Sender, claude: anthropic.Anthropic) -> None:
    make_price("claude", input="3", cached_input="0.3", cache_write="3.75", output="15")
    make_price("free", input="0", cached_input=None, output="0")
    written = {"input_tokens": 5, "cache_read_input_tokens": 20, "cache_creation_input_tokens": 100, "output_tokens": 1}
    send(acme.key, at("10-14T09:00"), at("10-14T10:00"), model="claude", usage=written)
    send(acme.key, at("10-14T09:00"), model="free", usage=tokens(input=7))
    send(acme.key, at("10-14T09:00"), model="unpriced")
    rows = costs(claude, group_by=["model", "token_type"], limit=1)
    assert [
        (row.group.model, row.group.token_type, row.group.cost_type, row.cost.amount, row.cost.requests) for row in rows
    ] == [
        ("claude", "uncached_input_tokens", "tokens", "0.0030000000", None),
        ("claude", "cache_read_input_tokens", "tokens", "0.0012000000", None),
        ("claude", "cache_creation.ephemeral_5m_input_tokens", "tokens", "0.0750000000", None),
        ("claude", "output_tokens", "tokens", "0.0030000000", None),
        ("free", "uncached_input_tokens", "tokens", "0.0000000000", None),
    ]
    (typed,) = costs(claude, group_by=["cost_type"])
    assert (typed.group.cost_type, typed.group.token_type, typed.cost.amount) == ("tokens", None, "0.0822000000")
    assert Decimal(typed.cost.amount) / 100 == Decimal(ours(acme)["cost"])


def test_buckets_are_whole_and_without_them_hours_are(acme: Tenant, send: Sender, claude: anthropic.Anthropic) -> None:
    send(acme.key, at("10-14T09:10"), at("10-14T09:40"), at("10-14T10:10"))
    cut = {"starting_at": "2026-10-14T09:30:00Z", "ending_at": "2026-10-14T10:30:00Z"}
    (row,) = usage(claude, **cut)
    assert (row.starting_at, row.ending_at, row.usage.requests) == (at("10-14T09:00"), at("10-14T10:00"), 2)
    hours = usage(claude, **cut, time_bucket_width="1h", order_by="time", order="asc")
    assert [(each.starting_at, each.ending_at, each.usage.requests) for each in hours] == [
        (at("10-14T09:00"), at("10-14T10:00"), 2),
        (at("10-14T10:00"), at("10-14T11:00"), 1),
    ]
    minutes = usage(claude, **cut, time_bucket_width="1m", order_by="time", order="asc")
    assert [each.starting_at for each in minutes] == [at("10-14T09:40"), at("10-14T10:10")]


def test_without_an_end_it_goes_to_the_last_full_hour(acme: Tenant, send: Sender, claude: anthropic.Anthropic) -> None:
    send(acme.key, at("10-14T09:10"), at("10-15T11:59"))
    (row,) = list(claude.beta.organization.analytics.usage.list(starting_at="2026-10-14T00:00:00Z"))
    assert (row.ending_at, row.usage.requests) == (at("10-15T12:00"), 2)


def test_filters_and_strangers(
    acme: Tenant, rival: Tenant, send: Sender, codex_mini: PriceVersion, claude: anthropic.Anthropic
) -> None:
    send(acme.key, at("10-14T09:00"))
    send(rival.key, at("10-14T09:00"), at("10-14T09:01"))
    for query, requests in (
        ({}, [1]),
        ({"models": ["codex-mini"]}, [1]),
        ({"models": ["none"]}, []),
        ({"api_key_ids": [acme.key.public_id]}, [1]),
        ({"api_key_ids": [rival.key.public_id]}, []),
        ({"workspace_ids": [rival.workspace.public_id]}, []),
        ({"service_tiers": ["standard"]}, [1]),
        ({"service_tiers": ["priority"]}, []),
    ):
        assert [row.usage.requests for row in usage(claude, **query)] == requests, query
        assert [row.cost.requests for row in costs(claude, **query)] == requests, query


def test_a_correction_takes_back(acme: Tenant, send: Sender, codex_mini: PriceVersion, claude: anthropic.Anthropic) -> None:
    first, _ = send(acme.key, at("10-14T09:00"), at("10-14T09:01"))
    correct(send.gateway, void(acme.key, first))
    assert [row.usage.requests for row in usage(claude)] == [1]
    assert [row.cost.amount for row in costs(claude)] == ["0.2649000000"]


def test_a_live_key_is_refused_in_their_shape(acme: Tenant) -> None:
    import anthropic

    with pytest.raises(anthropic.PermissionDeniedError) as refused:
        usage(anthropic_client(acme.secret))
    assert refused.value.body["error"]["type"] == "permission_error"  # type: ignore[index]
    with pytest.raises(anthropic.AuthenticationError):
        usage(anthropic_client("omx_admin_nothing"))


@pytest.mark.parametrize("path", ["usage", "cost"])
@pytest.mark.parametrize(
    ("query", "word"),
    [
        ({"starting_at": "yesterday"}, "starting_at"),
        ({"starting_at": "2026-09-01T00:00:00Z"}, "744 hours"),
        ({"time_bucket_width": "1m"}, "24 hours"),
        ({"time_bucket_width": "1d", "ending_at": ""}, "ending_at"),
        ({"ending_at": "2026-10-12T00:00:00Z"}, "ending_at"),
        ({"limit": 1001}, "limit"),
        ({"order": "up"}, "order"),
        ({"order_by": "tokens"}, "order_by"),
        ({"group_by[]": ["actor", "model", "speed", "product", "api_key_id", "workspace_id"]}, "5 dimensions"),
        ({"group_by[]": "colour"}, "group_by"),
        ({"exclude_deleted_users": "true"}, "exclude_deleted_users"),
        ({"actor_ids[]": "user_1"}, "actor_ids"),
        ({"products[]": "chat"}, "products"),
        ({"page": "page_WzE3NjAsW11d"}, "page"),
        ({"page": "page_W1tdLHt9XQ"}, "page"),
        ({"page": "nonsense"}, "page"),
        ({"months": 3}, "months"),
    ],
)
def test_a_wrong_parameter_is_named(plain: APIClient, path: str, query: dict[str, Any], word: str) -> None:
    answer = plain.get(f"{BASE}/{path}", DAYS | query)
    error = answer.json()["error"]
    assert (answer.status_code, error["type"]) == (400, "invalid_request_error")
    assert word in error["message"]
