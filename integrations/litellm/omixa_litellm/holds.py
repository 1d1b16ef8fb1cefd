"""Ask before a provider is called, keep the hold alive while it runs, and let it go when nothing came of it."""

import asyncio
import logging
import time
from datetime import UTC, datetime
from typing import Any

from .calls import Call, Calls
from .keys import Key
from .product import Product
from .refusals import NoDecision, NotUnderstood, as_decided, refusal

log = logging.getLogger("omixa_litellm.holds")

TTL_SECONDS = 900
EXTEND_BEFORE = 0.4  # of the time that it has left at most
MOST_TOKENS = 2**31 - 1  # that the product counts in one request
AFTERWARDS_SECONDS = 0.25  # until the holds of calls that run without one are asked for again
AFTERWARDS_AT_ONCE = 16  # of these: the product has just come back
UNKNOWN_INPUT = 128_000  # tokens that a model may read of which LiteLLM does not know it


class Holds:
    def __init__(self, product: Product, hold: str, when_unavailable: str) -> None:
        self._product, self._hold, self._when_unavailable = product, hold, when_unavailable
        self._tasks: set[asyncio.Task[None]] = set()

    async def authorize(self, call: Call) -> None:
        """Holds for the call and lowers what it asks for if less is left. Raises Refusal."""
        if self._hold == "prepaid" and not call.key.prepaid:
            return
        try:
            decision = await self._product.authorize(_question(call))
            if not decision["allowed"]:
                raise as_decided(decision)
        except NotUnderstood as error:
            log.error("The product does not understand what it is asked about %s: %s", call.request_id, error)
            message = "What this request may cost cannot be worked out from it. Check its numbers and names."
            raise refusal(400, "request_not_understood", message) from None
        except NoDecision as error:
            self.without_decision(call.key, str(error))
            call.unheld = True
            return
        _hold(call, decision)
        call.remaining = decision.get("remaining")
        call.remaining_scope = (decision.get("binding") or {}).get("scope")
        self._lower(call, decision)

    def without_decision(self, key: Key | None, why: str) -> None:
        """The operator's policy for a product that does not answer. Raises Refusal, or lets the request pass unheld."""
        allowed = self._when_unavailable == "allow" or (self._when_unavailable == "postpaid" and not (key and key.prepaid))
        if key is None or not allowed:
            message = "Whether this request may run cannot be decided just now. Try again in a moment."
            raise refusal(503, "billing_unavailable", message, retry_after=2)
        log.debug("Let pass without a hold: %s", why)

    async def watch(self, calls: Calls) -> None:
        """Ask for the holds of calls that run without one, for as long as the process lives."""
        while True:
            await asyncio.sleep(AFTERWARDS_SECONDS)
            unheld = [call for call in calls if call.unheld and call.ended_at is None]
            for first in range(0, len(unheld), AFTERWARDS_AT_ONCE):
                together = (self.hold_afterwards(call) for call in unheld[first : first + AFTERWARDS_AT_ONCE])
                for failure in await asyncio.gather(*together, return_exceptions=True):
                    if failure is not None:
                        log.error("A hold could not be asked for.", exc_info=failure)

    async def hold_afterwards(self, call: Call) -> None:
        """For a call that runs though the product did not answer: held as soon as it does, so that it cannot end unseen.

        What is refused by now runs on, as its client was not refused.
        """
        if not call.unheld:
            return
        part = call.event_id
        try:
            decision = await self._product.authorize(_question(call))
        except NotUnderstood as error:
            log.error("The product does not understand what it is asked about %s: %s", part, error)
            decision = {"allowed": False}
        except NoDecision:
            return
        if call.event_id != part or call.settled or call.ended_at is not None:
            if decision["allowed"]:
                self._in_background(decision["hold_id"], "ended before it was held")
            return
        call.unheld = False
        if decision["allowed"]:
            _hold(call, decision)
        else:
            log.warning("%s runs without a hold: %s", part, decision.get("reason"))

    async def extend(self, call: Call, output_tokens: int) -> None:
        """Before it ends. What the product answers changes nothing that runs: no more than was held for can be spent."""
        if call.hold_id is None or call.hold_ends_at - time.monotonic() > TTL_SECONDS * EXTEND_BEFORE:
            return
        call.hold_ends_at = time.monotonic() + TTL_SECONDS  # whatever comes of it, not again in a moment
        try:
            decision = await self._product.extend(call.hold_id, output_tokens, TTL_SECONDS)
        except NoDecision as error:
            log.warning("The hold of %s could not be extended: %s", call.request_id, error)
            call.hold_ends_at = time.monotonic() + TTL_SECONDS * EXTEND_BEFORE + 10
            return
        if not decision["allowed"]:
            log.warning("The hold of %s was not extended: %s", call.request_id, decision.get("reason"))

    def release(self, call: Call, reason: str) -> None:
        """In the background, and once: a hold that is not released expires by itself."""
        if call.hold_id is not None:
            hold_id, call.hold_id = call.hold_id, None
            self._in_background(hold_id, reason)

    def _in_background(self, hold_id: str, reason: str) -> None:
        task = asyncio.get_running_loop().create_task(self._release(hold_id, reason))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _release(self, hold_id: str, reason: str) -> None:
        try:
            await self._product.release(hold_id, reason)
        except NoDecision as error:
            log.info("A hold was not released and will expire: %s", error)

    def _lower(self, call: Call, decision: dict[str, Any]) -> None:
        """Where the provider could write more than is held, and a limit could be exceeded by it, its output is bounded."""
        held_for, asked = decision.get("max_output_tokens"), call.asked
        if not isinstance(held_for, int) or asked.endpoint == "embeddings":
            return
        most = asked.max_output_tokens
        if most is None and decision.get("binding") is None:
            return
        if most is None:
            most = call.model.output
        if most is None or held_for < most * asked.choices:
            asked.lower_output(held_for)


def _hold(call: Call, decision: dict[str, Any]) -> None:
    call.hold_id = decision.get("hold_id")
    call.hold_ends_at = time.monotonic() + _seconds_left(decision.get("expires_at"))


def _question(call: Call) -> dict[str, Any]:
    asked = call.asked
    stated = asked.max_output_tokens
    question = {
        "request_id": call.event_id,
        "key_id": call.key.key_id,
        "model": asked.model,
        "service_tier": asked.service_tier,
        "input_tokens": min(_input_tokens(call), MOST_TOKENS),
        "max_output_tokens": None if stated is None else min(stated * asked.choices, MOST_TOKENS),
        "endpoint": f"/v1/{asked.endpoint}",
        "user": asked.user,
        "stream": asked.stream,
        "ttl_seconds": TTL_SECONDS,
    }
    return {name: value for name, value in question.items() if value is not None or name == "max_output_tokens"}


def _input_tokens(call: Call) -> int:
    """What the provider keeps of an earlier response or a file may be as long as its model reads."""
    if not call.input.is_elsewhere:
        return call.input.tokens
    return max(call.input.tokens, call.model.input or UNKNOWN_INPUT)


def _seconds_left(expires_at: Any) -> float:
    """By its own words where they can be read; clocks may differ, and the time to live was asked for."""
    if isinstance(expires_at, str):
        ends = datetime.fromisoformat(expires_at)
        return min(max((ends - datetime.now(UTC)).total_seconds(), 1.0), TTL_SECONDS)
    return TTL_SECONDS
