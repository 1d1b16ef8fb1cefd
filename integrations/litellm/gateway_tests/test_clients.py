"""The packages that customers use, unchanged: what they were answered is what they are billed."""

from decimal import Decimal
from typing import Any

import anthropic
import openai
from world import Workspace, World, cost

MODEL = "echo-plain"
TOOL = {
    "type": "function",
    "function": {
        "name": "lookup_order",
        "parameters": {"type": "object", "properties": {"order_id": {"type": "string"}}, "required": ["order_id"]},
    },
}


def said(text: Any) -> list[Any]:
    return [{"role": "user", "content": text}]


def request_id(raw: Any) -> str:
    return str(raw.headers["x-omixa-request-id"])


def test_a_chat_is_answered_and_billed_to_the_digit(world: World, workspace: Workspace, client: openai.OpenAI) -> None:
    raw = client.chat.completions.with_raw_response.create(model=MODEL, messages=said("one two three [cached 2] [reasoning 4]"))
    answer = raw.parse()
    assert answer.choices[0].message.content == "one two three"
    assert answer.usage is not None
    assert (answer.usage.completion_tokens, answer.usage.prompt_tokens_details.cached_tokens) == (7, 2)
    event = world.settled(request_id(raw), workspace)
    assert (event["status"], event["model"], Decimal(event["cost"])) == ("succeeded", MODEL, cost(answer.usage.model_dump()))
    assert [name for name in raw.headers if "litellm" in name.lower()] == []


def test_a_stream_is_answered_word_by_word_and_billed_though_it_hides_its_usage(
    world: World, workspace: Workspace, client: openai.OpenAI
) -> None:
    raw = client.chat.completions.with_raw_response.create(model=MODEL, messages=said("one two three"), stream=True)
    chunks = list(raw.parse())
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == "one two three"
    assert [chunk.usage for chunk in chunks if chunk.usage] == []
    event = world.settled(request_id(raw), workspace)
    assert (event["status"], event["output_tokens"]) == ("succeeded", 3)


def test_a_stream_that_asks_for_its_usage_shows_what_is_billed(
    world: World, workspace: Workspace, client: openai.OpenAI
) -> None:
    raw = client.chat.completions.with_raw_response.create(
        model=MODEL, messages=said("a b c d [cached 3]"), stream=True, stream_options={"include_usage": True}
    )
    (usage,) = [chunk.usage for chunk in raw.parse() if chunk.usage]
    assert Decimal(world.settled(request_id(raw), workspace)["cost"]) == cost(usage.model_dump())


def test_a_tool_is_called(world: World, workspace: Workspace, client: openai.OpenAI) -> None:
    raw = client.chat.completions.with_raw_response.create(model=MODEL, messages=said("look [tool]"), tools=[TOOL])
    (call,) = raw.parse().choices[0].message.tool_calls or []
    assert (call.function.name, call.function.arguments) == ("lookup_order", '{"order_id": "echo"}')
    assert world.settled(request_id(raw), workspace)["status"] == "succeeded"


def test_a_response_is_answered_and_billed_whole_and_streamed(
    world: World, workspace: Workspace, client: openai.OpenAI
) -> None:
    raw = client.responses.with_raw_response.create(model=MODEL, input="one two three [cached 1] [reasoning 2]")
    answer = raw.parse()
    assert answer.output_text == "one two three"
    event = world.settled(request_id(raw), workspace)
    assert (event["input_tokens"], event["cached_input_tokens"], event["output_tokens"], event["reasoning_tokens"]) == (
        answer.usage.input_tokens,
        1,
        5,
        2,
    )
    streamed = client.responses.with_raw_response.create(model=MODEL, input="one two", stream=True)
    kinds = [event.type for event in streamed.parse()]
    assert (kinds[0], kinds[-1]) == ("response.created", "response.completed")
    assert world.settled(request_id(streamed), workspace)["output_tokens"] == 2


def test_the_models_of_the_catalogue_are_listed(world: World, client: openai.OpenAI) -> None:
    assert {"codex-mini", "grok-3", MODEL} <= {model.id for model in client.models.list()}


def test_embeddings_are_billed_for_their_input(world: World, workspace: Workspace, client: openai.OpenAI) -> None:
    raw = client.embeddings.with_raw_response.create(model=MODEL, input=["one", "two"], encoding_format="float")
    answer = raw.parse()
    assert len(answer.data) == 2
    event = world.settled(request_id(raw), workspace)
    assert (event["input_tokens"], event["output_tokens"]) == (answer.usage.prompt_tokens, 0)


def test_anthropics_messages_are_answered_and_billed_whole_and_streamed(
    world: World, workspace: Workspace, claude: anthropic.Anthropic
) -> None:
    raw = claude.messages.with_raw_response.create(model=MODEL, max_tokens=50, messages=said("one two three [cached 2]"))
    answer = raw.parse()
    assert answer.content[0].text == "one two three"
    event = world.settled(request_id(raw), workspace)
    # Anthropic counts what was read from the cache apart.
    assert event["input_tokens"] == answer.usage.input_tokens + 2
    assert (event["cached_input_tokens"], event["output_tokens"]) == (2, 3)
    with claude.messages.stream(model=MODEL, max_tokens=50, messages=said("one two")) as stream:
        assert stream.get_final_text() == "one two"
        streamed = stream.response
    assert world.settled(request_id(streamed), workspace)["output_tokens"] == 2


def test_each_attempt_of_a_request_that_fails_over_is_recorded_and_the_last_is_billed(
    world: World, workspace: Workspace, client: openai.OpenAI
) -> None:
    raw = client.chat.completions.with_raw_response.create(model=MODEL, messages=said(f"{workspace.id} [fail 500] [times 2]"))
    assert raw.parse().choices[0].message.content == workspace.id
    world.settled(request_id(raw), workspace)
    attempts = world.attempts(request_id(raw), workspace)
    assert [(each["attempt"], each["status"]) for each in attempts] == [(0, "failed"), (1, "failed"), (2, "succeeded")]
    assert [Decimal(each["cost"]) > 0 for each in attempts] == [False, False, True]


def test_a_stream_that_breaks_is_billed_for_what_was_delivered(
    world: World, workspace: Workspace, client: openai.OpenAI
) -> None:
    raw = client.chat.completions.with_raw_response.create(
        model=MODEL, messages=said("one two three four five [break 3]"), stream=True
    )
    words = []
    try:
        words += [chunk.choices[0].delta.content or "" for chunk in raw.parse()]
    except openai.APIError:
        words.append("broken")
    event = world.settled(request_id(raw), workspace)
    assert (event["status"], event["usage_source"], event["output_tokens"]) == ("aborted", "estimated", 3)
