"""Histories that the search meets too seldom to rely on: each was missed by its short form when a fault was put in."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from tests.exactness.agreement import Both
from tests.exactness.histories import EDGES, FIRST
from tests.exactness.history import (
    BEGINNING,
    Correct,
    Look,
    Name,
    Operation,
    Order,
    Reread,
    Send,
    SetPrice,
    Stumble,
    Sweep,
    Understand,
)

WITHIN_AN_HOUR = EDGES[0]
CHEAP, DEAR = ((Decimal(input), None, None, Decimal(output)) for input, output in (("1.5", "6"), ("2.000001", "9")))
SENT = {
    "key": 0,
    "request_id": "a",
    "model": "base",
    "occurred_at": WITHIN_AN_HOUR.isoformat(),
    "usage": {"prompt_tokens": 1_000, "completion_tokens": 100},
}


STRANGE = SENT | {"usage": {"prompt_tokens": 1_000, "completion_tokens": 100, "strange": 7}}
LATER = BEGINNING + timedelta(minutes=1)


def replaced_by(output: int, **more: str) -> dict[str, Any]:
    usage = {"prompt_tokens": 1_000, "completion_tokens": output} | more
    return {"key": 0, "request_id": "a", "action": "replace", "usage": usage}


@pytest.mark.django_db
@pytest.mark.parametrize(
    "history",
    [
        pytest.param(
            [Send([SENT]), Correct([replaced_by(7)], work=False), Stumble(), Correct([replaced_by(8)]), Sweep()],
            id="an older replacement is taken up later",
        ),
        pytest.param(
            [
                Name("late", "base"),
                Send([SENT | {"model": "late"}, SENT | {"attempt": 1}]),
                Name("late", None),
                SetPrice("base", DEAR, since=FIRST, correct=True),
                Order(None, None, FIRST),
            ],
            id="an alias is one no longer, and nothing else prices it",
        ),
        pytest.param(
            [Send([SENT]), SetPrice("base", DEAR, since=WITHIN_AN_HOUR), Order(None, None, FIRST)],
            id="a price from within an hour",
        ),
        pytest.param(
            [Send([SENT]), SetPrice("base", DEAR, since=WITHIN_AN_HOUR + timedelta(microseconds=1)), Order(None, None, FIRST)],
            id="a price from the next microsecond",
        ),
        pytest.param(
            [
                Send([SENT]),
                SetPrice("base", DEAR, since=FIRST, correct=True),
                Order(None, None, FIRST, WITHIN_AN_HOUR),
                Look(),
                Order(None, None, WITHIN_AN_HOUR, WITHIN_AN_HOUR + timedelta(microseconds=1)),
            ],
            id="an order ends at the very instant of an event, and one begins there",
        ),
        pytest.param(
            [
                SetPrice("base", DEAR, above=1_000, since=FIRST),
                Send([SENT, SENT | {"attempt": 1, "usage": {"prompt_tokens": 1_001, "completion_tokens": 0}}]),
            ],
            id="at a threshold and one above it",
        ),
        pytest.param(
            [Understand("image"), Send([STRANGE]), Understand(None), Understand("web_search", now=LATER), Reread(now=LATER)],
            id="a rule holds from its very instant, and what it said is read again by the next one",
        ),
        pytest.param(
            [
                Understand("image"),
                Send([STRANGE]),
                Correct([replaced_by(7)]),
                Understand(None),
                Understand("web_search", now=LATER),
                Reread(now=LATER),
            ],
            id="what was corrected is read again as it was corrected",
        ),
        pytest.param(
            [
                Understand("image"),
                Send([STRANGE]),
                Correct([replaced_by(7)], work=False),
                Stumble(),
                Understand(None),
                Understand("web_search", now=LATER),
                Reread(now=LATER),
                Sweep(now=LATER),
            ],
            id="a correction whose batch failed counts though the usage was read again meanwhile",
        ),
        pytest.param(
            [
                Send(
                    [
                        SENT
                        | {
                            "dialect": "anthropic",
                            "usage": {"input_tokens": 10, "output_tokens": 10, "cache_creation": 7, "speed": "standard"},
                        }
                    ]
                )
            ],
            id="a number where only parts of cache writes are",
        ),
        pytest.param(
            [Send([SENT]), Correct([replaced_by(7, service_tier="priority")]), Correct([replaced_by(8)])],
            id="a correction that says nothing goes back to the tier of the event",
        ),
        pytest.param(
            [
                Send([SENT]),
                Correct([replaced_by(7, service_tier="priority")]),
                Correct([replaced_by(8, service_tier="flex"), replaced_by(8, service_tier="flex"), replaced_by(8)]),
            ],
            id="a correction is read against its event, and not against another correction",
        ),
        pytest.param(
            [Send([SENT | {"service_tier": "priority"}]), Correct([replaced_by(7, service_tier="standard")])],
            id="a correction that contradicts its event",
        ),
    ],
)
def test_the_product_agrees_with_the_oracle(shared: None, history: list[Operation]) -> None:
    Both().play([SetPrice("base", CHEAP, since=FIRST), *history, Look()])
