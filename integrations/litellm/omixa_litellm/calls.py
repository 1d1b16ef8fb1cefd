"""The requests that run just now: what each holds, how often it was sent to a provider, and whether its usage is written.

A call ends once: with the event of its answer, with the release of its hold, or, where neither comes, with an event of what
was delivered. LiteLLM's own log of a request may come late, twice or never; this table is what makes it one event.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from .bodies import Asked
from .delivered import Delivered
from .keys import Key
from .models import Model
from .prompt import Input


@dataclass(frozen=True)
class Logged:
    """What LiteLLM's log says of an answer that came."""

    usage: dict[str, Any] | None
    service_tier: str | None
    cache_hit: bool


@dataclass
class Call:
    request_id: str
    key: Key
    asked: Asked
    model: Model
    input: Input
    started_at: float = field(default_factory=time.time)
    hold_id: str | None = None
    hold_ends_at: float = 0.0  # by the monotonic clock
    remaining: str | None = None
    remaining_scope: str | None = None
    call_type: str | None = None  # LiteLLM's name of the outermost call: those within it are no attempts of their own
    attempts: int = 0  # sent to a provider
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
    def hides_output(self) -> bool:
        """Only the provider can say what the answer comes to, and does so at its end."""
        return self.model.reasons or self.asked.hides_output

    @property
    def open_attempt(self) -> bool:
        return self.attempts > self.closed


class Calls:
    """By request id, which LiteLLM carries as its own call id."""

    def __init__(self) -> None:
        self._running: dict[str, Call] = {}

    def add(self, call: Call) -> None:
        self._running[call.request_id] = call

    def get(self, request_id: Any) -> Call | None:
        return self._running.get(request_id) if isinstance(request_id, str) else None

    def drop(self, call: Call) -> None:
        self._running.pop(call.request_id, None)

    def __iter__(self) -> Iterator[Call]:
        return iter(list(self._running.values()))

    def __len__(self) -> int:
        return len(self._running)


Append = Callable[[dict[str, Any]], None]
