"""Downloads hold a worker for as long as they are made or read: a few at a time per caller and per workspace, and so many in
each process that the others are left for pages.

Each process counts its own, which needs no store. The store adds up what all processes have: a slot there is a lease, which
runs out when its process is killed.
"""

from __future__ import annotations

import hashlib
import secrets
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any, cast

from django.conf import settings
from django.http import HttpRequest, StreamingHttpResponse
from django.http.response import HttpResponseBase

from omixa_billing.api.errors import Refusal, speaks_json, too_many_requests
from omixa_billing.rate_limits.store import Script

LEASE_SECONDS = 60
RENEW_SECONDS = 20
RETRY_AFTER_SECONDS = 5
ALL = "all"

# Takes a place in every set or in none; each has its most.
ACQUIRE = Script("""
local now, until_, token = tonumber(ARGV[1]), tonumber(ARGV[2]), ARGV[3]
for i, key in ipairs(KEYS) do
    redis.call('ZREMRANGEBYSCORE', key, '-inf', now)
    if redis.call('ZCARD', key) >= tonumber(ARGV[3 + i]) then return 0 end
end
for _, key in ipairs(KEYS) do
    redis.call('ZADD', key, until_, token)
    redis.call('PEXPIREAT', key, until_)
end
return 1
""")
RENEW = Script("""
for _, key in ipairs(KEYS) do
    redis.call('ZADD', key, ARGV[1], ARGV[2])
    redis.call('PEXPIREAT', key, ARGV[1])
end
return 1
""")
RELEASE = Script("""
for _, key in ipairs(KEYS) do redis.call('ZREM', key, ARGV[1]) end
return 1
""")

_here: Counter[str] = Counter()
_lock = threading.Lock()


class TooManyDownloads(Refusal):
    code = "too_many_downloads"
    status = 429


def guarded(request: HttpRequest, caller: str, workspace: str | None, make: Callable[[], HttpResponseBase]) -> HttpResponseBase:
    """The download that `make` begins, in a slot that is free again once it was read, broken off, or failed.

    `caller` names the key or the person. Without a free slot: TooManyDownloads for programs, a page for people.
    """
    slot = _Slot(caller, workspace)
    if not slot.acquire():
        if not speaks_json(request):
            return too_many_requests(request, RETRY_AFTER_SECONDS)
        message = "Too many downloads at once: finish one, and ask again."
        raise TooManyDownloads(message, retry_after=RETRY_AFTER_SECONDS)
    try:
        response = make()
    except BaseException:
        slot.release()
        raise
    if isinstance(response, StreamingHttpResponse):
        response.streaming_content = _Read(cast(Iterator[bytes], response.streaming_content), slot)
    else:
        slot.release()
    return response


class _Slot:
    """One download's place, in this process and in the store."""

    def __init__(self, caller: str, workspace: str | None) -> None:
        self._most = {f"caller:{_name(caller)}": settings.DOWNLOADS_PER_CALLER}
        if workspace is not None:
            self._most[f"workspace:{workspace}"] = settings.DOWNLOADS_PER_WORKSPACE
        self._token = secrets.token_hex(8)
        self._released = False
        self._renewed_at = time.monotonic()

    def acquire(self) -> bool:
        with _lock:
            most = self._most | {ALL: settings.DOWNLOADS_PER_PROCESS}
            if any(_here[name] >= number for name, number in most.items()):
                return False
            _here.update(most.keys())
        now = time.time()
        leased = ACQUIRE.run(self._keys(), [_ms(now), _ms(now + LEASE_SECONDS), self._token, *self._most.values()])
        if leased == 0:
            self.release()
            return False
        return True

    def keep(self) -> None:
        """From time to time while it is read."""
        if time.monotonic() - self._renewed_at > RENEW_SECONDS:
            self._renewed_at = time.monotonic()
            RENEW.run(self._keys(), [_ms(time.time() + LEASE_SECONDS), self._token])

    def release(self) -> None:
        """Once, however often it is called."""
        with _lock:
            if self._released:
                return
            self._released = True
            for name in (*self._most, ALL):
                _here[name] -= 1
                if _here[name] <= 0:
                    del _here[name]
        RELEASE.run(self._keys(), [self._token])

    def _keys(self) -> list[str]:
        return [f"downloads:{name}" for name in self._most]


class _Read:
    """What is sent, piece by piece. Django closes it with its response, also one that was never begun."""

    def __init__(self, pieces: Iterator[bytes], slot: _Slot) -> None:
        self._pieces = pieces
        self._slot = slot

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        self._slot.keep()
        try:
            return next(self._pieces)
        except BaseException:
            self._slot.release()
            raise

    def close(self) -> None:
        close: Any = getattr(self._pieces, "close", None)
        try:
            if close is not None:
                close()
        finally:
            self._slot.release()

    def __del__(self) -> None:
        self._slot.release()  # where a server forgets to close what nobody reads any more


def _name(caller: str) -> str:
    return hashlib.sha256(caller.encode()).hexdigest()[:32]


def _ms(seconds: float) -> int:
    return int(seconds * 1000)
