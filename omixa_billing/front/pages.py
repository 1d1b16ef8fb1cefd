"""Everything but the gateway's endpoints: passed on to the page processes over their socket, once its body is complete.

Answers stream through. What the front keeps of one is bounded, small ones fit whole, so a slow reader holds no page worker
with them; one that stalls in a large one is dropped, and the worker is free at once.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
from django.conf import settings
from yarl import URL

from omixa_billing.front.answers import Send, send_stream
from omixa_billing.front.body import ClientGone, Receive, discard_body, receive_body
from omixa_billing.front.head import HOP_BY_HOP, RequestHead
from omixa_billing.front.memory import Memory
from omixa_billing.front.socket import PEER, pages_socket
from omixa_billing.http.addresses import API, FROM_PROVIDERS
from workspaces.keys.presented import credential_headers, presented_secret
from workspaces.keys.secrets import secret_kind

KEPT_OF_AN_ANSWER = 256 * 1024  # aiohttp reads on until twice as much is waiting
LONGEST_HEADER = 64 * 1024
# The server in front writes these itself.
NOT_PASSED_BACK = HOP_BY_HOP | {b"server", b"date"}
LISTEN_POLL = 0.1  # seconds between two looks whether they listen
SESSION = f"{settings.SESSION_COOKIE_NAME}="


# So many that send all they may fill the memory for bodies, and none alone.
ADDRESSES_AT_LEAST = 4


class PagesAway(Exception):
    """No page process answers, or none is free."""


class PagesBroken(Exception):
    """A page process ended in the middle of its answer: ours breaks off too, or it would pass for a whole one."""


class Pages:
    """The way to them. Each request has a connection of its own: a process accepts no more of them than it has threads."""

    def __init__(self) -> None:
        self._session: aiohttp.ClientSession | None = None
        most = settings.FRONT_MAX_BUFFERED_BYTES
        self._memory = Memory(most, max(most // ADDRESSES_AT_LEAST, settings.DATA_UPLOAD_MAX_MEMORY_SIZE))
        self._places = asyncio.Semaphore(settings.PAGES_AT_ONCE)

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()

    async def answer(self, head: RequestHead, receive: Receive, send: Send) -> None:
        """Raises BodyTooLarge, BodyTooSlow, TooMuchAtOnce, PagesAway before anything is sent; else ends with the client."""
        if head.length and not is_credible(head):
            await self._pass_on(head, b"", send, last=True)
            return await discard_body(head, receive)
        with self._memory.share(head.caller) as share:
            body = await receive_body(head, receive, body_limit(head), share)
            await unless_gone(receive, self._pass_on(head, body, send))
        return None

    async def _pass_on(self, head: RequestHead, body: bytes, send: Send, last: bool = False) -> None:
        async with self._place(), self._asked(head, body) as response:
            headers = [pair for pair in response.raw_headers if pair[0].lower() not in NOT_PASSED_BACK]
            if last:
                headers.append((b"connection", b"close"))
            pieces = pieces_of(response)
            try:
                first = await anext(pieces, b"")
            except PagesBroken:
                raise PagesAway from None  # nothing has been sent yet
            await send_stream(send, response.status, headers, first, pieces)

    @asynccontextmanager
    async def _place(self) -> AsyncIterator[None]:
        """One of those that may be with the pages at once. Raises PagesAway when none gets free for long."""
        try:
            async with asyncio.timeout(settings.PAGES_WAIT_SECONDS):
                await self._places.acquire()
        except TimeoutError:
            raise PagesAway from None
        try:
            yield
        finally:
            self._places.release()

    @asynccontextmanager
    async def _asked(self, head: RequestHead, body: bytes) -> AsyncIterator[aiohttp.ClientResponse]:
        """The answer, as soon as its head is there. Raises PagesAway."""
        try:
            response = await self._request(head, body)
        except (aiohttp.ClientError, OSError):
            raise PagesAway from None
        try:
            yield response
        finally:
            response.close()

    async def _request(self, head: RequestHead, body: bytes) -> aiohttp.ClientResponse:
        """Processes that start are waited for, as those that are busy: nobody listens then, so nothing was sent yet."""
        url = URL("http://pages" + head.target.decode("latin-1"), encoded=True)
        headers = headers_for(head, body)
        deadline = time.monotonic() + settings.PAGES_WAIT_SECONDS
        while True:
            try:
                return await self._connected().request(
                    head.method, url, headers=headers, data=body or None, allow_redirects=False
                )
            except aiohttp.ClientConnectorError:
                if time.monotonic() > deadline:
                    raise
            await asyncio.sleep(LISTEN_POLL)

    def _connected(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.UnixConnector(str(pages_socket()), force_close=True, limit=0),
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=settings.PAGES_WAIT_SECONDS),
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                read_bufsize=KEPT_OF_AN_ANSWER,
                max_line_size=LONGEST_HEADER,
                max_field_size=LONGEST_HEADER,
                skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
            )
        return self._session


def is_credible(head: RequestHead) -> bool:
    """Whether a body is worth reading: the API answers nobody who has neither a session nor what could be a key of ours."""
    if not head.path.startswith(API) or SESSION in head.text(b"cookie"):
        return True
    secret = presented_secret(head.path, lambda name: head.text(name.lower().encode()) or None)
    return secret is not None and secret_kind(secret) is not None


def body_limit(head: RequestHead) -> int:
    """Bytes of a body. Callers of whom nothing is known, such as those who sign in, have little to say."""
    if head.path.startswith(FROM_PROVIDERS):
        return settings.WEBHOOK_MAX_BYTES
    named = any(name.lower().encode() in head.headers for name in credential_headers(head.path))
    if named or SESSION in head.text(b"cookie"):
        return settings.DATA_UPLOAD_MAX_MEMORY_SIZE
    return settings.ANONYMOUS_MAX_BYTES


def headers_for(head: RequestHead, body: bytes) -> list[tuple[str, str]]:
    """As they were received, and what only the front knows."""
    headers = {name: value for name, value in head.headers.items() if name != b"content-length"}
    headers.setdefault(b"host", f"{head.server[0]}:{head.server[1]}".encode())
    headers[PEER] = head.peer.encode()
    if body or head.length:
        headers[b"content-length"] = str(len(body)).encode()
    return [(name.decode("latin-1"), value.decode("utf-8", "surrogateescape")) for name, value in headers.items()]


async def pieces_of(response: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    """The body as it comes. Raises PagesBroken."""
    try:
        async for piece in response.content.iter_any():
            yield piece
    except (aiohttp.ClientError, OSError):
        raise PagesBroken from None


async def unless_gone(receive: Receive, work: Coroutine[Any, Any, None]) -> None:
    """The work, ended as soon as its client has gone. Raises ClientGone then, and what the work raises."""
    working, gone = asyncio.ensure_future(work), asyncio.ensure_future(until_gone(receive))
    try:
        await asyncio.wait({working, gone}, return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise ClientGone
        await working
    finally:
        working.cancel()
        gone.cancel()
        await asyncio.gather(working, gone, return_exceptions=True)


async def until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
