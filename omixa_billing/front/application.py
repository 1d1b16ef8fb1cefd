"""The ASGI application: which part answers which address, and what every request has in common."""

from typing import Any

import structlog
from django.http import HttpRequest

from metering.health import healthz
from omixa_billing.front import refusals
from omixa_billing.front.answers import Answer, ReaderStalled, Send, send_answer
from omixa_billing.front.body import BodyCutOff, BodyTooLarge, BodyTooSlow, ClientGone, Receive, discard_body
from omixa_billing.front.connections import Connections
from omixa_billing.front.gateway import GatewayFront
from omixa_billing.front.head import RequestHead
from omixa_billing.front.memory import TooMuchAtOnce
from omixa_billing.front.pages import Pages, PagesAway, PagesBroken

log = structlog.get_logger(__name__)

SECONDS_TO_END = 8  # for requests that have begun; granian then waits no longer than two seconds more


class Front:
    """One process's."""

    def __init__(self) -> None:
        self._gateway = GatewayFront()
        self._pages = Pages()
        self._connections = Connections()
        self._alive = Answer.of(healthz(HttpRequest()))

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            return await self._live(receive, send)
        if scope["type"] != "http":
            return None
        head = RequestHead(scope)
        with self._connections.at_work(scope["client"]):
            try:
                await self._answer(head, receive, send)
            except ReaderStalled:
                log.info("reader_stalled", path=head.path, peer=head.peer)
                self._connections.drop(scope["client"])
            except PagesBroken:
                log.warning("answer_broken_off", path=head.path)
            except ClientGone:
                pass  # nobody is left to answer
        return None

    async def _answer(self, head: RequestHead, receive: Receive, send: Send) -> None:
        try:
            if not head.raw_path.startswith(b"/"):  # `*`, or the name of a host
                await send_answer(send, refusals.no_path(head), last=True)
            elif head.path == "/healthz":
                await send_answer(send, self._alive)  # by the event loop itself: threads may be waiting for the database
            elif head.path == "/readyz":
                await self._gateway.probe(head, send)
            elif head.path.startswith("/gateway/"):
                await self._gateway.answer(head, receive, send)
            else:
                await self._pages.answer(head, receive, send)
        except BodyTooSlow:
            await send_answer(send, refusals.too_slow(head), last=True)
        except BodyCutOff:
            await send_answer(send, refusals.cut_off(head), last=True)
        except PagesAway:
            await send_answer(send, refusals.pages_away(head))
        except (BodyTooLarge, TooMuchAtOnce) as error:
            refused = refusals.too_large_answer(head) if isinstance(error, BodyTooLarge) else refusals.too_much(head)
            await send_answer(send, refused, last=True)
            await discard_body(head, receive)

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        self._connections.start()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        self._gateway.stop_waiting()
        await self._connections.all_done(SECONDS_TO_END)
        await self._pages.close()
        self._gateway.close()
        await send({"type": "lifespan.shutdown.complete"})
