"""The ways round billing again, in other clothes: headers, nested orders, paths, methods and protocols. None works."""

import http.client
import json
import socket
from typing import Any

import pytest
from test_clients import MODEL, said
from test_ways_round import Answer, ask, chat
from world import Workspace, World

CHAT = "/v1/chat/completions"


def raw(world: World, head: str, body: Any = None) -> tuple[int, bytes]:
    """As it stands: clients of HTTP tidy up what they send."""
    content = b"" if body is None else json.dumps(body).encode()
    with socket.create_connection(("127.0.0.1", world.gateway_port), timeout=60) as connection:
        head += f"Host: gateway\r\nConnection: close\r\nContent-Length: {len(content)}\r\n\r\n"
        connection.sendall(head.encode("latin-1") + content)
        answer = http.client.HTTPResponse(connection)
        answer.begin()
        return answer.status, answer.read()


def asked(text: str = "one two three", **more: Any) -> dict[str, Any]:
    return {"model": MODEL, "messages": said(text), **more}


@pytest.mark.parametrize(
    "name",
    [
        *("X-LITELLM-CALL-ID", "x-Litellm-Call-Id", "X-Litellm-Trace-Id", "x-litellm-session-id", "x-request-id"),
        *("litellm-call-id", "x_litellm_call_id", "X-OMIXA-Request-ID", "traceparent", "idempotency-key"),
    ],
)
def test_1_no_spelling_of_a_header_chooses_the_request_id(world: World, workspace: Workspace, name: str) -> None:
    mine = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    ids = {chat(world, workspace, {name: mine}).request_id for _ in range(2)}
    assert len(ids) == 2
    for each in ids:
        assert world.settled(each, workspace)["output_tokens"] == 3
    assert world.attempts(mine, workspace) == []


def test_1_a_header_that_is_sent_again_and_again_changes_nothing(world: World, workspace: Workspace) -> None:
    head = (
        f"POST {CHAT} HTTP/1.1\r\nAuthorization: Bearer {workspace.live_key}\r\nContent-Type: application/json\r\n"
        + "X-LiteLLM-Call-Id: mine\r\nx-litellm-call-id: mine\r\nx-litellm-tags: a\r\nX-LiteLLM-Tags: b\r\n"
        + "x-litellm-enable-message-redaction: true\r\nx-litellm-timeout: 0\r\nx-litellm-num-retries: 9\r\n"
    )
    status, body = raw(world, head, asked())
    assert (status, json.loads(body)["choices"][0]["message"]["content"]) == (200, "one two three")
    assert world.attempts("mine", workspace) == []


def test_1_a_key_that_is_nobodys_is_not_helped_by_one_that_stands_beside_it(world: World, workspace: Workspace) -> None:
    for names in (("Authorization", "authorization"), ("x-api-key", "x-api-key"), ("api-key", "x-goog-api-key")):
        lines = "".join(f"{name}: {'Bearer ' * (name.lower() == 'authorization')}sk-1234\r\n" for name in names)
        status, body = raw(world, f"POST {CHAT} HTTP/1.1\r\nContent-Type: application/json\r\n{lines}", asked())
        assert (status, json.loads(body)["error"]["code"]) == (401, "unknown_key")


ORDERS = {"no-log": True, "no_log": True, "mock_response": "for nothing", "api_base": "http://127.0.0.1:1", "fallbacks": ["x"]}
NESTS = (
    *("extra_body", "metadata", "litellm_metadata", "litellm_params", "user_config", "proxy_server_request", "optional_params"),
    *("litellm_settings", "router_settings", "litellm_embedding_config", "guardrails", "cache", "prompt_variables", "tags"),
)


@pytest.mark.parametrize("path", [CHAT, "/v1/responses", "/v1/messages"])
@pytest.mark.parametrize("stream", [False, True])
def test_2_and_4_no_order_is_obeyed_wherever_it_is_nested(world: World, workspace: Workspace, path: str, stream: bool) -> None:
    nested: dict[str, Any] = {name: {**ORDERS, "extra_body": ORDERS, "metadata": ORDERS} for name in NESTS}
    more = {
        "user_config": {"model_list": [{"model_name": MODEL, "litellm_params": {"model": "openai/x", "mock_response": "no"}}]},
        "model_list": [{"model_name": MODEL, "litellm_params": {"model": "openai/x", "mock_response": "no"}}],
        "deployment_id": "x", "specific_deployment": True, "model_info": {"id": "mine", "input_cost_per_token": 0},
        "litellm_call_id": "mine", "call_id": "mine", "id": "mine", "litellm_trace_id": "mine", "litellm_logging_obj": {},
        "mock_tool_calls": [], "mock_timeout": True, "mock_testing_fallbacks": True, "context_window_fallbacks": [],
        "turn_off_message_logging": True, "callbacks": [], "success_callback": [], "disable_global_guardrails": True,
        "prompt_id": "x", "base_model": "gpt-4o", "input": "one two three", "max_tokens": 50,
        "standard_callback_dynamic_params": ORDERS, "litellm_disabled_callbacks": ["omixa_litellm.callback"],
    }  # fmt: skip
    body = {**ORDERS, **nested, **asked(stream=stream), **more}
    answer = ask(world, workspace.live_key, path, body)
    assert (answer.status, b"for nothing" in answer.body) == (200, False), answer.body
    event = world.settled(answer.request_id, workspace)
    assert (event["status"], event["model"], event["output_tokens"]) == ("succeeded", MODEL, 3)
    assert world.attempts("mine", workspace) == []


def test_2_the_last_of_two_fields_of_one_name_counts_for_everybody(world: World, workspace: Workspace) -> None:
    content = json.dumps(asked())[:-1] + ', "model": "echo-other", "no-log": true, "no-log": false, "n": 1, "n": 2}'
    connection = http.client.HTTPConnection("127.0.0.1", world.gateway_port, timeout=60)
    connection.request("POST", CHAT, content, {"Authorization": f"Bearer {workspace.live_key}"})
    answer = Answer(connection.getresponse())
    connection.close()
    assert world.settled(answer.request_id, workspace)["model"] == "echo-other"


@pytest.mark.parametrize(
    "target",
    [
        *("//v1/chat/completions", "/v1//chat/completions", "/api//v1/chat/completions", "/api/api/v1/chat/completions"),
        *("/v1/chat/completions//", "/V1/chat/completions", "/v1/chat/completions/x", "/v1/./chat/completions"),
        *(
            "/v1/chat/completions/..%2ffiles",
            "/v1%2Fchat%2Fcompletions/..",
            "/v1/chat/completions%3Fx",
            "/v1/chat/completions;a",
        ),
        *("/v1/chat/completions%00", "/v1/chat/completions%0a", "/v1/files%2f..%2fchat/completions", "/../v1/files"),
        *("/v1/batches", "/v1/realtime", "/v1/rerank", "/v1/moderations", "/v1/audio/transcriptions", "/v1/responses/compact"),
        *("/v1/messages/count_tokens", "/v1/messages/batches", "/v1/responses/x/cancel", "/v1/threads", "/v1/fine_tuning/jobs"),
        *("/openai/v1/files", "/anthropic/v1/messages", "/gemini/v1beta/models", "/vertex_ai/x", "/bedrock/x", "/azure/x"),
        *("/engines/echo-plain/chat/completions", "/v1/engines/echo-plain/completions", "/mcp", "/mcp/", "/a2a/x", "/queue"),
        *(
            "/v1beta/models/echo-plain:generateContent",
            "/models/echo-plain:generateContent",
            "/utils/token_counter",
            "/spend/logs",
        ),
    ],
)
def test_3_no_spelling_of_a_path_opens_another_route(world: World, workspace: Workspace, target: str) -> None:
    head = f" {target} HTTP/1.1\r\nAuthorization: Bearer {workspace.live_key}\r\nContent-Type: application/json\r\n"
    for method, body in (("POST", asked()), ("GET", None)):
        status, content = raw(world, method + head, body)
        assert status in (400, 404), (method, status, content)


@pytest.mark.parametrize(
    "target", ["/v1/chat/completions/", "/v1/chat%2Fcompletions", "/api/v1/chat/completions/?a=b&no-log=1"]
)
def test_3_what_leads_to_a_chat_after_all_is_billed(world: World, workspace: Workspace, target: str) -> None:
    answer = ask(world, workspace.live_key, target, asked())
    assert world.settled(answer.request_id, workspace)["output_tokens"] == 3


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE", "post", "PROPFIND"])
def test_3_no_other_method_does_anything(world: World, workspace: Workspace, method: str) -> None:
    answer = ask(
        world, workspace.live_key, CHAT, None if method == "HEAD" else asked(), method, **{"X-HTTP-Method-Override": "POST"}
    )
    assert answer.status in (400, 404, 405)
    assert "x-omixa-request-id" not in answer.headers


@pytest.mark.parametrize("path", ["/v1/realtime?model=echo-plain", "/v1/responses", "/vertex_ai/live", CHAT])
def test_3_no_websocket_is_opened(world: World, workspace: Workspace, path: str) -> None:
    head = (
        f"GET {path} HTTP/1.1\r\nAuthorization: Bearer {workspace.live_key}\r\nUpgrade: websocket\r\n"
        "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    )
    with socket.create_connection(("127.0.0.1", world.gateway_port), timeout=60) as connection:
        connection.sendall(f"{head}Host: gateway\r\n\r\n".encode())
        assert connection.recv(64).split()[1] in (b"403", b"404")
