"""The requests that run just now: what each holds, how often it was sent to a provider, and whether its usage is written.

A call ends once: with the event of its answer, with the release of its hold, or, where neither comes, with an event of what
was delivered. LiteLLM's own log of a request may come late, twice or never; this table is what makes it one event.

Within one request LiteLLM may call a provider again after an answer: for tools that it runs itself, or to continue a stream
that broke. Each such call is billed by its provider, so it is a part of the request with an id, a hold and events of its own.
"""

import time
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from .bodies import Asked
from .delivered import Delivered
from .keys import Key
from .models import Model
from .prompt import Input
from .refusals import Refusal


@dataclass(frozen=True)
class Logged:
    """What LiteLLM says of an answer that came."""

    usage: dict[str, Any] | None
    service_tier: str | None
    cache_hit: bool = False
    whole: bool = False  # it came at once, not as a stream: nothing of it can be missing


@dataclass
class Call:
    request_id: str
    key: Key
    asked: Asked
    model: Model
    input: Input
    started_at: float = field(default_factory=time.time)
    hold_id: str | None = None
    unheld: bool = False  # this part runs without an answer of the product's, which is asked again
    hold_ends_at: float = 0.0  # by the monotonic clock
    remaining: str | None = None
    remaining_scope: str | None = None
    call_type: str | None = None  # LiteLLM's name of the outermost call: those within it are no attempts of their own
    part: int = 0  # how often a provider was called after an answer that is billed
    after_answer: bool = False  # this part was, and not after a stream that broke: LiteLLM logs none of its answers
    refusal: Refusal | None = None  # of this part
    attempts: int = 0  # of this part
    sent: bool = False  # the attempt that runs is on its way to a provider
    answer: Logged | None = None  # of the attempt that runs
    raw_answer: str | None = None  # the same as the provider wrote it
    streamed: bool = False  # it came as a stream, and to its end
    closed: int = 0  # of those, how many have their event
    attempt_started_at: float = 0.0
    provider: str | None = None
    route: str | None = None
    logged: Logged | None = None
    broken: bool = False  # LiteLLM logged a failure of the attempt that runs
    settled: bool = False  # succeeded or aborted: nothing more may be said
    left: bool = False  # the client went away before the end
    status: int | None = None  # of the answer that began
    first_byte_at: float | None = None
    ended_at: float | None = None  # by the monotonic clock; the answer is out, or will never be
    delivered: Delivered = field(default_factory=Delivered)

    @property
    def event_id(self) -> str:
        """The request id of the part's hold and events."""
        return f"{self.request_id}.{self.part}" if self.part else self.request_id

    def begin_part(self, after_answer: bool) -> None:
        """What ran so far has its event."""
        self.part += 1
        self.after_answer = self.after_answer or after_answer
        self.attempts = self.closed = 0
        self.sent = self.streamed = self.settled = False
        self.hold_id, self.unheld = None, False
        self.delivered.begin_again()

    @property
    def hides_output(self) -> bool:
        """Only the provider can say what the answer comes to, and does so at its end."""
        return self.model.reasons or self.asked.hides_output

    @property
    def open_attempt(self) -> bool:
        return self.attempts > self.closed

    @property
    def was_sent(self) -> bool:
        """Whether the last attempt reached a provider. LiteLLM announces some twice: to itself, and when it sends them."""
        return self.sent or self.answer is not None or self.settled or self.delivered.anything


class Calls:
    """By request id, which LiteLLM carries as its own call id, and by the task that works for one."""

    def __init__(self) -> None:
        self._running: dict[str, Call] = {}
        self._worked_for: ContextVar[Call | None] = ContextVar("omixa_call", default=None)

    def add(self, call: Call) -> None:
        """The task that adds it works for it, and so do all that it starts."""
        self._running[call.request_id] = call
        self._worked_for.set(call)

    def worked_for(self) -> Call | None:
        call = self._worked_for.get()
        return call if call is not None and call.request_id in self._running else None

    def get(self, request_id: Any) -> Call | None:
        return self._running.get(request_id) if isinstance(request_id, str) else None

    def drop(self, call: Call) -> None:
        self._running.pop(call.request_id, None)

    def __iter__(self) -> Iterator[Call]:
        return iter(list(self._running.values()))

    def __len__(self) -> int:
        return len(self._running)


Append = Callable[[dict[str, Any]], None]
