"""Each way round billing that a LiteLLM proxy offers its clients, tried: none works."""

import http.client
import json
from typing import Any

import litellm
import pytest
from test_clients import MODEL, said
from world import Workspace, World


class Answer:
    def __init__(self, response: http.client.HTTPResponse) -> None:
        self.status, self.headers, self.body = response.status, response.headers, response.read()

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def request_id(self) -> str:
        return self.headers["x-omixa-request-id"]


def ask(world: World, key: str, path: str, body: Any = None, method: str = "POST", **headers: str) -> Answer:
    connection = http.client.HTTPConnection("127.0.0.1", world.gateway_port, timeout=60)
    sent = {"Authorization": f"Bearer {key}", "Content-Type": "application/json", **headers}
    connection.request(method, path, None if body is None else json.dumps(body), sent)
    answer = Answer(connection.getresponse())
    connection.close()
    return answer


def chat(world: World, workspace: Workspace, headers: dict[str, str] | None = None, **body: Any) -> Answer:
    asked = {"model": MODEL, "messages": said("one two three"), **body}
    return ask(world, workspace.live_key, "/v1/chat/completions", asked, **(headers or {}))


def test_1_a_client_cannot_choose_the_request_id(world: World, workspace: Workspace) -> None:
    mine = {"x-litellm-call-id": "always-the-same", "x-omixa-request-id": "always-the-same", "x-litellm-trace-id": "t"}
    ids = {chat(world, workspace, mine).request_id for _ in range(3)}
    assert len(ids) == 3
    for each in ids:
        assert world.settled(each, workspace)["output_tokens"] == 3
    assert world.attempts("always-the-same", workspace) == []


def test_2_a_client_cannot_switch_the_log_off(world: World, workspace: Workspace) -> None:
    orders = {"no-log": True, "litellm_params": {"no-log": True}, "metadata": {"no-log": True}}
    answer = chat(world, workspace, {"x-litellm-disable-callbacks": "omixa_litellm.callback"}, **orders)
    assert world.settled(answer.request_id, workspace)["status"] == "succeeded"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/health"),
        ("GET", "/health/readiness"),
        ("GET", "/model/info"),
        ("GET", "/v1/model/info"),
        ("POST", "/v1/files"),
        ("POST", "/v1/batches"),
        ("POST", "/key/generate"),
        ("POST", "/v1/completions"),
        ("POST", "/v1/images/generations"),
        ("POST", "/v1/audio/speech"),
        ("POST", "/chat/completions"),
        ("POST", f"/openai/deployments/{MODEL}/chat/completions"),
        ("POST", "/api/v1/chat/completions/../../../v1/files"),
        ("POST", "/openai/v1/chat/completions"),
        ("GET", "/v1/responses/resp_1"),
        ("GET", "/"),
        ("GET", "/ui"),
        ("GET", "/openapi.json"),
        ("GET", "/metrics"),
    ],
)
def test_3_no_other_route_is_open_to_a_live_key(world: World, workspace: Workspace, method: str, path: str) -> None:
    answer = ask(world, workspace.live_key, path, {"model": MODEL} if method == "POST" else None, method)
    assert (answer.status, answer.json["error"]["code"]) == (404, "not_found")


def test_4_a_client_cannot_tell_litellm_what_to_do(world: World, workspace: Workspace) -> None:
    orders = {
        "mock_response": "for nothing",
        "fallbacks": ["echo-other"],
        "api_base": "http://127.0.0.1:1",
        "base_url": "http://127.0.0.1:1",
        "custom_llm_provider": "anthropic",
        "extra_headers": {"a": "b"},
        "extra_body": {"messages": []},
        "num_retries": 50,
        "cache": {"ttl": 600},
        "input_cost_per_token": 0,
        "metadata": {"error_information": {"error_class": "ClientDisconnected"}, "usage_object": {"prompt_tokens": 0}},
    }
    answer = chat(world, workspace, **orders)
    assert answer.json["choices"][0]["message"]["content"] == "one two three"
    event = world.settled(answer.request_id, workspace)
    assert (event["status"], event["model"], event["output_tokens"]) == ("succeeded", MODEL, 3)


def test_5_names_of_models_nobody_has_make_no_rows_and_hold_nothing(world: World, workspace: Workspace) -> None:
    answer = chat(world, workspace, model="nobody-has-this")
    assert (answer.status, answer.json["error"]["code"]) == (404, "model_not_found")
    listed = ask(world, workspace.live_key, "/v1/models", method="GET").json["data"]
    assert "nobody-has-this" not in {model["id"] for model in listed}
    catalogue = {model["id"] for model in world.ask("/api/v1/models", workspace.live_key)["data"]}
    assert "nobody-has-this" not in catalogue


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/responses", "/v1/embeddings", "/v1/messages"])
@pytest.mark.parametrize("name", ["openai/{}", "{},echo-other", "{},{}", " {}", "*", ""])
def test_5_a_model_has_one_name_and_deployments_have_none(world: World, workspace: Workspace, path: str, name: str) -> None:
    before = {model["id"] for model in world.ask("/api/v1/models", workspace.live_key)["data"]}
    body = {"model": name.format(MODEL, MODEL), "messages": said("a b c"), "input": "a b c", "max_tokens": 9}
    answer = ask(world, workspace.live_key, path, body)
    assert answer.status == (404 if name else 400)
    assert "x-omixa-request-id" not in answer.headers
    assert {model["id"] for model in world.ask("/api/v1/models", workspace.live_key)["data"]} == before


def test_5_the_id_of_a_deployment_is_no_name_of_a_model(world: World, workspace: Workspace) -> None:
    models = json.loads((world.folder / "home" / "gateway" / "litellm.yaml").read_text())["model_list"]
    ids = litellm.Router(model_list=[model for model in models if model["model_name"] == MODEL]).get_model_ids()
    assert [chat(world, workspace, model=name).status for name in ids] == [404]


def test_6_answers_name_neither_addresses_nor_costs_of_the_operator(world: World, workspace: Workspace) -> None:
    for body in ({}, {"stream": True}, {"messages": said("[fail 500]")}):
        answer = chat(world, workspace, **body)
        named = {name.lower() for name in answer.headers}
        assert [name for name in named if "litellm" in name or "llm_provider" in name or "api-base" in name] == []
        assert "x-omixa-request-id" in named


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/messages"])
@pytest.mark.parametrize("more", [{"metadata": {"team": "\ud800"}}, {"metadata": {"\ud800": "red"}}, {"user": "\ud800"}])
def test_7_an_event_that_nobody_could_read_is_never_written(
    world: World, workspace: Workspace, path: str, more: dict[str, Any]
) -> None:
    body = {"model": MODEL, "messages": said("one two three"), "max_tokens": 9, **more}
    answer = ask(world, workspace.live_key, path, body)
    assert (answer.status, answer.json["error"]["code"]) == (400, "invalid_json")


def test_7_what_no_database_keeps_is_left_out_of_the_event(world: World, workspace: Workspace) -> None:
    answer = chat(world, workspace, user="u\0", metadata={"team": "red", "a": "\0", "\0": "b"})
    assert world.settled(answer.request_id, workspace)["metadata"] == {"team": "red"}


@pytest.mark.own_workspace
@pytest.mark.parametrize(
    ("more", "status", "code"),
    [
        ({"max_tokens": 100, "max_completion_tokens": 2**31 - 1, "n": 2}, 429, "budget_reached"),
        ({"service_tier": "x" * 5_000, "stream": True}, 400, "invalid_value"),
        ({"service_tier": "flex\0"}, 400, "invalid_value"),
    ],
)
def test_8_no_question_that_the_product_refuses_runs_without_its_answer(
    world: World, workspace: Workspace, more: dict[str, Any], status: int, code: str
) -> None:
    world.manage("set_budget", workspace.id, "--scope=workspace", "--window=day", "--limit=0.000001")
    answer = chat(world, workspace, **more)
    assert (answer.status, answer.json["error"]["code"]) == (status, code)


@pytest.mark.own_workspace
@pytest.mark.parametrize(("more", "tokens"), [({}, 4096), ({"n": 4}, 1024), ({"n": 2, "max_tokens": 4000}, 4000)])
def test_9_no_more_is_written_than_what_is_held(world: World, workspace: Workspace, more: dict[str, Any], tokens: int) -> None:
    """Nothing is known of how much the echo writes at most, so the product holds 4,096 tokens where none are stated."""
    world.manage("set_budget", workspace.id, "--scope=workspace", "--window=day", "--limit=1.00")
    answer = chat(world, workspace, messages=said("word [tokens 5000]"), **more)
    assert answer.json["usage"]["completion_tokens"] == tokens


@pytest.mark.own_workspace
@pytest.mark.parametrize(
    ("path", "more"),
    [
        ("/v1/responses", {"previous_response_id": "resp_1"}),
        ("/v1/messages", {"messages": said([{"type": "tool_use", "id": "t", "name": "n", "input": {"url": "a b " * 50_000}}])}),
        ("/v1/messages", {"messages": said([{"type": "document", "source": {"type": "text", "data": "a b " * 50_000}}])}),
        ("/v1/chat/completions", {"messages": said(" " * 20_000 + "a b " * 50_000)}),
    ],
)
def test_10_no_input_looks_smaller_than_it_is(world: World, workspace: Workspace, path: str, more: dict[str, Any]) -> None:
    """100,000 tokens and more, of which the budget pays for 40,000."""
    world.manage("set_budget", workspace.id, "--scope=workspace", "--window=day", "--limit=0.12")
    body = {"model": MODEL, "input": "a", "messages": said("a"), "max_tokens": 9, **more}
    answer = ask(world, workspace.live_key, path, body)
    assert (answer.status, answer.json["error"]["code"]) == (429, "budget_reached")


@pytest.mark.parametrize(("more", "status", "tokens"), [({}, "aborted", 20), ({"reasoning_effort": "low"}, "succeeded", 520)])
def test_11_thoughts_are_billed_though_the_stream_is_left_before_its_end(
    world: World, workspace: Workspace, more: dict[str, Any], status: str, tokens: int
) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", world.gateway_port, timeout=60)
    body = {"model": MODEL, "messages": said("[tokens 20] [slow 0.2] [reasoning 500]"), "stream": True, **more}
    headers = {"Authorization": f"Bearer {workspace.live_key}", "Content-Type": "application/json"}
    connection.request("POST", "/v1/chat/completions", json.dumps(body), headers)
    answer = connection.getresponse()
    while b"something" not in answer.readline():
        pass
    connection.close()
    event = world.settled(answer.headers["x-omixa-request-id"], workspace, 60)
    assert event["status"] == status
    assert event["output_tokens"] == tokens or (status == "aborted" and 1 < event["output_tokens"] < tokens)
