"""One request over HTTP, to an address that nobody here trusts: it may be slow, hostile, or not what its name says.

Each request has a connection of its own, to an address that was checked as it was connected to, and one deadline for
everything. Of an answer the status counts, and its beginning is kept.
"""

import asyncio
import socket
import ssl
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import aiohttp
import structlog
from aiohttp.abc import AbstractResolver
from django.conf import settings
from yarl import URL

from metering.notifications.delivery.addresses import AddressRefused, check_address
from metering.notifications.models import is_success

log = structlog.get_logger(__name__)

KEPT_OF_AN_ANSWER = 2048  # bytes
SECONDS_FOR_A_BODY = 2.0  # after the status, which is what counts
LONGEST_ERROR = 500
MOST_HEADERS = 64  # of an answer, of at most 8 KB each
SENT_BY = {"content-type": "application/json", "user-agent": "Omixa-Billing-Webhooks/1", "accept-encoding": "identity"}


@dataclass(frozen=True)
class WebhookRequest:
    url: str
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True)
class WebhookAnswer:
    """`status` is null where none came, and `error` then says why."""

    status: int | None
    body: str = ""
    error: str = ""
    duration_ms: int = 0
    # For how many seconds the receiver asked to be left alone.
    retry_after: int | None = None

    @property
    def succeeded(self) -> bool:
        return is_success(self.status)


async def send_webhook(request: WebhookRequest, tls: ssl.SSLContext, resolver: AbstractResolver | None = None) -> WebhookAnswer:
    """Whatever happens is an answer: it never raises."""
    began = time.monotonic()
    try:
        async with asyncio.timeout(settings.WEBHOOK_TIMEOUT_SECONDS):
            status, body, retry_after = await _post(request, tls, resolver)
        error = "Redirects are not followed." if status // 100 == 3 else ""
    except Exception as failure:
        status, body, retry_after, error = None, "", None, _storable(_reason(failure))[:LONGEST_ERROR]
    return WebhookAnswer(status, body, error, round((time.monotonic() - began) * 1000), retry_after)


async def _post(request: WebhookRequest, tls: ssl.SSLContext, resolver: AbstractResolver | None) -> tuple[int, str, int | None]:
    url = URL(request.url)
    connector = aiohttp.TCPConnector(
        resolver=resolver,
        use_dns_cache=False,
        ssl=tls,
        force_close=True,
        socket_factory=lambda found: _checked_socket(found, url.scheme),
    )
    async with (
        aiohttp.ClientSession(
            connector=connector,
            timeout=aiohttp.ClientTimeout(total=None),  # the deadline is around all of it
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            max_headers=MOST_HEADERS,
        ) as session,
        session.post(url, data=request.body, headers=SENT_BY | request.headers, allow_redirects=False) as answer,
    ):
        body = await _beginning(answer)
        answer.close()  # of a longer body the rest is not waited for
        return answer.status, body, _seconds_asked_for(answer.headers.get("retry-after"), datetime.now(UTC))


def _checked_socket(found: aiohttp.connector.AddrInfoType, scheme: str) -> socket.socket:
    """For the address that the next line connects to: between the check and the connection no name is looked up."""
    family, kind, protocol, _, address = found
    check_address(str(address[0]), scheme)
    return socket.socket(family, kind, protocol)


async def _beginning(answer: aiohttp.ClientResponse) -> str:
    kept = b""
    try:
        async with asyncio.timeout(SECONDS_FOR_A_BODY):
            while len(kept) < KEPT_OF_AN_ANSWER and (more := await answer.content.read(KEPT_OF_AN_ANSWER - len(kept))):
                kept += more
    except (TimeoutError, aiohttp.ClientError) as error:  # the status has come, and is the answer
        log.info("webhook_answer_cut", error=repr(error))
    return _storable(kept.decode("utf-8", "replace"))


def _seconds_asked_for(text: str | None, now: datetime) -> int | None:
    """`Retry-After`, in either of its forms; what is neither was not asked."""
    if text is None:
        return None
    if text.isascii() and text.isdigit():
        return min(int(text[:9]), 10**8)
    try:
        return max(round((parsedate_to_datetime(text) - now).total_seconds()), 0)
    except (ValueError, TypeError):
        return None


def _reason(failure: Exception) -> str:
    """For the endpoint's owner."""
    if isinstance(failure, TimeoutError):
        return f"No answer within {settings.WEBHOOK_TIMEOUT_SECONDS:g} seconds."
    if isinstance(failure, aiohttp.ClientConnectorDNSError):
        return "Its name cannot be resolved."
    if isinstance(failure, aiohttp.ClientConnectorCertificateError):
        return f"Its certificate is not valid: {failure.certificate_error}"
    if isinstance(failure, aiohttp.ClientConnectorError):
        if isinstance(failure.os_error, AddressRefused):
            return str(failure.os_error)
        return f"Cannot connect: {failure.os_error.strerror or failure.os_error}"
    if isinstance(failure, aiohttp.ServerDisconnectedError):
        return "The connection was closed before an answer came."
    if isinstance(failure, aiohttp.ClientResponseError):
        return f"Its answer is not HTTP as we read it: {' '.join(failure.message.split())}"
    return f"{type(failure).__name__}: {failure}"


def _storable(text: str) -> str:
    """What a stranger sent, without what no database can hold."""
    return text.encode("utf-8", "replace").decode().replace("\x00", "\ufffd")
