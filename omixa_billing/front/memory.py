"""How much this process keeps of bodies that it is reading or passing on."""

from collections.abc import Iterator
from contextlib import contextmanager


class TooMuchAtOnce(Exception):
    """As many bytes are on their way as fit: this caller comes again later."""


class Memory:
    """Counted as it arrives: what was announced and does not come costs nothing."""

    def __init__(self, most: int) -> None:
        self.left = most

    @contextmanager
    def share(self) -> Iterator["Share"]:
        """One body's, until the block ends."""
        share = Share(self)
        try:
            yield share
        finally:
            self.left += share.size


class Share:
    """What one body takes of it."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self.size = 0

    def grow(self, size: int) -> None:
        """Raises TooMuchAtOnce."""
        if size > self._memory.left:
            raise TooMuchAtOnce
        self._memory.left -= size
        self.size += size
