"""What all benchmarks share: how often, how much, and the middle of several runs."""

import sys
from dataclasses import dataclass
from statistics import median
from typing import Any


@dataclass(frozen=True)
class Options:
    """As the command line has them."""

    runs: int = 3
    scale: float = 1.0
    disorder: bool = False

    def scaled(self, count: int, step: int = 1) -> int:
        """A share of it in whole steps, and one step at least."""
        return max(1, round(count * self.scale / step)) * step


def medians(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """Of each figure by itself, also where figures are grouped, rounded for reading."""
    return {
        name: medians([run[name] for run in runs]) if isinstance(figure, dict) else readable(median(run[name] for run in runs))
        for name, figure in runs[0].items()
    }


def readable(figure: float) -> float:
    """With some four digits that mean something."""
    digits = 3 if abs(figure) < 10 else 1 if figure < 1000 else None
    return round(figure, digits) + 0  # never -0.0


def percentiles(name: str, seconds: list[float], *wanted: int) -> dict[str, float]:
    """In milliseconds, the names made like `name_p99_ms`."""
    ordered = sorted(seconds)
    return {f"{name}_p{each}_ms": ordered[min(len(ordered) - 1, len(ordered) * each // 100)] * 1000 for each in wanted}


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
