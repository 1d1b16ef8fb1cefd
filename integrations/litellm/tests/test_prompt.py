"""No input counts for less because of where in a request it stands."""

import base64
import json
from typing import Any

import pytest
from omixa_litellm.bodies import read_body
from omixa_litellm.prompt import Input, count_input

HELLO = [{"role": "user", "content": "one two three"}]
LONG = "word " * 40_000  # 200 kB


def counted(endpoint: str = "chat/completions", **body: Any) -> Input:
    stated = {"model": "m", **({} if "input" in body else {"messages": HELLO}), **body}
    return count_input(read_body(endpoint, json.dumps(stated).encode()), lambda text: len(text.split()))


def said(*parts: Any) -> list[Any]:
    return [{"role": "user", "content": list(parts)}]


def encoded(content: bytes) -> str:
    return base64.b64encode(content).decode()


def test_a_short_prompt_is_counted_with_its_tools_and_pictures() -> None:
    plain = counted().tokens
    tools = [{"type": "function", "function": {"name": "find", "description": "find a thing", "parameters": {}}}]
    assert counted(tools=tools).tokens > plain + 3
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
    assert 1_500 < counted(messages=said(picture)).tokens < 1_520
    assert not counted(messages=said(picture)).is_elsewhere


@pytest.mark.parametrize("repeats", [4_500, 40_000, 400_000])
def test_a_long_prompt_is_counted_by_samples(repeats: int) -> None:
    asked = counted(messages=[{"role": "user", "content": "word " * repeats}])
    assert asked.tokens == pytest.approx(repeats, rel=0.01)


def test_a_thin_beginning_hides_no_dense_text() -> None:
    """One sample of twenty may fall on both."""
    asked = counted(messages=[{"role": "user", "content": " " * 20_000 + "a " * 190_000}])
    assert asked.tokens == pytest.approx(190_000, rel=0.06)


@pytest.mark.parametrize(
    "part",
    [
        {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": LONG}},
        {"type": "document", "source": {"type": "content", "content": [{"type": "text", "text": LONG}]}},
        {"type": "document", "source": {"type": "base64", "media_type": "text/plain", "data": encoded(LONG.encode())}},
        {"type": "file", "file": {"filename": "a.txt", "file_data": f"data:text/plain;base64,{encoded(LONG.encode())}"}},
        {"type": "image", "source": {"type": "base64", "media_type": "text/plain", "data": LONG}},
        {"type": "tool_use", "id": "t", "name": "find", "input": {"url": LONG}},
        {"type": "tool_use", "id": "t", "name": "find", "input": {"type": "image", "source": {"data": LONG}}},
        {"type": "tool_use", "id": "t", "name": "find", "input": {"id": LONG, "type": "id"}},
        {"type": "tool_use", "id": "t", "name": "find", "input": [1] * 40_000},
        {"type": "tool_result", "tool_use_id": "t", "content": [{"type": "text", "text": "a", "data": LONG}]},
        {"type": "text", "text": "a", "detail": LONG},
    ],
)
def test_text_is_counted_wherever_it_stands(part: dict[str, Any]) -> None:
    assert counted("messages", messages=said(part), max_tokens=9).tokens > 39_000


@pytest.mark.parametrize(
    ("media_type", "tokens"),
    [("application/pdf", 250_000), ("audio/mpeg", 10_000), ("image/png", 1_500), ("made/up", 250_000)],
)
def test_files_and_sounds_count_by_their_size(media_type: str, tokens: int) -> None:
    content = encoded(b"0" * 1_000_000)
    document = {"type": "document", "source": {"type": "base64", "media_type": media_type, "data": content}}
    assert counted("messages", messages=said(document)).tokens == pytest.approx(tokens, rel=0.02)
    picture = {"type": "image_url", "image_url": {"url": f"data:{media_type};base64,{content}"}}
    assert counted(messages=said(picture)).tokens == pytest.approx(tokens, rel=0.02)


@pytest.mark.parametrize(
    ("endpoint", "body"),
    [
        ("responses", {"input": "a", "previous_response_id": "resp_1"}),
        ("responses", {"input": "a", "prompt": {"id": "pmpt_1"}}),
        ("responses", {"input": [{"type": "item_reference", "id": "msg_1"}]}),
        ("responses", {"input": said({"type": "input_file", "file_url": "https://example.com/a.pdf"})}),
        ("chat/completions", {"messages": said({"type": "file", "file": {"file_id": "file_1"}})}),
        ("chat/completions", {"messages": said({"type": "image_url", "image_url": {"url": "https://example.com/a.pdf"}})}),
        ("chat/completions", {"messages": [{"role": "assistant", "audio": {"id": "audio_1"}}]}),
        ("messages", {"messages": said({"type": "document", "source": {"type": "url", "url": "https://example.com/a"}})}),
    ],
)
def test_what_the_provider_keeps_is_of_unknown_length(endpoint: str, body: dict[str, Any]) -> None:
    assert counted(endpoint, **body).is_elsewhere


def test_a_picture_at_an_address_is_one() -> None:
    part = {"type": "image_url", "image_url": {"url": "https://example.com/cat.jpg?size=9"}}
    asked = counted(messages=said(part))
    assert (asked.tokens > 1_500, asked.is_elsewhere) == (True, False)


def test_embeddings_take_tokens_as_such() -> None:
    assert counted("embeddings", input=[[1, 2, 3], [4, 5]]).tokens == pytest.approx(5, abs=10)
