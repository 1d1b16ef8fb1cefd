"""What is known of each key, by its SHA-256: asked for once, refreshed ahead of its end, forgotten when it is revoked.

A key is never kept or logged itself. While the product does not answer, what was known stays good for a grace.
"""

import asyncio
import hashlib
import logging
import time
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

from .form import kind_of_key
from .product import Product
from .refusals import NoDecision, Refusal, as_decided, refusal

log = logging.getLogger("omixa_litellm.keys")

MOST_KEYS = 50_000
SHORTEST_LIFE, LONGEST_LIFE_OF_REFUSAL = 1.0, 30.0
PAUSE_AFTER_FAILURE = 1.0
ASKED_AGAIN = 3  # times that a key is asked for while others are revoked


@dataclass(frozen=True)
class Key:
    """A key that may be used."""

    key_id: str
    workspace_id: str
    models: frozenset[str] | None  # None: all
    prepaid: bool

    def may_use(self, model: str) -> bool:
        return self.models is None or model in self.models


@dataclass
class Known:
    answer: dict[str, Any]
    asked_at: float  # by the monotonic clock
    life: float
    stale: bool = False
    changed: bool = False  # the product said that it answers otherwise now: no grace
    refreshing: bool = False


class Keys:
    def __init__(self, product: Product, grace_seconds: float) -> None:
        self._product, self._grace = product, grace_seconds
        self._known: OrderedDict[bytes, Known] = OrderedDict()
        self._tasks: set[asyncio.Task[None]] = set()
        self._cursor: str | None = None
        self._epoch = 0  # counts the revocations that were heard
        self.watching = False  # whether the last look at the revocations was answered

    async def check(self, secret: str) -> Key:
        """Raises Refusal, ready to send, or NoDecision for a key that nothing is known of while the product is away."""
        if kind_of_key(secret) is None:
            raise refusal(401, "unknown_key", "This is not an API key of ours: it is mistyped or incomplete.")
        digest = hashlib.sha256(secret.encode()).digest()
        known = self._known.get(digest)
        age = time.monotonic() - known.asked_at if known is not None else 0.0
        if known is None or known.stale or age > known.life:
            known = await self._ask(digest, secret, known)
        elif age > known.life / 2 and not known.refreshing:
            known.refreshing = True
            self._start(self._refresh(digest, secret, known))
        return _read(known.answer)

    async def watch(self) -> None:
        """Follow the revocations for as long as the process lives."""
        while True:
            try:
                self._forget(await self._product.revocations(self._cursor))
                self.watching = True
            except NoDecision as error:
                if self.watching:
                    log.warning("Revocations cannot be followed: %s", error)
                self.watching = False
                await asyncio.sleep(PAUSE_AFTER_FAILURE)

    def _forget(self, news: dict[str, Any]) -> None:
        changes = news.get("changes") or []
        keys = {change["key_id"] for change in changes if change.get("key_id")}
        workspaces = {change["workspace_id"] for change in changes if not change.get("key_id")}
        everything = bool(news.get("reset")) or self._cursor is None  # what changed before may have been missed
        self._cursor = news.get("cursor")
        if not (changes or everything):
            return
        self._epoch += 1
        for known in self._known.values():
            named = known.answer.get("key_id") in keys or known.answer.get("workspace_id") in workspaces
            known.stale = known.stale or everything or named
            known.changed = known.changed or named

    async def _ask(self, digest: bytes, secret: str, before: Known | None) -> Known:
        try:
            answer, overtaken = await self._answer(secret)
        except NoDecision:
            if before is not None and not before.changed and time.monotonic() - before.asked_at < self._grace:
                return before
            raise
        life = max(float(answer.get("cache_seconds") or 0), SHORTEST_LIFE)
        if not answer["allowed"]:
            life = min(life, LONGEST_LIFE_OF_REFUSAL)
        known = self._known[digest] = Known(answer, time.monotonic(), life, stale=overtaken)
        self._known.move_to_end(digest)
        if len(self._known) > MOST_KEYS:
            self._known.popitem(last=False)
        return known

    async def _answer(self, secret: str) -> tuple[dict[str, Any], bool]:
        """With it, whether a revocation came while it was on its way: it may be an answer of before, and is not remembered."""
        for _ in range(ASKED_AGAIN):
            epoch = self._epoch
            answer = await self._product.check_key(secret)
            if self._epoch == epoch:
                return answer, False
        return answer, True

    async def _refresh(self, digest: bytes, secret: str, known: Known) -> None:
        try:
            await self._ask(digest, secret, known)
        finally:
            known.refreshing = False

    def _start(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _read(answer: dict[str, Any]) -> Key:
    if not answer["allowed"]:
        raise _refusal_of(answer)
    models = answer.get("models")
    return Key(
        key_id=answer["key_id"],
        workspace_id=answer.get("workspace_id") or "",
        models=None if models is None else frozenset(models),
        prepaid=answer.get("billing") == "prepaid",
    )


def _refusal_of(answer: dict[str, Any]) -> Refusal:
    try:
        return as_decided(answer)
    except NoDecision:
        reason = answer.get("reason") or "unknown_key"
        return refusal(401, reason, answer.get("message") or "This API key cannot be used.")
