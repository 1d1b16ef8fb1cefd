"""Batches on their way in: those that wait for a thread are stored together by the next that is free.

The more requests come at once, the less each costs. One that cannot be stored this way is answered by its view.
"""

import asyncio
import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial

import structlog
from django.conf import settings
from django.urls import reverse

from metering.ingest.intake.api import CorrectionsView, EventsView, LiteLLMView, receipt, renew_connection
from metering.ingest.intake.together import Posted, receive_together
from metering.ingest.models import Batch
from omixa_billing.front.answers import Answer
from omixa_billing.front.head import RequestHead
from omixa_billing.http.request_metrics import count_answer
from workspaces.models import Gateway

log = structlog.get_logger(__name__)

# By their names among all addresses, as metrics have them.
VIEWS = {"gateway_events": EventsView, "gateway_litellm": LiteLLMView, "gateway_corrections": CorrectionsView}
# Of one transaction: a small batch does not wait until many large ones are read.
MOST_REQUESTS, MOST_BYTES = 64, 1024 * 1024
# Clients that were answered together send their next requests together. As many are waited for, for less than a commit takes.
GATHER_SECONDS = 0.0015

ACCEPTED = 202

Waiting = tuple[Posted, asyncio.Future[Batch | None]]


def posted_of(head: RequestHead, body: bytes, gateway: Gateway) -> Posted | None:
    """A request for one of these endpoints as they need it; None for any other, and for one that they would refuse."""
    name = names_by_path().get(head.raw_path)
    if head.method != "POST" or head.query or name is None:
        return None
    return Posted(gateway, head.text(b"content-type"), head.text(b"content-encoding"), body, VIEWS[name].payload)


@cache
def names_by_path() -> dict[bytes, str]:
    return {reverse(name).encode(): name for name in VIEWS}


def receive_group(posted: list[Posted]) -> list[Batch | None]:
    """In a thread."""
    renew_connection()
    return receive_together(posted)


class Intake:
    """Everything but the work itself happens in the event loop."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(settings.INTAKE_THREADS, "intake")
        self._free = settings.INTAKE_THREADS
        self._waiting: deque[Waiting] = deque()
        self._gathering: asyncio.TimerHandle | None = None
        self._expected = 0  # requests, while they are gathered

    async def receipt(self, head: RequestHead, body: bytes, gateway: Gateway) -> Answer | None:
        """Of a batch that is committed; None when a view has to answer."""
        began = time.perf_counter()
        posted = posted_of(head, body, gateway)
        batch = None if posted is None else await self._receive(posted)
        if batch is None:
            return None
        count_answer(names_by_path()[head.raw_path], head.method, head.scheme, ACCEPTED, time.perf_counter() - began)
        return Answer.of_json(ACCEPTED, receipt(batch))

    async def _receive(self, posted: Posted) -> Batch | None:
        future: asyncio.Future[Batch | None] = asyncio.get_running_loop().create_future()
        self._waiting.append((posted, future))
        if self._gathering and len(self._waiting) >= self._expected:
            self._gathering.cancel()
            self._gathered()
        else:
            self._start()
        return await future

    def close(self) -> None:
        """Waits for what has begun."""
        self._threads.shutdown()

    def _start(self) -> None:
        if self._gathering or not self._free or not self._waiting:
            return
        self._free -= 1
        group = self._next_group()
        work = asyncio.get_running_loop().run_in_executor(self._threads, receive_group, [posted for posted, _ in group])
        work.add_done_callback(partial(self._finish, group))

    def _gather(self, expected: int) -> None:
        if self._gathering:
            self._gathering.cancel()
        self._expected = min(expected, MOST_REQUESTS)
        self._gathering = asyncio.get_running_loop().call_later(GATHER_SECONDS, self._gathered)

    def _gathered(self) -> None:
        self._gathering = None
        self._start()

    def _next_group(self) -> list[Waiting]:
        """The oldest that fit, and always one."""
        group = [self._waiting.popleft()]
        size = len(group[0][0].body)
        while self._waiting and len(group) < MOST_REQUESTS and (size := size + len(self._waiting[0][0].body)) <= MOST_BYTES:
            group.append(self._waiting.popleft())
        return group

    def _finish(self, group: list[Waiting], work: asyncio.Future[list[Batch | None]]) -> None:
        self._free += 1
        if len(group) > 1 or self._waiting:
            self._gather(len(group) + len(self._waiting))
        try:
            batches = work.result()
        except Exception:  # a fault of ours: the views find and report it
            log.exception("batches_not_received_together")
            batches = [None] * len(group)
        for (_, future), batch in zip(group, batches, strict=True):
            if not future.done():  # its client may be gone
                future.set_result(batch)
