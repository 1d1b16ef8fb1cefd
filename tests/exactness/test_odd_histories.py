"""Histories that the search meets too seldom to rely on: each was missed by its short form when a fault was put in."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from tests.exactness.agreement import Both
from tests.exactness.histories import EDGES, FIRST
from tests.exactness.history import Correct, Look, Name, Operation, Order, Send, SetPrice, Stumble, Sweep

WITHIN_AN_HOUR = EDGES[0]
CHEAP, DEAR = ((Decimal(input), None, None, Decimal(output)) for input, output in (("1.5", "6"), ("2.000001", "9")))
SENT = {
    "key": 0,
    "request_id": "a",
    "model": "base",
    "occurred_at": WITHIN_AN_HOUR.isoformat(),
    "usage": {"prompt_tokens": 1_000, "completion_tokens": 100},
}


def replaced_by(output: int) -> dict[str, Any]:
    usage = {"prompt_tokens": 1_000, "completion_tokens": output}
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
    ],
)
def test_the_product_agrees_with_the_oracle(shared: None, history: list[Operation]) -> None:
    Both().play([SetPrice("base", CHEAP, since=FIRST), *history, Look()])
