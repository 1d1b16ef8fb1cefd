"""What a usage object counts is passed on whole: what it means is for Omixa to say, and no text of a person is."""

from typing import Any

import pytest
from omixa_litellm.events import counts


@pytest.mark.parametrize(
    ("stated", "passed_on"),
    [
        ({"prompt_tokens": 3, "completion_tokens": 0}, {"prompt_tokens": 3, "completion_tokens": 0}),
        ({"prompt_tokens": 3, "is_byok": True, "note": None}, {"prompt_tokens": 3, "is_byok": True}),
        ({"prompt_tokens": 3, "strange": "12"}, {"prompt_tokens": 3, "strange": "12"}),
        ({"prompt_tokens": 3, "a name": 4}, {"prompt_tokens": 3, "unreadable_1": 4}),
        ({"prompt_tokens": 3, "prompt": "of a person", "type": "tokens"}, {"prompt_tokens": 3, "type": "tokens"}),
        ({"type": "duration", "seconds": 9.5}, {"type": "duration", "seconds": 9.5}),
        ({"prompt_tokens": 3, "details": [{"modality": "AUDIO", "n": 2}]},) * 2,
        ({"prompt_tokens": float("nan")}, {"prompt_tokens": 2**53}),
    ],
)
def test_every_number_is_passed_on(stated: dict[str, Any], passed_on: dict[str, Any]) -> None:
    assert counts(stated) == passed_on


@pytest.mark.parametrize("stated", [None, {}, {"is_byok": False}, {"type": "tokens"}, {"details": {"flag": True}}])
def test_what_has_no_number_counts_nothing(stated: Any) -> None:
    assert counts(stated) is None
