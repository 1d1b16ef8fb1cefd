"""Nothing unknown is nothing: a number that a dialect does not know holds its event."""

from typing import Any

import pytest

from metering.ingest.formats.dialects.shape import NotUnderstood
from metering.ingest.formats.dialects.understand import NO_RULES, understand
from tests.ingest.formats.usages import chat, counted, gemini, others_in, refusal, responses, understood

USAGES = {
    "openai.chat": chat(10, 5, total_tokens=15),
    "openai.responses": responses(10, 5),
    "anthropic": responses(10, 5, cache_read_input_tokens=3),
    "gemini": gemini(10, candidatesTokenCount=5),
    "deepseek": chat(10, 5, prompt_cache_hit_tokens=4, prompt_cache_miss_tokens=6),
    "bedrock": {"inputTokens": 10, "outputTokens": 5},
    "voyage": {"total_tokens": 10, "text_tokens": 10},
}
STRANGE: list[tuple[dict[str, Any], list[str]]] = [
    ({"tool_tokens": 1}, ["tool_tokens"]),
    ({"tool_tokens": 0.001}, ["tool_tokens"]),
    ({"tool_tokens": -1}, ["tool_tokens"]),
    ({"tool_tokens": "12"}, ["tool_tokens"]),
    ({"tool_tokens": " 0.5 "}, ["tool_tokens"]),
    ({"tool_tokens": "1e3"}, ["tool_tokens"]),
    ({"tools": {"calls": {"n": 2}}}, ["tools.calls.n"]),
    ({"tools": [3]}, ["tools[]"]),
    ({"tools": [[3]]}, ["tools[][]"]),
    ({"tools": [{"n": 1}, {"n": 2}]}, ["tools[].n"]),
    ({"tools": [{"type": "search", "n": 1}, {"type": "code", "n": 2}]}, ["tools[code].n", "tools[search].n"]),
    ({"b": 1, "a": 2}, ["a", "b"]),
]
NOTHING: list[Any] = [
    0,
    0.0,
    None,
    True,
    False,
    "",
    "0",
    "0.00",
    "0e9",
    "twelve",
    "12 tokens",
    [],
    {},
    [0, None],
    {"a": {"b": 0}},
]


@pytest.mark.parametrize("dialect", USAGES)
@pytest.mark.parametrize(("strange", "paths"), STRANGE)
def test_a_number_above_zero_under_a_strange_name_is_held_with_its_path(
    dialect: str, strange: dict[str, Any], paths: list[str]
) -> None:
    for named in (None, dialect) if dialect != "voyage" else (dialect,):
        with pytest.raises(NotUnderstood) as held:
            understood(USAGES[dialect] | strange, named)
        assert (held.value.code, held.value.dialect, held.value.paths) == ("usage_not_understood", dialect, paths)
        assert all(f"usage.{path}" in str(held.value) for path in paths)


@pytest.mark.parametrize("dialect", USAGES)
@pytest.mark.parametrize("nothing", NOTHING)
def test_nothing_under_a_strange_name_is_nothing(dialect: str, nothing: Any) -> None:
    said = USAGES[dialect]
    assert counted(said | {"tool_tokens": nothing}, dialect) == counted(said, dialect)


def test_a_name_of_another_dialect_is_not_understood_in_this_one() -> None:
    said = USAGES["deepseek"]
    assert counted(said) == (10, 4, 0, 5, 0)
    assert refusal(said, "openai.chat") == (
        "usage_not_understood",
        "usage.prompt_cache_hit_tokens, usage.prompt_cache_miss_tokens are numbers that are not understood in "
        "openai.chat's usage.",
    )
    assert refusal(chat(10, 5, cached_tokens=4), "openai.chat")[0] == "usage_not_understood"
    assert refusal(responses(10, 5, input_tokens_details={"cached_tokens": 4}), "anthropic")[0] == "usage_inconsistent"
    assert (
        refusal(responses(10, 5, prompt_tokens_details={"cached_tokens": 4}), "openai.responses")[0] == "usage_not_understood"
    )


def test_what_a_dialect_counts_in_another_shape_is_not_passed_over() -> None:
    """Qwen knows details of the prompt in OpenAI's shape; in DashScope's own shape it reads only some of them."""
    said = responses(10, 5, prompt_tokens_details={"cached_tokens": 0, "audio_tokens": 7})
    assert refusal(said) == (
        "usage_not_understood",
        "usage.prompt_tokens_details.audio_tokens is a number that is not understood in qwen's usage.",
    )


def test_what_an_advisor_used_costs_another_models_rates_and_is_held() -> None:
    said = responses(10, 5, iterations=[{"type": "advisor_message", "input_tokens": 900, "output_tokens": 20}])
    assert refusal(said)[0] == "usage_not_understood"


def test_many_paths_are_named_in_part() -> None:
    _, message = refusal(chat(1, 1, **{f"strange_{at:02}": 1 for at in range(12)}))
    assert message.startswith("usage.strange_00, usage.strange_01")
    assert message.endswith("usage.strange_09 and 2 more are numbers that are not understood in openai.chat's usage.")


def test_usage_deeper_than_any_is_refused() -> None:
    deep: dict[str, Any] = {"n": 1}
    for _ in range(30):
        deep = {"in": deep}
    assert refusal(chat(1, 1, deep=deep)) == ("invalid_event", "usage is nested deeper than any provider's.")


RULED: list[tuple[str, dict[str, int], tuple[int, ...], dict[str, int]]] = [
    ("", {"tool_tokens": 7}, (10, 0, 0, 5, 0), {}),
    ("cached_input", {"tool_tokens": 7}, (10, 7, 0, 5, 0), {}),
    ("output", {"tool_tokens": 7}, (10, 0, 0, 12, 0), {}),
    ("web_search", {"tool_tokens": 7}, (10, 0, 0, 5, 0), {"web_search": 7}),
    ("audio_output", {"tool_tokens": 4}, (10, 0, 0, 5, 0), {"audio_output": 4}),
]


@pytest.mark.parametrize(("component", "strange", "counts", "beside"), RULED)
def test_a_rule_says_what_a_number_is(
    component: str, strange: dict[str, int], counts: tuple[int, ...], beside: dict[str, int]
) -> None:
    rules = {("openai.chat", "tool_tokens"): component}
    read = understood(chat(10, 5) | strange, None, rules)
    assert (read.counted if not beside else read.counted[0]) == counts
    assert dict(() if not beside else read.counted[1]) == beside
    assert read.says_more


def test_a_rule_is_of_one_dialect_and_one_path() -> None:
    rules = {("openai.chat", "tool_tokens"): ""}
    assert understood(chat(10, 5, tool_tokens="7"), None, rules).counted == (10, 0, 0, 5, 0)
    for said in (responses(10, 5, tool_tokens=7), chat(10, 5, tool_tokens=7, more=1)):
        with pytest.raises(NotUnderstood):
            understood(said, None, rules)


def test_a_component_that_does_not_fit_into_its_whole_is_held() -> None:
    with pytest.raises(Exception, match="audio_output 7 do not fit into output 5") as refused:
        understood(chat(10, 5, tool_tokens=7), None, {("openai.chat", "tool_tokens"): "audio_output"})
    assert refused.value.code == "usage_inconsistent"  # type: ignore[attr-defined]


def test_rules_are_asked_for_only_where_something_is_not_understood() -> None:
    asked: list[str] = []

    def rules() -> Any:
        asked.append("asked")
        return NO_RULES

    understand(b'{"prompt_tokens": 1, "completion_tokens": 2, "cost": 0.5}', None, rules)
    assert asked == []


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        (chat(10, 5, total_tokens=15), False),
        (chat(10, 5, prompt_tokens_details={"cached_tokens": 3, "audio_tokens": 0}), False),
        (responses(10, 5, cache_read_input_tokens=3, service_tier="standard"), False),
        (chat(10, 5, prompt_tokens_details={"audio_tokens": 3}), False),
        (chat(10, 5, completion_tokens_details={"rejected_prediction_tokens": 3}), True),
        (chat(10, 5, cost=0.1), True),
        (chat(10, 5, completion_tokens_details={"text_tokens": 5}), True),
    ],
)
def test_usage_is_kept_where_it_says_more_than_the_counts(said: dict[str, Any], kept: bool) -> None:
    assert understood(said).says_more == kept


def test_litellms_own_names_count_at_every_endpoint() -> None:
    said = chat(
        2098,
        503,
        total_tokens=2601,
        prompt_tokens_details={
            "cached_tokens": 1800,
            "text_tokens": 50,
            "cache_creation_tokens": 248,
            "cache_creation_token_details": {"ephemeral_5m_input_tokens": 148, "ephemeral_1h_input_tokens": 100},
        },
        completion_tokens_details={"reasoning_tokens": 0, "text_tokens": 503},
        cache_creation_input_tokens=248,
        cache_read_input_tokens=1800,
    )
    assert (counted(said), others_in(said)) == ((2098, 1800, 248, 503, 0), {"cache_write_1h": 100})
