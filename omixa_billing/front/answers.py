"""What the front says itself, and how answers reach a client that may not read them."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from dataclasses import dataclass
from functools import cache
from typing import Any

from django.conf import settings
from django.core.serializers.json import DjangoJSONEncoder
from django.http import HttpResponse, JsonResponse

from omixa_billing.front.head import Headers
from omixa_billing.http.headers import add_headers

Send = Callable[[dict[str, Any]], Awaitable[None]]

PIECE = 64 * 1024


class ReaderStalled(Exception):
    """It took nothing for RESPONSE_STALL_SECONDS."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer, its headers as they are sent."""

    status: int
    headers: Headers
    body: bytes

    @classmethod
    def of(cls, response: HttpResponse) -> "Answer":
        return cls(response.status_code, encoded(response.items()), response.content)

    @classmethod
    def of_json(cls, status: int, content: dict[str, Any]) -> "Answer":
        """What a view's JsonResponse is, without Django's handler around it."""
        body = _json.encode(content).encode()
        return cls(status, [*_headers_of_json(), (b"content-length", b"%d" % len(body))], body)


_json = DjangoJSONEncoder()


@cache
def _headers_of_json() -> Headers:
    response = JsonResponse({})
    add_headers(response, "/gateway/")
    return encoded(response.items())


def encoded(headers: Iterable[tuple[str, str]]) -> Headers:
    return [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers]


async def send_answer(send: Send, answer: Answer, last: bool = False) -> None:
    """`last` on its connection when the body was not read."""
    headers = [*answer.headers, (b"connection", b"close")] if last else answer.headers
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body})


async def send_stream(send: Send, status: int, headers: Headers, first: bytes, others: AsyncIterator[bytes]) -> None:
    """Piece by piece, each only when the client has taken the ones before. Raises ReaderStalled."""
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await _send_piece(send, first)
    async for piece in others:
        await _send_piece(send, piece)
    await _send_in_time(send, {"type": "http.response.body", "body": b""})


async def _send_piece(send: Send, piece: bytes) -> None:
    for at in range(0, len(piece), PIECE):
        await _send_in_time(send, {"type": "http.response.body", "body": piece[at : at + PIECE], "more_body": True})


async def _send_in_time(send: Send, message: dict[str, Any]) -> None:
    try:
        async with asyncio.timeout(settings.RESPONSE_STALL_SECONDS):
            await send(message)
    except TimeoutError:
        raise ReaderStalled from None
