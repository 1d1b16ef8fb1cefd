"""How much this process keeps of bodies that it is reading or passing on."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager


class TooMuchAtOnce(Exception):
    """As many bytes are on their way as fit: this caller comes again later."""


class Memory:
    """Counted as it arrives: what was announced and does not come costs nothing.

    `most` bytes in all, and `most_of_one` of them for each owner, so that none keeps the others out.
    """

    def __init__(self, most: int, most_of_one: int | None = None) -> None:
        self.left = most
        self._most_of_one = most if most_of_one is None else most_of_one
        self._of_owner: Counter[str] = Counter()

    @contextmanager
    def share(self, owner: str = "") -> Iterator["Share"]:
        """One body's, until the block ends."""
        share = Share(self, owner)
        try:
            yield share
        finally:
            self._release(share)

    def reserve(self, share: "Share", size: int) -> None:
        """Raises TooMuchAtOnce."""
        if size > self.left or self._of_owner[share.owner] + size > self._most_of_one:
            raise TooMuchAtOnce
        self.left -= size
        self._of_owner[share.owner] += size
        share.size += size

    def _release(self, share: "Share") -> None:
        self.left += share.size
        self._of_owner[share.owner] -= share.size
        if not self._of_owner[share.owner]:
            del self._of_owner[share.owner]


class Share:
    """What one body takes of it."""

    def __init__(self, memory: Memory, owner: str) -> None:
        self._memory = memory
        self.owner = owner
        self.size = 0

    def grow(self, size: int) -> None:
        """Raises TooMuchAtOnce."""
        self._memory.reserve(self, size)
