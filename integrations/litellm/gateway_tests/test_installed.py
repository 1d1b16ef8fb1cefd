"""An operator's own LiteLLM, set up by the README alone; with tools that LiteLLM runs itself, and a log of its own."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from installed import Installed, block_of_readme, records
from test_clients import MODEL, said
from test_ways_round import Answer, ask
from world import GATEWAY_PYTHON, Workspace, World, until

RECORDER = """
import json, os
from litellm.integrations.custom_logger import CustomLogger

class Recorder(CustomLogger):
    def record(self, kwargs):
        with open(os.environ["RECORDS"], "a") as file:
            file.write(json.dumps(kwargs.get("standard_logging_object"), default=str) + "\\n")

    async def async_log_success_event(self, kwargs, response_obj, start_time, end_time):
        self.record(kwargs)

    async def async_log_failure_event(self, kwargs, response_obj, start_time, end_time):
        self.record(kwargs)

recorder = Recorder()
"""
ORDERS = """
from mcp.server.mcpserver import MCPServer

server = MCPServer("orders")

@server.tool()
def lookup_order(order_id: str) -> str:
    return f"The order {order_id} is on its way."

server.run()
"""
TOOL = {"type": "mcp", "server_label": "orders", "server_url": "litellm_proxy/mcp/orders", "require_approval": "never"}


class Proxy:
    """Asked like the world's own, whose helpers read `gateway_port`."""

    def __init__(self, installed: Installed, records: Path) -> None:
        self.gateway_port, self.records = installed.port, records
        self.installed = installed


@pytest.fixture(scope="module")
def proxy(world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    folder = tmp_path_factory.mktemp("installed")
    (folder / "recorder.py").write_text(RECORDER)
    (folder / "orders.py").write_text(ORDERS)
    server = {"transport": "stdio", "command": GATEWAY_PYTHON, "args": [str(folder / "orders.py")], "allow_all_keys": True}
    more = {
        "litellm_settings": {"callbacks": ["omixa_litellm.callback", "recorder.recorder"]},
        "mcp_servers": {"orders": server},
    }
    environment = {"RECORDS": str(folder / "records"), "LITELLM_ENABLE_MCP_STDIO": "true"}
    with Installed(world, folder, more, environment) as installed:
        yield Proxy(installed, folder / "records")


def ask_for(proxy: Proxy, workspace: Workspace, path: str, **body: Any) -> Answer:
    return ask(proxy, workspace.live_key, path, {"model": MODEL, **body})  # type: ignore[arg-type]


def test_three_lines_and_two_variables_are_all(world: World, workspace: Workspace, tmp_path: Path) -> None:
    lines = [line for line in block_of_readme("custom_auth").splitlines() if "omixa" in line]
    assert len(lines) == 2
    with Installed(world, tmp_path, {}) as installed:
        proxy = Proxy(installed, tmp_path / "none")
        for path in ("/v1/chat/completions", "/api/v1/chat/completions"):
            answer = ask_for(proxy, workspace, path, messages=said("one two three"))
            assert world.settled(answer.request_id, workspace)["output_tokens"] == 3
        for route in ("/health", "/model/info", "/key/generate", "/ui"):
            assert ask(proxy, installed.master_key, route, method="GET").status == 404  # type: ignore[arg-type]
        spool = tmp_path / "omixa-spool"
        until(lambda: not [*spool.glob("*/*.part"), *spool.glob("*/*.ndjson")], 30)


def test_litellms_own_log_says_whose_a_request_is_and_has_no_key(world: World, workspace: Workspace, proxy: Proxy) -> None:
    answer = ask_for(proxy, workspace, "/v1/chat/completions", messages=said("whose is this"), user="another")
    failed = ask_for(proxy, workspace, "/v1/chat/completions", messages=said("whose is this [fail 400]"))
    assert (answer.status, failed.status) == (200, 400)

    def logged() -> list[dict[str, Any]]:
        return [each for each in records(proxy.records) if each["id"] and "whose" in json.dumps(each["messages"])]

    for each in until(lambda: len(logged()) == 2 and logged(), 30):
        metadata = each["metadata"]
        assert (metadata["user_api_key_user_id"], metadata["user_api_key_alias"]) == (workspace.id, workspace.live_key_id)
    for path in (proxy.records, *proxy.installed.folder.rglob("*.log")):
        assert workspace.live_key not in path.read_text(errors="replace")


def parts_of(world: World, workspace: Workspace, answer: Answer, number: int) -> list[dict[str, Any]]:
    """The billed events of a request that called its model so often."""
    names = [answer.request_id, *(f"{answer.request_id}.{part}" for part in range(1, number))]
    return [world.settled(name, workspace) for name in names]


@pytest.mark.parametrize(
    ("path", "more", "calls"),
    [
        ("/v1/chat/completions", {"messages": said("look it up [tool]")}, 2),
        ("/v1/responses", {"input": "look it up [tool]"}, 2),
        ("/v1/messages", {"messages": said("look it up [tool]"), "max_tokens": 50}, 11),
        ("/v1/messages", {"messages": said("look it up [tool]"), "max_tokens": 50, "model": "echo-other"}, 11),
        ("/v1/messages", {"messages": said("look it up [tool]"), "max_tokens": 50, "model": "echo-other", "stream": True}, 11),
    ],
)
def test_each_call_of_litellms_own_tools_is_billed(
    world: World, workspace: Workspace, proxy: Proxy, path: str, more: dict[str, Any], calls: int
) -> None:
    answer = ask_for(proxy, workspace, path, tools=[TOOL], **more)
    assert answer.status == 200, answer.body
    events = parts_of(world, workspace, answer, calls)
    assert [event["status"] for event in events] == ["succeeded"] * calls
    prompts = [event["input_tokens"] for event in events]
    assert prompts == sorted(set(prompts))  # each call sends all that was said before it
    assert world.attempts(f"{answer.request_id}.{calls}", workspace) == []
    assert [world.attempts(event["request_id"], workspace) for event in events] == [[event] for event in events]
    if not more.get("stream"):
        usage = answer.json["usage"]
        assert events[-1]["output_tokens"] == usage.get("completion_tokens", usage.get("output_tokens"))


def test_streamed_responses_with_litellms_own_tools_are_billed_call_by_call(
    world: World, workspace: Workspace, proxy: Proxy
) -> None:
    answer = ask_for(proxy, workspace, "/v1/responses", tools=[TOOL], stream=True, input="look it up [tool] [reasoning 100]")
    assert answer.status == 200
    events = parts_of(world, workspace, answer, 6)
    assert [(event["status"], event["reasoning_tokens"]) for event in events] == [("succeeded", 100)] * 6
    assert world.attempts(f"{answer.request_id}.6", workspace) == []


@pytest.mark.parametrize("address", ["litellm_proxy/mcp/orders", "http://127.0.0.1/mcp/orders"])
def test_a_streamed_chat_has_no_such_tools(workspace: Workspace, proxy: Proxy, address: str) -> None:
    """What LiteLLM asks for after the first answer would hide what that one came to."""
    tools = [{**TOOL, "server_url": address}]
    answer = ask_for(proxy, workspace, "/v1/chat/completions", tools=tools, stream=True, messages=said("look it up [tool]"))
    assert (answer.status, answer.json["error"]["code"]) == (400, "stream_not_supported")
