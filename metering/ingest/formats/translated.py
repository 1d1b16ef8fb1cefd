"""What endpoints for other formats pass on: the bytes of our events, and in place of what is no event, the reason.

A translator checks the form alone; what it passes on goes through the same checks as an event sent in our own format.
"""

from typing import NamedTuple


class Untranslatable(NamedTuple):
    """One of several events that cannot become ours: for the quarantine, with nothing in `content` that we do not keep."""

    code: str
    message: str
    content: bytes


class NotInference(NamedTuple):
    """A call that brought no answer of a model, such as one that fetches, lists or deletes: accepted, and counted nowhere.

    What it logs as its usage was counted when the answer was made. `content` names it.
    """

    content: bytes


class Unopenable(Exception):
    """The body as a whole is not of the form it claims: nothing of it can be stored. The message tells the sender."""
