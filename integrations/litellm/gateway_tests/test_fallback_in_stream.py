"""A stream that breaks where the operator has a fallback: LiteLLM goes to it before a word was said, and not after."""

import http.client
import json
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from installed import Installed
from test_clients import said
from world import INPUT, OUTPUT, Workspace, World

SAID = "one two three four five six"
EARLY_INPUT, EARLY_OUTPUT = Decimal("11"), Decimal("13")


@pytest.fixture(scope="module")
def proxy(world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installed]:
    """`echo-plain` breaks after three words, `echo-early` before the first; `echo-other` answers whole, at another price."""
    world.manage("set_price", "echo-early", f"--input={EARLY_INPUT}", "--cached-input=1", f"--output={EARLY_OUTPUT}")
    fallbacks = [{"echo-plain": ["echo-other"]}, {"echo-early": ["echo-other"]}]
    more: dict[str, Any] = {"router_settings": {"fallbacks": fallbacks, "num_retries": 0}}
    installed = Installed(world, tmp_path_factory.mktemp("fallback"), more)
    address = f"http://127.0.0.1:{installed.echo_port}"
    installed.set_models(
        {"model_name": name, "litellm_params": {"model": f"openai/{name}", "api_key": "x", "api_base": f"{address}{path}/v1"}}
        for name, path in (("echo-plain", "/break-3"), ("echo-early", "/break-0"), ("echo-other", ""))
    )
    with installed:
        yield installed


def streamed(proxy: Installed, workspace: Workspace, path: str, model: str) -> tuple[str, str]:
    """The request id, and the answer as it came."""
    connection = http.client.HTTPConnection("127.0.0.1", proxy.port, timeout=60)
    headers = {"Authorization": f"Bearer {workspace.live_key}", "Content-Type": "application/json"}
    asked = {"input": SAID} if path == "/v1/responses" else {"messages": said(SAID)}
    body = {"model": model, "stream": True, **({"max_tokens": 50} if path == "/v1/messages" else {}), **asked}
    connection.request("POST", path, json.dumps(body), headers)
    answer = connection.getresponse()
    content = answer.read().decode()
    connection.close()
    assert answer.status == 200, content
    return str(answer.headers["x-omixa-request-id"]), content


def billed(world: World, workspace: Workspace, request_id: str, part: int) -> list[dict[str, Any]]:
    """Every event of the request, up to the part that ends it."""
    world.settled(f"{request_id}.{part}" if part else request_id, workspace)
    names = [request_id, *(f"{request_id}.{number}" for number in range(1, part + 2))]
    return [each for name in names for each in world.attempts(name, workspace)]


def shown(event: dict[str, Any]) -> tuple[Any, ...]:
    return event["model"], event["attempt"], event["status"], event["usage_source"], event["output_tokens"]


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/messages"])
def test_what_has_said_something_is_not_continued_and_is_billed_for_that(
    world: World, workspace: Workspace, proxy: Installed, path: str
) -> None:
    request_id, _ = streamed(proxy, workspace, path, "echo-plain")
    (event,) = billed(world, workspace, request_id, 0)
    assert shown(event) == ("echo-plain", 0, "aborted", "estimated", 3)
    assert Decimal(event["cost"]) == (event["input_tokens"] * INPUT + 3 * OUTPUT) / 1_000_000


def test_a_message_that_breaks_before_it_says_anything_is_billed_once_as_the_model_requested(
    world: World, workspace: Workspace, proxy: Installed
) -> None:
    request_id, content = streamed(proxy, workspace, "/v1/messages", "echo-early")
    assert all(word in content for word in SAID.split())
    failed, event = billed(world, workspace, request_id, 0)
    assert shown(failed)[:3] == ("echo-early", 0, "failed")
    assert shown(event) == ("echo-early", 1, "succeeded", "provider", 6)
    assert event["input_tokens"] == len(SAID) // 4
    assert Decimal(event["cost"]) == (event["input_tokens"] * EARLY_INPUT + 6 * EARLY_OUTPUT) / 1_000_000
