"""How a verb that takes long says how far it is, to whoever listens."""

from collections.abc import Callable

# Hears (done, total) now and then.
Progress = Callable[[int, int], None]


def unheard(done: int, total: int) -> None:
    """Nobody listens."""
