"""What a client may not order is gone before LiteLLM reads the body."""

import json
from typing import Any

import pytest
from omixa_litellm.bodies import Asked, read_body
from omixa_litellm.refusals import Refusal

HELLO = [{"role": "user", "content": "one two three"}]
ORDERS = {
    "fallbacks": ["other"],
    "mock_response": "free",
    "mock_tool_calls": [],
    "api_base": "http://evil.example",
    "base_url": "http://evil.example",
    "api_key": "sk-mine",
    "no-log": True,
    "no_log": True,
    "extra_body": {"a": 1},
    "extra_headers": {"a": "b"},
    "custom_llm_provider": "custom",
    "model_info": {"id": "1"},
    "input_cost_per_token": 0,
    "cache": {"no-store": True},
    "num_retries": 99,
    "litellm_call_id": "mine",
    "litellm_logging_obj": {},
    "litellm_metadata": {"tags": []},
    "user_config": {},
    "metadata": {"team": "red", "user_id": "u-1", "error_information": {"error_class": "ClientDisconnected"}},
    "proxy_server_request": {},
    "router_settings_override": {},
    "show_thinking": True,
}


def body(endpoint: str = "chat/completions", **more: Any) -> Asked:
    return read_body(endpoint, json.dumps({"model": "m", "messages": HELLO, **more}).encode())


def test_orders_to_litellm_are_taken_out() -> None:
    asked = body(max_tokens=5, temperature=0.5, **ORDERS)
    assert json.loads(asked.content()) == {"model": "m", "messages": HELLO, "max_tokens": 5, "temperature": 0.5}
    assert (asked.user, asked.metadata) == ("u-1", {"team": "red"})


def test_a_label_that_no_database_could_keep_is_left_out_alone() -> None:
    asked = body(metadata={"team": "red", "a": "\0", "\0": "b", "user_id": "u\0"})
    assert (asked.metadata, asked.user) == ({"team": "red"}, None)


def test_of_a_name_that_comes_twice_litellm_reads_what_was_checked() -> None:
    asked = read_body("chat/completions", b'{"model":"cheap","model":"dear","messages":[]}')
    assert (asked.model, json.loads(asked.content())["model"]) == ("dear", "dear")


def test_an_operator_may_let_a_field_through() -> None:
    content = json.dumps({"model": "m", "messages": HELLO, "show_thinking": True}).encode()
    assert json.loads(read_body("chat/completions", content, frozenset(["show_thinking"])).content())["show_thinking"] is True


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "invalid_json"),
        (b"[]", "invalid_json"),
        (b'{"model": "m", "temperature": NaN}', "invalid_json"),
        (b'{"model": "m", "messages": "\\ud83d"}', "invalid_json"),
        (b'{"model": "\xff"}', "invalid_json"),
        (b'{"model": "m", "messages": [], "metadata": {"team": "\\ud83d"}}', "invalid_json"),
        (b'{"model": "m", "messages": [], "metadata": {"\\udc00": "red"}}', "invalid_json"),
        (b'{"model": "m", "messages": [], "user": "\\ud800"}', "invalid_json"),
        (b'{"model": "m\\u0000"}', "model_missing"),
        (b'{"messages": []}', "model_missing"),
        (b'{"model": ["m"]}', "model_missing"),
        (b'{"model": "m", "max_tokens": -1}', "invalid_value"),
        (b'{"model": "m", "max_tokens": 1.5}', "invalid_value"),
        (b'{"model": "m", "stream": "yes"}', "invalid_value"),
        (b'{"model": "m", "n": 0}', "invalid_value"),
        (b'{"model": "m", "service_tier": 1}', "invalid_value"),
        (b'{"model": "m", "service_tier": ""}', "invalid_value"),
        (b'{"model": "m", "service_tier": "flex\\u0000"}', "invalid_value"),
        (b'{"model": "m", "service_tier": "' + b"x" * 65 + b'"}', "invalid_value"),
    ],
)
def test_bad_input_gets_a_clear_error(content: bytes, code: str) -> None:
    with pytest.raises(Refusal) as refused:
        read_body("chat/completions", content)
    assert (refused.value.status, refused.value.body["error"]["code"]) == (400, code)


@pytest.mark.parametrize(
    ("endpoint", "stated", "lowered"),
    [
        ("chat/completions", {"max_tokens": 100}, {"max_tokens": 40}),
        ("chat/completions", {"max_completion_tokens": 100}, {"max_completion_tokens": 40}),
        ("chat/completions", {}, {"max_completion_tokens": 40}),
        ("chat/completions", {"n": 4, "max_tokens": 100}, {"n": 4, "max_tokens": 10}),
        ("responses", {"max_output_tokens": 100}, {"max_output_tokens": 40}),
        ("messages", {"max_tokens": 100}, {"max_tokens": 40}),
    ],
)
def test_what_is_asked_for_can_be_lowered(endpoint: str, stated: dict[str, Any], lowered: dict[str, Any]) -> None:
    asked = body(endpoint, **stated)
    asked.lower_output(40)
    passed_on = json.loads(asked.content())
    assert {name: passed_on[name] for name in passed_on if name not in ("model", "messages")} == lowered


@pytest.mark.parametrize(
    ("endpoint", "stream", "address", "passes"),
    [
        ("chat/completions", True, "litellm_proxy/mcp/orders", False),
        ("chat/completions", False, "litellm_proxy", True),
        ("chat/completions", True, "https://mcp.example.com/mcp/orders", False),
        ("chat/completions", False, "https://mcp.example.com/mcp/orders", True),
        ("responses", True, "litellm_proxy", True),
        ("messages", True, "litellm_proxy", True),
    ],
)
def test_a_streamed_chat_has_no_tools_of_servers(endpoint: str, stream: bool, address: str, passes: bool) -> None:
    tools = [{"type": "function", "function": {"name": "f"}}, "no tool", {"type": "mcp", "server_url": address}]
    content = json.dumps({"model": "m", "messages": HELLO, "stream": stream, "tools": tools}).encode()
    if passes:
        assert read_body(endpoint, content).body["tools"] == tools
    else:
        with pytest.raises(Refusal) as refused:
            read_body(endpoint, content)
        assert (refused.value.status, refused.value.body["error"]["code"]) == (400, "stream_not_supported")
