"""What a customer may not, in the shape that the real packages read."""

import time
from concurrent.futures import ThreadPoolExecutor

import anthropic
import openai
import pytest
from test_clients import MODEL, said
from world import Workspace, World, until


@pytest.mark.own_workspace
def test_a_revoked_key_is_refused_within_a_second(world: World, workspace: Workspace, client: openai.OpenAI) -> None:
    client.chat.completions.create(model=MODEL, messages=said("once"))
    world.ask(f"/api/v1/keys/{workspace.live_key_id}/revoke", workspace.admin_key, {})
    time.sleep(1)
    with pytest.raises(openai.AuthenticationError) as refused:
        client.chat.completions.create(model=MODEL, messages=said("once more"))
    assert (refused.value.status_code, refused.value.code, refused.value.type) == (401, "key_revoked", "authentication_error")


@pytest.mark.own_workspace
def test_a_workspace_without_credit_hears_402_in_the_shape_that_the_packages_read(
    world: World, workspace: Workspace, client: openai.OpenAI, claude: anthropic.Anthropic
) -> None:
    world.manage("set_terms", workspace.id, "--prepaid")
    for stream in (False, True):
        with pytest.raises(openai.APIStatusError) as refused:
            client.chat.completions.create(model=MODEL, messages=said("hello"), stream=stream)
        error = refused.value
        assert (error.status_code, error.code, error.type, error.param) == (402, "balance_used_up", "insufficient_quota", None)
        assert "credit" in error.message.lower()
    with pytest.raises(anthropic.APIStatusError) as unpaid:
        claude.messages.create(model=MODEL, max_tokens=5, messages=said("hello"))
    assert (unpaid.value.status_code, unpaid.value.body["error"]["code"]) == (402, "balance_used_up")


@pytest.mark.own_workspace
def test_a_prepaid_workspace_runs_until_its_credit_is_gone(world: World, workspace: Workspace, client: openai.OpenAI) -> None:
    world.manage("set_terms", workspace.id, "--prepaid")
    world.manage("grant_credit", workspace.id, "0.01")
    outcomes = [outcome(client, "word [tokens 300]") for _ in range(6)]
    answered = outcomes.count("answered")
    assert 3 <= answered <= 5  # of about 0.0021 USD each
    assert outcomes == ["answered"] * answered + ["balance_used_up"] * (6 - answered)


@pytest.mark.own_workspace
def test_many_at_once_do_not_overdraw(world: World, workspace: Workspace, client: openai.OpenAI) -> None:
    world.manage("set_terms", workspace.id, "--prepaid")
    world.manage("grant_credit", workspace.id, "0.01")
    with ThreadPoolExecutor(16) as pool:
        outcomes = list(pool.map(lambda _: outcome(client, "word [tokens 300] [hang 2]"), range(16)))
    assert set(outcomes) == {"answered", "balance_used_up"}
    assert 1 <= outcomes.count("answered") <= 4


def outcome(client: openai.OpenAI, prompt: str) -> str:
    try:
        client.chat.completions.create(model=MODEL, messages=said(prompt), max_tokens=300)
    except openai.APIStatusError as error:
        return str(error.code)
    return "answered"


def test_an_unknown_key_and_a_mistyped_one_are_refused(world: World) -> None:
    for key in ("omx_live_xxx", "sk-proj-1", f"omx_live_{'0' * 36}"):
        with pytest.raises(openai.AuthenticationError) as refused:
            openai.OpenAI(base_url=f"{world.gateway}/v1", api_key=key, max_retries=0).models.list()
        assert refused.value.code == "unknown_key"


def test_an_admin_key_buys_no_answers(world: World, workspace: Workspace) -> None:
    client = openai.OpenAI(base_url=f"{world.gateway}/v1", api_key=workspace.admin_key, max_retries=0)
    with pytest.raises(openai.APIStatusError) as refused:
        client.chat.completions.create(model=MODEL, messages=said("hello"))
    assert refused.value.code == "wrong_kind_of_key"


@pytest.mark.own_workspace
def test_a_key_may_use_its_models_only(world: World, workspace: Workspace, client: openai.OpenAI) -> None:
    world.ask(f"/api/v1/keys/{workspace.live_key_id}", workspace.admin_key, {"models": ["echo-other"]}, method="PATCH")

    def refused() -> str | None:
        try:
            client.chat.completions.create(model=MODEL, messages=said("hello"))
        except openai.PermissionDeniedError as error:
            return str(error.code)
        return None

    assert until(refused, 2) == "model_not_allowed"
    assert client.chat.completions.create(model="echo-other", messages=said("hello")).choices


@pytest.mark.own_workspace
def test_a_budget_that_is_reached_says_when_to_come_back(world: World, workspace: Workspace, client: openai.OpenAI) -> None:
    world.manage("set_budget", workspace.id, "--scope=workspace", "--window=day", "--limit=0.000001")
    with pytest.raises(openai.RateLimitError) as refused:
        client.chat.completions.create(model=MODEL, messages=said("hello"), max_tokens=500)
    assert (refused.value.status_code, refused.value.code) == (429, "budget_reached")
    assert int(refused.value.response.headers["retry-after"]) > 0
