"""A request's body, read within bounds of size and time, and in no thread.

A client may take a while to begin, must then be as fast as the least rate, and has to be done by the deadline however fast it
is. One that is too slow costs a socket and a timer until then, nothing else.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

from django.conf import settings

from omixa_billing.front.head import RequestHead
from omixa_billing.front.memory import Share

Receive = Callable[[], Awaitable[dict[str, Any]]]


class BodyTooLarge(Exception):
    """Longer than its endpoint reads; what was not read is still on the way."""


class BodyTooSlow(Exception):
    """Below the least rate, or not complete by the deadline."""


class ClientGone(Exception):
    """The connection ended before the answer did."""


class BodyCutOff(Exception):
    """The body ended before it was whole, or its pieces cannot be read: the server in front does not say which."""


class Pace:
    """Until when the next bytes must be there."""

    def __init__(self) -> None:
        self._start = asyncio.get_running_loop().time()
        self.timer = asyncio.timeout_at(self.until(0))

    def until(self, received: int) -> float:
        allowed = settings.BODY_GRACE_SECONDS + received / settings.BODY_LEAST_RATE
        return self._start + min(allowed, settings.BODY_SECONDS)

    def advance(self, received: int) -> None:
        self.timer.reschedule(self.until(received))


async def receive_body(head: RequestHead, receive: Receive, limit: int, share: Share) -> bytes:
    """All of it, at most `limit` bytes. Raises BodyTooLarge, BodyTooSlow, TooMuchAtOnce, BodyCutOff."""
    if head.length is not None and head.length > limit:
        raise BodyTooLarge
    chunks: list[bytes] = []
    received, pace = 0, Pace()
    try:
        async with pace.timer:
            while received != head.length:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise BodyCutOff
                if chunk := message["body"]:
                    share.grow(len(chunk))
                    chunks.append(chunk)
                    received += len(chunk)
                if received > limit:
                    raise BodyTooLarge
                if not message["more_body"]:
                    break
                pace.advance(received)
    except TimeoutError:
        raise BodyTooSlow from None
    if head.length is not None and received != head.length:
        raise BodyCutOff
    return chunks[0] if len(chunks) == 1 else b"".join(chunks)


async def discard_body(head: RequestHead, receive: Receive) -> None:
    """Reads on after a refusal: a client that is still sending when the connection closes never sees why it was refused.

    Within the same bounds of time as any body, and up to INGEST_MAX_DISCARDED_BYTES.
    """
    discarded, pace = 0, Pace()
    with suppress(TimeoutError):
        async with pace.timer:
            while discarded != head.length and discarded < settings.INGEST_MAX_DISCARDED_BYTES:
                message = await receive()
                if message["type"] == "http.disconnect":
                    return
                discarded += len(message["body"])
                if not message["more_body"]:
                    return
                pace.advance(discarded)
