"""Which event each attempt of a call gets, and when the call is over."""

import json
import logging
import time
from collections.abc import Callable
from typing import Any

from .calls import Append, Call, Calls, Logged
from .events import DEFAULT_TIERS, counts, estimate, event_of, input_and_output

log = logging.getLogger("omixa_litellm.calls")

WAIT_FOR_LOG = 20.0  # seconds after the answer's end until what was delivered is billed in place of what LiteLLM did not log


class UnknownUsage(Exception):
    """An answer ended whose usage nobody has stated yet, and another call would hide it."""


class Settlement:
    """Called from LiteLLM's hooks and from the front, on the loop; none of it waits."""

    def __init__(self, calls: Calls, append: Append, release: Callable[[Call, str], None], count: Callable[[str], int]) -> None:
        self.calls, self._append, self._release, self._count = calls, append, release, count

    def begins_part(self, call: Call, call_type: str | None) -> bool:
        """Whether what is about to be sent comes after an answer that is billed. Settles that one. Raises UnknownUsage."""
        if call.call_type != call_type or not call.was_sent:
            return False
        stated = call.answer or call.logged
        answered = call.settled or stated is not None or call.streamed or call.delivered.finished
        if call.open_attempt:
            if answered and stated is None and not (call.delivered.finished and call.delivered.usage):
                raise UnknownUsage
            self._close(call)
        if not call.settled:
            return False
        call.begin_part(answered)
        return True

    def dispatched(self, call: Call, call_type: str | None, provider: str | None, route: str | None) -> None:
        """An attempt goes to a provider. Calls that LiteLLM makes within another one are none."""
        if call.call_type is None:
            call.call_type = call_type
        if call.call_type != call_type or call.settled:
            return
        if not call.open_attempt:
            call.attempts += 1
            call.sent = False
        call.attempt_started_at = time.time()
        call.provider, call.route, call.broken = provider, route, False
        call.logged = call.answer = call.raw_answer = None
        call.streamed = False

    def answered(self, call: Call, answer: Logged) -> None:
        """LiteLLM has an answer that came at once. Those who made the call within LiteLLM tell of the same one after it."""
        if call.open_attempt and call.answer is None and answer.usage is not None:
            call.answer = answer

    def attempt_failed(self, call: Call, call_type: str | None) -> None:
        if call.call_type == call_type and call.open_attempt and not call.settled:
            self._write(call, "failed", None)

    def logged_success(self, call: Call, logged: Logged) -> None:
        """LiteLLM's log of an answer. It may come before a stream's last byte is out, and only then is known how it ended."""
        if call.settled or not call.open_attempt or call.after_answer:
            return
        call.logged = call.answer or logged
        if not call.asked.stream or call.ended_at is not None:
            self._settle(call, call.logged)
            self._over(call)

    def _settle(self, call: Call, logged: Logged) -> None:
        usage = logged.usage
        if call.asked.stream and call.left:
            stated = logged.whole or _is_final(call, usage)
            if not stated:
                read, seen = input_and_output(usage)
                usage = estimate(call, max(self._delivered(call), seen or 0), read)
            tier = logged.service_tier or call.delivered.service_tier
            self._write(call, "aborted", usage, estimated=not stated, service_tier=tier)
        elif usage is None:
            self._close_by_delivery(call)
        else:
            metadata = {"litellm_cache_hit": True} if logged.cache_hit else {}
            tier = logged.service_tier or call.delivered.service_tier
            if tier is None and call.asked.stream and call.asked.service_tier not in DEFAULT_TIERS:
                metadata["service_tier_requested"] = call.asked.service_tier or ""
            self._write(call, "succeeded", usage, service_tier=tier, metadata=metadata)

    def logged_failure(self, call: Call) -> None:
        """Of an attempt whose failure has no event yet: a stream that broke while it was read, not a call that was refused."""
        if call.open_attempt and not call.settled and call.refusal is None:
            call.broken = True
            if call.ended_at is not None:
                self._close(call)
                self._over(call)

    def ended(self, call: Call) -> None:
        """The answer is out, or its client has left."""
        call.ended_at = time.monotonic()
        call.delivered.end()
        if call.open_attempt and (call.answer or call.logged or call.broken or call.after_answer):
            self._close(call)
        if call.settled or not call.open_attempt:
            self._over(call)

    def overdue(self, call: Call) -> None:
        """LiteLLM has not logged a call that ended long ago: bill what was delivered."""
        if call.ended_at is None or time.monotonic() - call.ended_at < WAIT_FOR_LOG:
            return
        if call.open_attempt and not call.settled:
            log.warning("LiteLLM did not log %s; it is billed for what was delivered.", call.event_id)
            self._close(call)
        self._over(call)

    def _over(self, call: Call) -> None:
        if call.ended_at is None:
            return
        self.calls.drop(call)
        if call.hold_id is not None and not call.settled:
            self._release(call, "every attempt failed" if call.attempts else "nothing was sent to a provider")

    def _close(self, call: Call) -> None:
        """The attempt that runs, by the best that is known of it."""
        known = call.answer or call.logged
        if known is not None:
            self._settle(call, known)
        elif (usage := _usage_in(call.raw_answer)) is not None:  # LiteLLM could do nothing with it, and its provider bills it
            self._write(call, "aborted", usage)
        else:
            self._close_by_delivery(call)

    def _close_by_delivery(self, call: Call) -> None:
        """By what the client saw: the provider's own usage if that was in it, an estimate of the text, or nothing."""
        stated, tier = counts(call.delivered.usage), call.delivered.service_tier
        whole = call.delivered.finished or not call.asked.stream
        if stated is not None and whole and call.status == 200:
            self._write(call, "succeeded", stated, service_tier=tier)
        elif call.delivered.anything or (call.left and not call.broken):
            self._write(call, "aborted", estimate(call, self._delivered(call)), estimated=True, service_tier=tier)
        else:
            self._write(call, "failed", None)
        call.delivered.forget()

    def _delivered(self, call: Call) -> int:
        return call.delivered.tokens(self._count)

    def _write(self, call: Call, status: str, usage: dict[str, Any] | None, **more: Any) -> None:
        self._append(event_of(call, call.attempts - 1, status, usage, **more))
        call.closed = call.attempts
        call.settled = status != "failed"


def _usage_in(raw_answer: str | None) -> dict[str, Any] | None:
    try:
        answer = json.loads(raw_answer or "")
    except ValueError:
        return None
    return counts(answer.get("usage")) if isinstance(answer, dict) else None


def _is_final(call: Call, usage: dict[str, Any] | None) -> bool:
    """Whether the provider stated it of a whole answer: where it stated nothing, LiteLLM counts, and knows no details."""
    if usage is None or not call.delivered.finished:
        return False
    return call.delivered.usage is not None or "prompt_tokens_details" in usage
