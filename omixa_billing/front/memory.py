"""How much this process keeps of bodies that it is reading or passing on."""

from collections.abc import Iterator
from contextlib import contextmanager


class TooMuchAtOnce(Exception):
    """As many bodies are on their way as fit: this one comes again later."""


class Memory:
    """A share of it is taken before a body is read, so that many large ones at once cannot exhaust the machine."""

    def __init__(self, most: int) -> None:
        self._left = most

    @contextmanager
    def hold(self, length: int | None, limit: int) -> Iterator[None]:
        """For a body of that length, or of any up to the limit. Raises TooMuchAtOnce."""
        share = limit if length is None else min(length, limit)
        if share > self._left:
            raise TooMuchAtOnce
        self._left -= share
        try:
            yield
        finally:
            self._left += share
