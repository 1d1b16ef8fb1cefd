"""The copy-ready examples: one payload in six languages, and each of them right."""

import ast
import json
import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from metering.catalogue.models import LanguageModel
from metering.catalogue.reference import example_payload, request_fields
from metering.website.public.examples import EXAMPLE_KEY, endpoint, examples, first_request
from metering.website.public.highlight import highlight
from omixa_billing.embedded import locks
from omixa_billing.supervision.local_gateway import place

REASONING = LanguageModel(
    slug="codex-mini",
    streaming=True,
    tools=True,
    attachments=True,
    reasoning_efforts=["low", "medium", "high"],
    service_tiers=["auto", "default", "priority"],
)
PLAIN = LanguageModel(slug='o\'brien/"x"', streaming=False)
MODELS = pytest.mark.parametrize("model", [REASONING, PLAIN], ids=["reasoning", "plain"])


def between(code: str, start: str, end: str) -> str:
    return code.split(start, 1)[1].split(end, 1)[0]


def python_payload(code: str) -> Any:
    [call] = [
        node for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Call) and ast.unparse(node.func) == "requests.post"
    ]
    return ast.literal_eval(next(word.value for word in call.keywords if word.arg == "json"))


PAYLOAD_IN: dict[str, Callable[[str], Any]] = {
    "curl": lambda code: json.loads(code.split("-d '", 1)[1].removesuffix("'").replace("'\\''", "'")),
    "javascript": lambda code: json.loads(between(code, "JSON.stringify(", ")\n});")),
    "python": python_payload,
    "php": lambda code: json.loads(between(code, "<<<'JSON'\n", "\nJSON;")),
    "csharp": lambda code: json.loads(between(code, '@"', '";\nvar').replace('""', '"')),
    "go": lambda code: json.loads(between(code, "[]byte(`", "`)")),
}


@MODELS
def test_every_language_sends_the_same_payload(model: LanguageModel) -> None:
    found = {example.language: PAYLOAD_IN[example.language](example.code) for example in examples(model)}
    assert set(found) == set(PAYLOAD_IN)
    for language, payload in found.items():
        assert payload == example_payload(model), language


@MODELS
def test_every_example_names_the_endpoint_and_a_key(model: LanguageModel) -> None:
    for example in examples(model):
        assert "http://omixa.cloud/api/v1/chat/completions" in example.code
        assert "omx_live_xxx" in example.code


@MODELS
def test_a_streaming_models_example_reads_the_stream(model: LanguageModel) -> None:
    python = next(each.code for each in examples(model) if each.language == "python")
    compile(python, "example.py", "exec")
    assert ("iter_lines" in python) is model.streaming
    assert ("response.json()" in python) is not model.streaming


def test_the_payload_of_a_reasoning_model() -> None:
    payload = example_payload(REASONING)
    assert list(payload) == [
        "model",
        "messages",
        "stream",
        "max_tokens",
        "reasoning_effort",
        "show_thinking",
        "service_tier",
        "tools",
        "tool_choice",
    ]
    assert (payload["stream"], payload["max_tokens"], payload["reasoning_effort"]) == (True, 2048, "low")
    assert payload["service_tier"] == "priority"


def test_the_payload_of_a_plain_model() -> None:
    payload = example_payload(PLAIN)
    assert (payload["stream"], payload["temperature"]) == (False, 0.7)
    assert not {"reasoning_effort", "service_tier", "tools"} & set(payload)


def test_fields_follow_from_what_the_model_can() -> None:
    names = [field.name for field in request_fields(REASONING)]
    assert names[:3] == ["model", "messages", "messages[].content"]
    assert names[-4:] == ["reasoning_effort", "show_thinking", "attachments", "service_tier"]
    assert [field.name for field in request_fields(PLAIN)][-1] == "response_format"


def test_fields_that_a_model_lists_are_taken_as_listed() -> None:
    model = LanguageModel(slug="x", request_fields=["stop", "seed_of_the_future", "temperature"])
    assert [field.name for field in request_fields(model)][5:] == ["stop", "temperature"]


@MODELS
def test_colours_change_no_character(model: LanguageModel) -> None:
    for example in examples(model):
        bare = re.sub(r"</?span[^>]*>", "", highlight(example.code))
        for entity, character in (("&quot;", '"'), ("&#x27;", "'"), ("&lt;", "<"), ("&gt;", ">"), ("&amp;", "&")):
            bare = bare.replace(entity, character)
        assert bare == example.code


def test_the_first_request_is_short_and_the_shell_takes_it() -> None:
    code = first_request(LanguageModel(slug="it's-a-model"))
    assert len(code.splitlines()) <= 14
    words = shlex.split(code)
    assert json.loads(words[words.index("-d") + 1])["model"] == "it's-a-model"
    assert EXAMPLE_KEY in code


def test_the_examples_lead_to_the_gateway_that_runs_in_this_home_unless_another_is_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    monkeypatch.setenv("OMIXA_HOME", str(tmp_path))
    place.address_file().write_text("http://127.0.0.1:4000")
    assert endpoint() == "http://omixa.cloud/api/v1/chat/completions"  # it ran once
    with locks.exclusive(place.lock_file()):
        assert endpoint() == "http://127.0.0.1:4000/api/v1/chat/completions"
        settings.GATEWAY_URL = "https://api.example.com/"
        assert endpoint() == "https://api.example.com/api/v1/chat/completions"
