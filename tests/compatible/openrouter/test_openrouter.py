"""OpenRouter's account endpoints, asked by their own client."""

import hashlib
from decimal import Decimal
from typing import Any

import pytest

from metering.catalogue.models import PriceVersion
from metering.limits.budgets.change import set_budget
from tests.kit.billing import agree, at, credit, finalized, tokens
from tests.kit.corrections import correct, void
from tests.kit.factories import NOW, make_price
from tests.kit.foreign import exact, openrouter_client
from tests.kit.tenants import Sender, Tenant, another_key, with_key
from workspaces.keys import issue

pytestmark = pytest.mark.django_db
BASE = "/compat/openrouter/api/v1"


def data_of(client: Any, path: str, **query: Any) -> Any:
    answer = client.get(f"{BASE}/{path}", query)
    assert answer.status_code == 200, answer.content
    return exact(answer.content)["data"]


def refusal(client: Any, path: str, **query: Any) -> tuple[int, str | None]:
    answer = client.get(f"{BASE}/{path}", query)
    error = answer.json()["error"]
    assert (error["code"], bool(error["message"])) == (answer.status_code, True)
    return answer.status_code, error["metadata"]["param"]


def test_a_key_is_told_what_it_spent(acme: Tenant, send: Sender, codex_mini: PriceVersion) -> None:
    send(acme.key, at("09-30T23:59:59"), at("10-01T00:00"), at("10-12T00:00"), at("10-15T00:00"))
    second, _ = another_key(acme)
    send(second, at("10-15T00:00"))
    key = openrouter_client(acme.secret).api_keys.get_current_key_metadata().data
    assert (key.usage, key.usage_monthly, key.usage_weekly, key.usage_daily) == (0.010596, 0.007947, 0.005298, 0.002649)
    assert (key.limit, key.limit_remaining, key.budgets, key.effective_budget) == (None, None, [], None)
    assert (key.workspace_id, key.is_management_key, key.expires_at) == (acme.workspace.public_id, False, None)
    assert openrouter_client(acme.admin_secret).api_keys.get_current_key_metadata().data.is_management_key is True


def test_the_key_is_the_same_at_our_own_address(acme: Tenant, send: Sender, codex_mini: PriceVersion) -> None:
    send(acme.key, at("10-15T00:00"))
    ours = exact(acme.live.get("/api/v1/key").content)["data"]
    assert data_of(acme.live, "key") == ours
    assert ours["usage"] == Decimal("0.002649")


def test_budgets_of_a_key_and_the_one_that_binds(acme: Tenant, send: Sender, codex_mini: PriceVersion) -> None:
    send(acme.key, at("10-15T00:00"))
    made: dict[str, Any] = {"actor": "the tests", "now": NOW}
    wide = set_budget(acme.workspace, "workspace", None, "total", Decimal("5.00"), **made)
    narrow = set_budget(acme.workspace, "key", acme.key.public_id, "month", Decimal("1.00"), **made)
    set_budget(acme.workspace, "workspace", None, "day", Decimal("0.50"), mode="soft", **made)
    key = openrouter_client(acme.secret).api_keys.get_current_key_metadata().data
    assert [(each.budget_id, each.scope, each.reset_interval, each.limit_usd) for each in key.budgets] == [
        (wide.public_id, "workspace", None, 5.0),
        (narrow.public_id, "key_limit", "monthly", 1.0),
    ]
    assert key.effective_budget is not None
    assert (key.effective_budget.spend_usd, key.effective_budget.remaining_usd) == (0.002649, 0.997351)
    assert (key.effective_budget.resets_at, key.limit_reset) == (at("11-01T00:00"), "monthly")


def test_credits_less_their_use_are_the_balance(acme: Tenant, send: Sender, codex_mini: PriceVersion) -> None:
    agree(acme.workspace, {"VAT": "20"})
    credit(acme.workspace, "20.00", "purchased")
    send(acme.key, at("09-14T09:00"), usage=tokens(input=2_000_000))
    finalized()
    send(acme.key, at("10-14T09:00"), usage=tokens(input=1_000_000))
    credits_ = openrouter_client(acme.admin_secret).credits.get_credits().data
    assert (credits_.total_credits, credits_.total_usage) == (20.0, 5.4)
    left = acme.admin.get("/api/v1/balance").json()["balance"]
    found = data_of(acme.admin, "credits")
    assert found["total_credits"] - found["total_usage"] == Decimal(left)


def test_credits_are_for_admin_keys(acme: Tenant) -> None:
    from openrouter import errors

    with pytest.raises(errors.ForbiddenResponseError) as refused:
        openrouter_client(acme.secret).credits.get_credits()
    assert refused.value.data.error.code == 403
    with pytest.raises(errors.UnauthorizedResponseError):
        openrouter_client("omx_live_nothing").credits.get_credits()


def test_a_generation_says_what_it_cost(acme: Tenant, send: Sender, codex_mini: PriceVersion) -> None:
    said = {"latency_ms": 900, "time_to_first_token_ms": 200, "stream": True, "user": "ada", "status": "aborted"}
    send(acme.key, at("10-14T09:00"), request_id="gen/1", status="failed", usage=None, provider="one")
    send(acme.key, at("10-14T09:01"), request_id="gen/1", attempt=1, provider="azure-openai", **said)
    for secret in (acme.secret, acme.admin_secret):
        found = openrouter_client(secret).generations.get_generation(id="gen/1").data
        assert (found.id, found.model, found.total_cost, found.usage) == ("gen/1", "codex-mini", 0.002649, 0.002649)
        assert (found.tokens_prompt, found.tokens_completion) == (2006, 300)
        assert (found.native_tokens_cached, found.native_tokens_reasoning) == (1920, 192)
        assert (found.latency, found.generation_time, found.streamed, found.cancelled) == (900, 700, True, True)
        assert (found.provider_name, found.external_user, found.service_tier) == ("azure-openai", "ada", "default")
        assert found.created_at == "2026-10-14T09:01:00Z"
        assert found.provider_responses is not None
        assert [each.provider_name for each in found.provider_responses] == ["one", "azure-openai"]


def test_a_generation_of_several_parts_is_their_sum(acme: Tenant, send: Sender, codex_mini: PriceVersion) -> None:
    """A stream that broke and was continued, then twenty calls of a tool loop: each is an event with an id of its own."""
    said = {"latency_ms": 900, "time_to_first_token_ms": 200, "stream": True}
    send(acme.key, at("10-14T09:00"), request_id="gen-2", status="aborted", provider="one", **said)
    for part in range(1, 22):
        of = {"request_id": f"gen-2.{part}", "metadata": {"part_of": "gen-2"}, "latency_ms": 100, "stream": True}
        send(acme.key, at("10-14T09:01"), status="failed", usage=None, provider="two", **of)
        send(acme.key, at("10-14T09:02"), attempt=1, provider="three", **of)
    send(acme.key, at("10-14T09:03"), request_id="gen-2.22")  # of another, that only looks like one
    second, _ = another_key(acme)
    send(second, at("10-14T09:03"), request_id="gen-2.23", metadata={"part_of": "gen-2"})
    for secret in (acme.secret, acme.admin_secret):
        found = openrouter_client(secret).generations.get_generation(id="gen-2").data
        assert (found.id, found.cancelled, found.provider_name) == ("gen-2", False, "three")
        assert (found.tokens_prompt, found.tokens_completion) == (22 * 2006, 22 * 300)
        assert (found.native_tokens_cached, found.native_tokens_reasoning) == (22 * 1920, 22 * 192)
        assert (found.latency, found.generation_time) == (900 + 21 * 100, 700 + 21 * 100)
        assert found.provider_responses is not None
        assert [each.provider_name for each in found.provider_responses] == ["one"] + ["two", "three"] * 21
    data = data_of(acme.live, "generation", id="gen-2")
    assert (data["total_cost"], data["usage"]) == (22 * Decimal("0.002649"), 22 * Decimal("0.002649"))
    assert data["created_at"] == "2026-10-14T09:02:00Z"
    assert data_of(acme.live, "generation", id="gen-2.1")["total_cost"] == Decimal("0.002649")


def test_a_voided_generation_costs_nothing(acme: Tenant, send: Sender, codex_mini: PriceVersion) -> None:
    (request,) = send(acme.key, at("10-14T09:00"))
    correct(send.gateway, void(acme.key, request))
    assert data_of(acme.live, "generation", id=request)["total_cost"] == 0


def test_a_generation_of_another_is_not_there(acme: Tenant, rival: Tenant, send: Sender, codex_mini: PriceVersion) -> None:
    from openrouter import errors

    (request,) = send(acme.key, at("10-14T09:00"))
    _, second = another_key(acme)
    for secret in (second, rival.secret, rival.admin_secret):
        with pytest.raises(errors.NotFoundResponseError):
            openrouter_client(secret).generations.get_generation(id=request)
    assert refusal(acme.live, "generation", id="none") == (404, None)
    assert refusal(acme.live, "generation") == (400, "id")
    assert refusal(acme.live, "generation", id="x" * 513) == (400, "id")
    assert refusal(acme.live, "generation", id="nul\x00") == (400, "id")


def test_a_cost_that_is_not_known_is_not_nothing(acme: Tenant, send: Sender) -> None:
    (request,) = send(acme.key, at("10-14T09:00"), model="unpriced")
    assert refusal(acme.live, "generation", id=request) == (404, "id")


def test_activity_is_by_day_model_and_provider(acme: Tenant, rival: Tenant, send: Sender, codex_mini: PriceVersion) -> None:
    make_price("grok-3", input="3", output="15")
    send(acme.key, at("09-14T23:59:59"), at("10-15T00:00"))  # before the first day, and today
    send(acme.key, at("09-15T00:00"), at("10-14T01:00"), at("10-14T23:59:59"))
    send(acme.key, at("10-14T01:00"), model="grok-3", provider="xai")
    send(rival.key, at("10-14T01:00"))
    rows = openrouter_client(acme.admin_secret).analytics.get_user_activity().data
    named = [(row.date_, row.model, row.provider_name, row.endpoint_id, row.requests) for row in rows]
    assert named == [
        ("2026-10-14", "codex-mini", "azure-openai", "azure-openai/codex-mini", 2),
        ("2026-10-14", "grok-3", "xai", "xai/grok-3", 1),
        ("2026-09-15", "codex-mini", "azure-openai", "azure-openai/codex-mini", 1),
    ]
    first = rows[0]
    assert (first.prompt_tokens, first.completion_tokens, first.reasoning_tokens, first.cached_tokens) == (4012, 600, 384, 3840)
    assert (first.usage, first.byok_usage_inference, first.workspace_id) == (0.005298, 0, None)
    exactly = data_of(acme.admin, "activity")
    ours = acme.admin.get("/api/v1/usage", {"start": "2026-09-15T00:00:00Z", "end": "2026-10-15T00:00:00Z"}).json()
    assert sum(row["usage"] for row in exactly) == Decimal(ours["total"]["cost"])


def test_activity_is_narrowed_by_day_key_and_workspace(acme: Tenant, send: Sender, codex_mini: PriceVersion) -> None:
    second, secret = another_key(acme)
    send(acme.key, at("10-13T01:00"), at("10-14T01:00"))
    send(second, at("10-14T01:00"), at("10-14T02:00"))
    client = openrouter_client(acme.admin_secret)
    hashed = hashlib.sha256(secret.encode()).hexdigest()
    asked: list[tuple[dict[str, str], list[int]]] = [
        ({"date_": "2026-10-13"}, [1]),
        ({"date_": "2026-10-12"}, []),
        ({"api_key_hash": hashed}, [2]),
        ({"workspace_id": acme.workspace.public_id}, [3, 1]),
    ]
    for query, requests in asked:
        assert [row.requests for row in client.analytics.get_user_activity(request=query).data] == requests  # type: ignore[arg-type]
    grouped = client.analytics.get_user_activity(request={"group_by": "workspace"}).data
    assert {row.workspace_id for row in grouped} == {acme.workspace.public_id}


@pytest.mark.parametrize(
    ("query", "status", "param"),
    [
        ({"date": "2026-10-15"}, 400, "date"),
        ({"date": "2026-09-14"}, 400, "date"),
        ({"date": "10-14"}, 400, "date"),
        ({"user_id": "user_1"}, 400, "user_id"),
        ({"workspace_id": "ws_none"}, 404, "workspace_id"),
        ({"api_key_hash": "0" * 64}, 404, "api_key_hash"),
        ({"api_key_hash": "abc"}, 400, "api_key_hash"),
        ({"group_by": "model"}, 400, "group_by"),
        ({"month": "2026-10"}, 400, "month"),
    ],
)
def test_a_wrong_parameter_is_named(acme: Tenant, query: dict[str, str], status: int, param: str) -> None:
    assert refusal(acme.admin, "activity", **query) == (status, param)


def test_the_hash_of_anothers_key_is_not_there(acme: Tenant, rival: Tenant) -> None:
    hashed = hashlib.sha256(rival.secret.encode()).hexdigest()
    assert refusal(acme.admin, "activity", api_key_hash=hashed) == (404, "api_key_hash")
    assert refusal(acme.live, "activity") == (403, None)


def test_a_suspended_workspace_is_refused_in_their_shape(acme: Tenant) -> None:
    acme.workspace.suspended_at = NOW
    acme.workspace.suspended_because = "Its credit is used up."
    acme.workspace.save()
    assert refusal(acme.live, "key")[0] == 403
    assert data_of(acme.admin, "credits") == {"total_credits": 0, "total_usage": 0}
    key, secret = issue.create_key(acme.workspace, "live", "Gone", "the tests", NOW)
    issue.revoke_key(key, "the tests", NOW)
    assert refusal(with_key(secret), "key")[0] == 401
