"""Why an event cannot be recorded, with what can still be said of it."""

from typing import NamedTuple

import msgspec

from workspaces.names import storable_text


class Known(msgspec.Struct, gc=False):
    """What can still be said of an event that is rejected."""

    request_id: str | None = None
    attempt: int | None = 0
    key_id: str | None = None


class UnknownPaths(NamedTuple):
    """Where a usage object has numbers that its dialect does not know."""

    dialect: str
    paths: tuple[str, ...]


class Rejected(Exception):
    """The event cannot be recorded. It goes to the quarantine with this code, message and, where known, identity.

    What these cannot say in storable text is still in the quarantined content.
    """

    def __init__(self, code: str, message: str, known: Known | None = None, not_understood: UnknownPaths | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.not_understood = not_understood
        self.message = storable_text(message)
        known = known or Known(attempt=None)
        self.request_id = known.request_id and storable_text(known.request_id[:512])
        self.attempt = known.attempt if known.attempt is not None and 0 <= known.attempt < 2**31 else None
        self.key_id = known.key_id and storable_text(known.key_id[:512])
