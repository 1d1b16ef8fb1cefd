"""The gateway's endpoints: Django in bounded threads of this process, which hold nothing but complete requests.

A gateway is looked up from the head alone, once a second at most, and its body is read only once it is known. The view finds
what came of that in the request (metering.ingest.intake.api). What gateways send all day is answered without one, as long as
nothing is wrong with it (intake.py, decisions.py).
"""

import asyncio
import hashlib
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from io import BytesIO
from typing import Any
from urllib.parse import unquote_to_bytes

from django.conf import settings
from django.db import close_old_connections

from metering.ingest.intake.api import GATEWAY, gateway_or_refusal
from metering.limits.gateway.revocations import newest_change
from omixa_billing.front.answers import Answer, Send, encoded, send_answer
from omixa_billing.front.body import Receive, discard_body, receive_body
from omixa_billing.front.decisions import asks_for_a_decision, decision
from omixa_billing.front.head import RequestHead
from omixa_billing.front.intake import Intake
from omixa_billing.front.long_poll import Newest, awaited_after
from omixa_billing.front.memory import Memory
from omixa_billing.front.pages import unless_gone
from omixa_billing.outage import STORAGE_ERRORS
from omixa_billing.wsgi import gateway_application
from workspaces.models import Gateway

Environ = dict[str, Any]

KNOWN_SECONDS = 1.0
MOST_KNOWN = 10_000


class GatewayFront:
    """`/gateway/v1/` and `/readyz`, each in its own threads: a broker that is away holds readiness up, and only that."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(settings.GATEWAY_THREADS, "gateway")
        self._intake = Intake()
        self._known = KnownGateways()
        # Refusing may write to the audit trail, one after the other: those who are nobody's gateway wait for each other only.
        self._refusing = ThreadPoolExecutor(settings.PROBE_THREADS, "refusing")
        self._probes = ThreadPoolExecutor(settings.PROBE_THREADS, "probe")
        self._memory = Memory(settings.FRONT_MAX_BUFFERED_BYTES)
        self._changes = Newest(self._newest_change)

    def stop_waiting(self) -> None:
        """For what only waits: the server ends."""
        self._changes.stop()

    def close(self) -> None:
        """Waits for requests that have begun."""
        self._intake.close()
        self._threads.shutdown()
        self._refusing.shutdown(cancel_futures=True)
        self._probes.shutdown(cancel_futures=True)

    async def probe(self, head: RequestHead, send: Send) -> None:
        await send_answer(send, await self._in_thread(self._probes, answer_of, environ_of(head)))

    async def answer(self, head: RequestHead, receive: Receive, send: Send) -> None:
        gateway = self._known.recall(head) or await self._looked_up(head)
        if not isinstance(gateway, Gateway):
            refused = await self._in_thread(self._refusing, answer_of, environ_of(head) | {GATEWAY: gateway})
            await send_answer(send, refused, last=head.length != 0)
            return await discard_body(head, receive)
        if (since := awaited_after(head)) is not None:
            await unless_gone(receive, self._changes.wait_until_after(since))
        with self._memory.share() as share:
            body = await receive_body(head, receive, settings.INGEST_MAX_BYTES, share)
            answer = await self._briefly(head, body, gateway) or await self._viewed(head, body, gateway)
        await send_answer(send, answer)
        return None

    async def _looked_up(self, head: RequestHead) -> Gateway | Exception:
        """Whose request it is, or why it is refused."""
        found: Gateway | Exception = await self._in_thread(self._threads, gateway_or_refusal, head.text(b"authorization"))
        if isinstance(found, Gateway):
            self._known.remember(head, found)
        return found

    async def _briefly(self, head: RequestHead, body: bytes, gateway: Gateway) -> Answer | None:
        """Of what gateways send all day; None for everything else, and where something is wrong."""
        if asks_for_a_decision(head):
            return await self._in_thread(self._threads, decision, head, body, gateway)
        return await self._intake.receipt(head, body, gateway)

    async def _viewed(self, head: RequestHead, body: bytes, gateway: Gateway) -> Answer:
        environ = environ_of(head) | {GATEWAY: gateway}
        complete(environ, body)
        return await self._in_thread(self._threads, answer_of, environ)

    async def _newest_change(self) -> int:
        """As the database has it; while that is away, nothing new."""
        return await self._in_thread(self._probes, newest_or_nothing)

    async def _in_thread(self, threads: ThreadPoolExecutor, work: Callable[..., Any], *about: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(threads, work, *about)


class KnownGateways:
    """Whose requests came a moment ago, so that each of many does not cost a query of its own.

    What is received after a gateway was revoked is not counted: the worker knows both times (ingest/quarantine/revoked.py).
    """

    def __init__(self) -> None:
        self._known: dict[bytes, tuple[float, Gateway]] = {}

    def remember(self, head: RequestHead, gateway: Gateway) -> None:
        if len(self._known) >= MOST_KNOWN:
            self._known.clear()
        self._known[_hash(head)] = time.monotonic() + KNOWN_SECONDS, gateway

    def recall(self, head: RequestHead) -> Gateway | None:
        until, gateway = self._known.get(_hash(head), (0.0, None))
        return gateway if until > time.monotonic() else None


def _hash(head: RequestHead) -> bytes:
    return hashlib.sha256(head.headers.get(b"authorization", b"")).digest()


def environ_of(head: RequestHead) -> Environ:
    """The request as WSGI has it, without a body so far."""
    environ: Environ = {
        "REQUEST_METHOD": head.method,
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote_to_bytes(head.raw_path).decode("latin-1"),
        "QUERY_STRING": head.query.decode("latin-1"),
        "SERVER_NAME": head.server[0],
        "SERVER_PORT": head.server[1],
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": head.peer,
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": head.scheme,
        "wsgi.input": BytesIO(),
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }
    for name, value in head.headers.items():
        environ["HTTP_" + name.decode("latin-1").upper().replace("-", "_")] = value.decode("latin-1")
    environ["CONTENT_TYPE"] = environ.pop("HTTP_CONTENT_TYPE", "")
    environ.pop("HTTP_CONTENT_LENGTH", None)
    return environ


def complete(environ: Environ, body: bytes) -> None:
    environ["CONTENT_LENGTH"] = str(len(body))
    environ["wsgi.input"] = BytesIO(body)


def newest_or_nothing() -> int:
    """In a thread."""
    close_old_connections()
    try:
        return newest_change()
    except STORAGE_ERRORS:
        return 0


def answer_of(environ: Environ) -> Answer:
    """In a thread: the whole answer of Django."""
    begun: list[Answer] = []

    def start_response(status: str, headers: list[tuple[str, str]], _: Any = None, /) -> Any:
        begun.append(Answer(int(status[:3]), encoded(headers), b""))

    response = gateway_application(environ, start_response)
    try:
        return replace(begun[0], body=b"".join(response))
    finally:
        response.close()
