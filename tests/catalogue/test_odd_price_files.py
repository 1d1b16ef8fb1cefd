"""Files of prices that say too much, nothing, or twice: refused as a whole or by the model, with the reason."""

import json
from decimal import Decimal
from typing import Any

import pytest

from metering.catalogue.imports.cards import UnreadableFile
from metering.catalogue.imports.csv_file import read_csv
from metering.catalogue.imports.litellm import read_litellm
from metering.catalogue.imports.openrouter import read_openrouter
from tests.catalogue.readers import CHAT, NONE, litellm, reason


@pytest.mark.parametrize(
    ("reader", "text"),
    [
        (read_litellm, "[1"),
        (read_litellm, '{"m": 1}'),
        (read_litellm, '{"m": {"input_cost_per_token": NaN}}'),
        (read_openrouter, '{"data": [{}]}'),
        (read_csv, "name,input\n"),
        (read_csv, "model,moons\n"),
        (read_csv, 'model,input,output\n"a,1,2\n'),
        (read_csv, ""),
    ],
)
def test_a_file_that_is_not_of_its_format_is_refused_as_a_whole(reader: Any, text: str) -> None:
    with pytest.raises(UnreadableFile):
        reader(text, NONE)


HUGE = "1e999999999"  # a whole number of a thousand million digits


@pytest.mark.parametrize("amount", [HUGE, "1e-400", "1e60", f'"{HUGE}"', '"-1e9999999"', '"0.1' + "1" * 5000 + '"', '"sNaN"'])
def test_an_amount_that_cannot_be_computed_with_refuses_its_model_and_nothing_else(amount: str) -> None:
    good = '"input_cost_per_token": 1e-6, "output_cost_per_token": 2e-6'
    bad = f'"mode": "chat", "output_cost_per_token": 2e-6, "input_cost_per_token": {amount}'
    read = read_litellm(f'{{"good": {{"mode": "chat", {good}}}, "bad": {{{bad}}}}}', Decimal("0.2"))
    assert ([each.model for each in read.entries], list(read.refused)) == (["good"], ["bad"])
    plain = amount.strip('"')
    csv_read = read_csv(f"model,input,output\ngood,1,2\nbad,{plain},2\n", Decimal("0.2"))
    assert ([each.model for each in csv_read.entries], list(csv_read.refused)) == (["good"], ["bad"])
    text = f'{{"data": [{{"id": "bad", "pricing": {{"prompt": "{plain}", "completion": "0.1"}}}}]}}'
    assert list(read_openrouter(text, NONE).refused) == ["bad"]


def test_a_limit_or_threshold_that_no_request_reaches_is_none_or_refuses_its_model() -> None:
    rates = '"mode": "chat", "input_cost_per_token": 1e-6, "output_cost_per_token": 2e-6'
    (entry,) = read_litellm(f'{{"m": {{{rates}, "max_input_tokens": {HUGE}}}}}', NONE).entries
    assert entry.page.context_window is None
    for field in (
        f'"input_cost_per_token_above_{"9" * 5000}k_tokens": 2e-6',
        f'"tiered_pricing": [{{"range": [{HUGE}, {HUGE}], "input_cost_per_token": 1e-6, "output_cost_per_token": 1e-6}}]',
    ):
        assert list(read_litellm(f'{{"m": {{{rates}, {field}}}}}', NONE).refused) == ["m"]
    assert "not a whole number of tokens" in reason(
        read_csv(f"model,above_input_tokens,input,output\nm,{'9' * 5000},1,2\n", NONE)
    )
    for override in ({"min_prompt_tokens": "1e3", "prompt": "2"}, {"min_prompt_tokens": HUGE}, 7):
        listed = {"id": "m", "pricing": {"prompt": "1e-6", "completion": "1e-6", "overrides": [override]}}
        assert read_openrouter(json.dumps({"data": [listed]}), NONE)  # read or refused, never an error of ours
    whole = {"id": "m", "pricing": {"prompt": "1e-6", "completion": "1e-6", "overrides": 7}}
    assert reason(read_openrouter(json.dumps({"data": [whole]}), NONE)) == "Its overrides are not a list."


def test_what_a_json_file_says_twice_is_not_chosen_from() -> None:
    one = '{"mode": "chat", "input_cost_per_token": 1e-6, "output_cost_per_token": 2e-6}'
    other = one.replace("1e-6", "3e-6")
    assert reason(read_litellm(f'{{"m": {one}, "m": {other}}}', NONE)) == "It is in the file twice."
    assert len(read_litellm(f'{{"m": {one}, "m": {one}}}', NONE).entries) == 1
    twice = one.replace("}", ', "input_cost_per_token": 5e-6}')
    assert "input_cost_per_token is 'two values'" in reason(read_litellm(f'{{"m": {twice}}}', NONE))


@pytest.mark.parametrize("letter", ["\\u0000", "\\ud800"])
def test_a_json_file_with_what_is_no_character_is_refused(letter: str) -> None:
    model = '{"mode": "chat", "input_cost_per_token": 1e-6, "output_cost_per_token": 2e-6}'
    for text in (f'{{"m{letter}": {model}}}', f'{{"m": {model.replace("chat", letter)}}}'):
        with pytest.raises(UnreadableFile, match="The file is not text"):
            read_litellm(text, NONE)


def test_a_provider_that_is_no_text_refuses_no_more_than_it_has_to() -> None:
    assert litellm(**{**CHAT, "litellm_provider": ["xai"]}).entries
