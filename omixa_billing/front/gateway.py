"""The gateway's endpoints: Django in bounded threads of this process, which hold nothing but complete requests.

A gateway is looked up from the head alone, and its body is read only once it is known. The view finds what came of that in the
request (metering.ingest.intake.api), so the credential costs one query.
"""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from io import BytesIO
from typing import Any
from urllib.parse import unquote_to_bytes

from django.conf import settings
from django.db import close_old_connections

from metering.ingest.intake.api import GATEWAY, gateway_or_refusal
from metering.limits.gateway.revocations import newest_change
from omixa_billing.front.answers import Answer, Send, send_answer
from omixa_billing.front.body import Receive, discard_body, receive_body
from omixa_billing.front.head import RequestHead
from omixa_billing.front.long_poll import Newest, awaited_after
from omixa_billing.front.memory import Memory
from omixa_billing.front.pages import unless_gone
from omixa_billing.outage import STORAGE_ERRORS
from omixa_billing.wsgi import gateway_application

Environ = dict[str, Any]


class GatewayFront:
    """`/gateway/v1/` and `/readyz`, each in its own threads: a broker that is away holds readiness up, and only that."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(settings.GATEWAY_THREADS, "gateway")
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
        self._threads.shutdown()
        self._refusing.shutdown(cancel_futures=True)
        self._probes.shutdown(cancel_futures=True)

    async def probe(self, head: RequestHead, send: Send) -> None:
        await send_answer(send, await self._in_thread(self._probes, answer_of, environ_of(head)))

    async def answer(self, head: RequestHead, receive: Receive, send: Send) -> None:
        environ = environ_of(head)
        if not await self._in_thread(self._threads, is_known, environ):
            refused = await self._in_thread(self._refusing, answer_of, environ)
            await send_answer(send, refused, last=head.length != 0)
            return await discard_body(head, receive)
        if (since := awaited_after(head)) is not None:
            await unless_gone(receive, self._changes.wait_until_after(since))
        with self._memory.share() as share:
            complete(environ, await receive_body(head, receive, settings.INGEST_MAX_BYTES, share))
            answer = await self._in_thread(self._threads, answer_of, environ)
        await send_answer(send, answer)
        return None

    async def _newest_change(self) -> int:
        """As the database has it; while that is away, nothing new."""
        return await asyncio.get_running_loop().run_in_executor(self._probes, newest_or_nothing)

    async def _in_thread(self, threads: ThreadPoolExecutor, work: Any, environ: Environ) -> Any:
        return await asyncio.get_running_loop().run_in_executor(threads, work, environ)


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


def is_known(environ: Environ) -> bool:
    """In a thread: whether this is a gateway's request. The view finds whose it is, or why it is refused."""
    environ[GATEWAY] = gateway_or_refusal(environ.get("HTTP_AUTHORIZATION"))
    return not isinstance(environ[GATEWAY], Exception)


def answer_of(environ: Environ) -> Answer:
    """In a thread: the whole answer of Django."""
    begun: list[Answer] = []

    def start_response(status: str, headers: list[tuple[str, str]], _: Any = None, /) -> Any:
        begun.append(Answer(int(status[:3]), headers, b""))

    response = gateway_application(environ, start_response)
    try:
        return replace(begun[0], body=b"".join(response))
    finally:
        response.close()
