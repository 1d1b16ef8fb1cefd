"""Requests that wait for a thread go through it together: the more come at once, the less each costs."""

import asyncio
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Generic, NamedTuple, TypeVar

import structlog

log = structlog.get_logger(__name__)

Asked = TypeVar("Asked")
Found = TypeVar("Found")


class Bounds(NamedTuple):
    """Of what goes through together, so that a small one does not wait until many large ones are read."""

    requests: int
    bytes: int


class Together(Generic[Asked, Found]):
    """Everything but `work` happens in the event loop: it gets what waits, and returns an answer or None for each of them.

    Clients that were answered together send their next requests together: these are waited for `gather_seconds` long.
    """

    def __init__(
        self,
        work: Callable[[list[Asked]], list[Found | None]],
        size: Callable[[Asked], int],
        *,
        name: str,
        threads: int,
        most: Bounds,
        gather_seconds: float = 0,
    ) -> None:
        self._work, self._size, self._name, self._most = work, size, name, most
        self._threads = ThreadPoolExecutor(threads, name)
        self._free = threads
        self._gather_seconds = gather_seconds
        self._gathering = False
        self._waiting: deque[tuple[Asked, asyncio.Future[Found | None]]] = deque()

    async def __call__(self, asked: Asked) -> Found | None:
        """None where it has to be answered by itself."""
        future: asyncio.Future[Found | None] = asyncio.get_running_loop().create_future()
        self._waiting.append((asked, future))
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
        work = asyncio.get_running_loop().run_in_executor(self._threads, self._work, [asked for asked, _ in group])
        work.add_done_callback(partial(self._finish, [future for _, future in group]))

    def _gathered(self) -> None:
        self._gathering = False
        self._start()

    def _next_group(self) -> list[tuple[Asked, asyncio.Future[Found | None]]]:
        """The oldest that fit, and always one."""
        group = [self._waiting.popleft()]
        size = self._size(group[0][0])
        while self._waiting and len(group) < self._most.requests:
            size += self._size(self._waiting[0][0])
            if size > self._most.bytes:
                break
            group.append(self._waiting.popleft())
        return group

    def _finish(self, futures: list[asyncio.Future[Found | None]], work: asyncio.Future[list[Found | None]]) -> None:
        self._free += 1
        if self._gather_seconds and (len(futures) > 1 or self._waiting):
            self._gathering = True
            asyncio.get_running_loop().call_later(self._gather_seconds, self._gathered)
        else:
            self._start()
        found: list[Found | None]
        try:
            found = work.result()
        except Exception:  # a fault of ours: the views find and report it
            log.exception("not_answered_together", threads=self._name)
            found = [None] * len(futures)
        for future, answer in zip(futures, found, strict=True):
            if not future.done():  # its client may be gone
                future.set_result(answer)
