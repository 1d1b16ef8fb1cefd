"""Usage objects that nobody means: whatever is in them is counted, held or nothing, and never breaks a reading."""

from typing import Any

import msgspec
import pytest

from metering.ingest.formats.dialects.leaves import LONGEST_PATH
from metering.ingest.formats.dialects.shape import NotUnderstood, UsageRefused
from metering.ingest.formats.dialects.understand import NO_RULES, understand
from tests.ingest.formats.usages import chat, counted, refusal, understood

PLAIN = b'"prompt_tokens":10,"completion_tokens":5'


def read(more: bytes, rules: Any = NO_RULES) -> Any:
    return understand(b"{%s,%s}" % (PLAIN, more), None, lambda: rules)


@pytest.mark.parametrize(
    ("more", "path"),
    [
        (b'"prompt_tokens_details.cached_tokens":4', '"prompt_tokens_details.cached_tokens"'),
        (b'"prompt_tokens_details":{"cached_tokens":4},"prompt_tokens_details.cached_tokens":4', None),
        (b'"a[b]":1', '"a[b]"'),
        (b'"a\\u0000b":1', '"a\\u0000b"'),
        (b'"\\"":1', '"\\""'),
        (b'"":1', ""),
        (b'"x":[{"type":"a].b[","n":1}]', 'x["a].b["].n'),
        ('"käse":1'.encode(), "käse"),
        (b'"n":18446744073709551616', "n"),
        (b'"n":-3', "n"),
        (b'"n":[[{"m":[0,1]}]]', "n[][].m[]"),
        (b'"n":[true,"7"]', "n[]"),
        (b'"n":[{"type":"9","m":"9"}]', "n[9].m"),
    ],
)
def test_a_number_is_held_whatever_its_name_looks_like(more: bytes, path: str | None) -> None:
    with pytest.raises(NotUnderstood) as held:
        read(more)
    assert held.value.paths == ['"prompt_tokens_details.cached_tokens"' if path is None else path]
    assert "\x00" not in str(held.value)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (rb'"x":"\ud800"', "usage cannot be read: "),
        (b'"x":"\xff"', "usage cannot be read: "),
        (b'"x":1e999', "usage.x is too large or too small to be a count."),
        (b'"x":[{"n":1e999999},{"n":9e999999}]', "usage.x[].n is too large or too small to be a count."),
        (b'"x":%s1%s' % (b"[" * 20, b"]" * 20), "usage is nested deeper than any provider's."),
        (b'"x":%s1%s' % (b'{"a":' * 20, b"}" * 20), "usage is nested deeper than any provider's."),
    ],
)
def test_what_cannot_be_read_is_refused_and_breaks_nothing(more: bytes, message: str) -> None:
    with pytest.raises(UsageRefused) as refused:
        read(more)
    assert refused.value.code == "invalid_event"
    assert str(refused.value).startswith(message)


def test_a_nothing_with_any_exponent_is_nothing() -> None:
    assert read(b'"x":0e999,"y":0.0e-999').counted == (10, 0, 0, 5, 0)


def test_a_path_that_no_rule_can_hold_is_named_by_one_that_it_can() -> None:
    long, other = "a" * 300, "a" * 299 + "b"
    with pytest.raises(NotUnderstood) as held:
        understood(chat(10, 5, **{long: 1, other: 2}))
    assert len(set(held.value.paths)) == 2
    assert {len(path) for path in held.value.paths} == {LONGEST_PATH}
    rules = {("openai.chat", path): "" for path in held.value.paths}
    assert understood(chat(10, 5, **{long: 1, other: 2}), None, rules).counted == (10, 0, 0, 5, 0)
    with pytest.raises(NotUnderstood):
        understood(chat(10, 5, **{long + "c": 1}), None, rules)


@pytest.mark.parametrize("stated", [b"30", b"30.0", b"3e1", b'"30"', b'" 30.0 "', b'"+30"'])
def test_a_rule_counts_a_whole_number_however_it_is_written(stated: bytes) -> None:
    found = read(b'"strange":' + stated, {("openai.chat", "strange"): "web_search"})
    assert found.counted.others == (("web_search", 30),)


@pytest.mark.parametrize("stated", [b"30.5", b"-30", b'"-30"', b'"0.5"'])
def test_a_rule_counts_nothing_else(stated: bytes) -> None:
    with pytest.raises(UsageRefused) as refused:
        read(b'"strange":' + stated, {("openai.chat", "strange"): "web_search"})
    assert refused.value.code == "invalid_event"


def test_what_told_the_shape_is_not_taken_for_counted() -> None:
    """xAI's shape is looked for in every chat, by its reasoning and its total."""
    assert counted(chat(14, 2, total_tokens=16)) == (14, 0, 0, 2, 0)
    with pytest.raises(UsageRefused):
        understand(msgspec.json.encode({"input_tokens": 4, "output_tokens": 2, "completion_tokens": 9}), None, dict)


def test_a_count_that_is_an_object_or_a_list_is_none() -> None:
    assert refusal({"prompt_tokens": {"n": 5}, "completion_tokens": 1})[0] == "usage_missing"
    assert refusal({"prompt_tokens": [5], "completion_tokens": 1})[0] == "usage_missing"


@pytest.mark.parametrize(
    "stated", [b'["5","7"]', b'[5,"7"]', b'["5",7]', b"[5,7]", b'["5","a","7"]', b'["a",5,"7.0",0,"0"]', b'[" 5 ","7e0",null]']
)
def test_numbers_of_a_list_are_added_up_however_they_are_written(stated: bytes) -> None:
    counted = read(b'"x":%s' % stated, {("openai.chat", "x[]"): "web_search"}).counted
    assert dict(counted.others) == {"web_search": 12}


@pytest.mark.parametrize("stated", [b'["5","-7"]', b'[-7,"9"]', b'["9",-7]', b'["9e999","1"]', b'["1","9e999","9e999"]'])
def test_a_number_that_is_none_is_not_hidden_by_another(stated: bytes) -> None:
    with pytest.raises(UsageRefused) as refused:
        read(b'"x":%s' % stated, {("openai.chat", "x[]"): "web_search"})
    assert refused.value.code == "invalid_event"
