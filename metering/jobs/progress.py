"""How a long verb reports its progress to a listener."""

from collections.abc import Callable

# Hears (done, total) now and then.
Progress = Callable[[int, int], None]


def unheard(done: int, total: int) -> None:
    """Nobody listens."""
