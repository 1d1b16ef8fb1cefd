"""The Redis in which all web processes count. It may be away, or hang, and then nothing is counted and nobody is refused.

`limits` of PyPI was tried: it takes two round trips for a count and its headers, and no Redis client as new as Celery's.
"""

from __future__ import annotations

import threading
import time
from functools import cache
from typing import Any

import structlog
from django.conf import settings
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

log = structlog.get_logger(__name__)

TIMEOUT_SECONDS = 0.05
QUIET_SECONDS = 5.0
PREFIX = "omixa:limits:"


class Script:
    """A Lua script, which Redis runs whole or not at all."""

    def __init__(self, text: str) -> None:
        self._text = text

    def run(self, keys: list[str], arguments: list[Any]) -> Any:
        """What the script returns; None when the store did not answer in time, or did not lately."""
        if not _breaker.lets_through():
            return None
        try:
            answer = _registered(self._text)([PREFIX + key for key in keys], arguments)
        except (RedisError, OSError) as error:
            _breaker.failed(error)
            return None
        _breaker.answered()
        return answer


class _Breaker:
    """After a failure nobody asks for a while, and then one alone: a store that hangs holds up one request in five seconds."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._quiet_until = 0.0

    def lets_through(self) -> bool:
        if self._quiet_until == 0.0:
            return True
        with self._lock:
            if time.monotonic() < self._quiet_until:
                return False
            self._quiet_until = time.monotonic() + QUIET_SECONDS  # for all but this one
            return True

    def failed(self, error: Exception) -> None:
        with self._lock:
            self._quiet_until = time.monotonic() + QUIET_SECONDS
        log.warning("limits_not_counted", error=str(error), seconds=QUIET_SECONDS)

    def answered(self) -> None:
        self._quiet_until = 0.0

    forget = answered  # for tests


_breaker = _Breaker()


@cache
def _registered(text: str) -> Any:
    return _client(settings.LIMITS_REDIS_URL).register_script(text)


@cache
def _client(url: str) -> Redis:
    return Redis.from_url(
        url,
        socket_timeout=TIMEOUT_SECONDS,
        socket_connect_timeout=TIMEOUT_SECONDS,
        retry=Retry(NoBackoff(), 0),
        protocol=2,  # without a greeting, which would be one more wait
        driver_info=None,
    )


def forget_connection() -> None:
    """The next call asks settings where the store is. For tests that move it."""
    _registered.cache_clear()
    _client.cache_clear()
    _breaker.forget()
