"""Gateways that wait to hear of a revocation: they wait in the event loop, and one look for all of them asks the database."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from urllib.parse import parse_qs

from omixa_billing.front.head import RequestHead

PATH = "/gateway/v1/revocations"
LONGEST = 25.0  # seconds, less than what proxies allow
LOOK_EVERY = 0.25

Look = Callable[[], Awaitable[int]]


class Newest:
    """The number of the newest change, looked at only while a caller waits for a newer one."""

    def __init__(self, look: Look) -> None:
        self._look = look
        self._waiting = 0
        self._newest = 0
        self._stopped = False
        self._looked = asyncio.Event()
        self._looking: asyncio.Task[None] | None = None

    async def wait_until_after(self, since: int) -> None:
        """Until there is a change after `since`, or for LONGEST."""
        self._waiting += 1
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._look_repeatedly())
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(LONGEST):
                    while self._newest <= since and not self._stopped:
                        await self._looked.wait()
        finally:
            self._waiting -= 1

    def stop(self) -> None:
        """Every waiting caller is answered now."""
        self._stopped = True
        self._looked.set()

    async def _look_repeatedly(self) -> None:
        while self._waiting:
            self._newest = max(self._newest, await self._look())
            self._looked.set()
            self._looked = asyncio.Event()
            await asyncio.sleep(LOOK_EVERY)


def awaited_after(head: RequestHead) -> int | None:
    """The change that a request waits to be followed by; None for one that is answered at once."""
    if head.path != PATH or head.method != "GET":
        return None
    since = parse_qs(head.query.decode("latin-1")).get("since", [""])[0]
    return int(since) if since.isascii() and since.isdigit() and len(since) <= 18 else None
