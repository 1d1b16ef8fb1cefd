"""How far searches and walks go: `make test` a little way, `make test DEEP=1` as far as a night allows, `DEEP=10` ten times so.

Without DEEP a search tries the same examples each time; with it, others each time.
"""

import os
from collections.abc import Sequence
from random import Random
from typing import TypeVar

import pytest
from hypothesis import HealthCheck, Phase, settings

T = TypeVar("T")
DEEP = int(os.environ.get("DEEP") or "0")
ROUND = 125  # examples per transaction: what they leave behind makes the next ones slower


def examples(usual: int, deep: int) -> int:
    return deep * DEEP if DEEP else usual


def search(usual: int, deep: int) -> settings:
    """Of one test that draws what it tries."""
    return bounded(examples(usual, deep))


def bounded(most: int) -> settings:
    return settings(
        deadline=None,
        database=None,
        derandomize=not DEEP,
        max_examples=most,
        suppress_health_check=list(HealthCheck),
        phases=[phase for phase in Phase if phase is not Phase.explain],
        print_blob=True,
    )


def in_rounds(usual: int) -> settings:
    """So many examples; with DEEP a whole round in each of `rounds`."""
    return bounded(ROUND if DEEP else usual)


def rounds_of(deep: int) -> pytest.MarkDecorator:
    """So many rounds for each step of DEEP: of the search that proves the most."""
    return pytest.mark.parametrize("round", range(max(1, deep * DEEP)))


rounds = pytest.mark.parametrize("round", range(max(1, DEEP)))


def dice(number: int, config: pytest.Config) -> Random:
    """Of the history with this number; a run with DEEP is repeated by its `--randomly-seed`."""
    return Random(f"{config.getoption('randomly_seed', 0)}, {number}" if DEEP else number)  # noqa: S311 - to be repeated


def some(of: Sequence[T], turn: int, usual: int = 1) -> Sequence[T]:
    """All of them, or without DEEP so many, beginning with the one whose turn it is: with growing turns each comes up."""
    if DEEP or usual >= len(of):
        return of
    return [of[(turn + at) % len(of)] for at in range(usual)]


def share() -> int:
    """With DEEP each which-th of a walk's tries is made: all of them from DEEP=20 on."""
    return max(1, 20 // DEEP)
