"""A rate such as `1200/m`, and counting by it: a window begins with a caller's first request and ends after its time."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from functools import cache

from django.core.exceptions import ImproperlyConfigured
from django.http import HttpResponseBase

from omixa_billing.rate_limits.store import Script

SECONDS = {"s": 1, "m": 60, "h": 3_600}
WRITTEN = re.compile(r"([1-9]\d{0,8})/([smh])", re.ASCII)
KNOWN_SECONDS = 3_600

# A caller whose credential was accepted lately counts by itself, everybody else by address. Returns which, count and ms left.
COUNT = Script("""
local bucket, window = KEYS[2], ARGV[2]
local known = redis.call('PEXPIRE', KEYS[3], ARGV[3])
if known == 1 then bucket, window = KEYS[1], ARGV[1] end
local count = redis.call('INCR', bucket)
local left = redis.call('PTTL', bucket)
if left < 0 then
    redis.call('PEXPIRE', bucket, window)
    left = tonumber(window)
end
return {known, count, left}
""")
# A credential turned out to be good: its request moves from the address to it.
ACCEPT = Script("""
redis.call('SET', KEYS[3], '1', 'PX', ARGV[3])
if redis.call('EXISTS', KEYS[2]) == 1 then redis.call('DECR', KEYS[2]) end
if redis.call('INCR', KEYS[1]) == 1 then redis.call('PEXPIRE', KEYS[1], ARGV[1]) end
return 1
""")


@dataclass(frozen=True, slots=True)
class RequestRate:
    amount: int
    seconds: int


UNBOUNDED = RequestRate(999_999_999, 60)


@dataclass(frozen=True, slots=True)
class Count:
    """A request as counted: the how many-th of its window it was, and what is left of that."""

    rate: RequestRate
    number: int
    seconds_left: int
    known: bool

    @property
    def exceeded(self) -> bool:
        return self.number > self.rate.amount

    def describe(self, response: HttpResponseBase) -> None:
        """The headers of draft-ietf-httpapi-ratelimit-headers-06, the last one with a header for each number."""
        response["RateLimit-Limit"] = str(self.rate.amount)
        response["RateLimit-Remaining"] = str(max(self.rate.amount - self.number, 0))
        response["RateLimit-Reset"] = str(self.seconds_left)
        response["RateLimit-Policy"] = f"{self.rate.amount};w={self.rate.seconds}"


@cache
def parse_request_rate(text: str) -> RequestRate | None:
    """None for `off`. Raises ImproperlyConfigured."""
    if text == "off":
        return None
    written = WRITTEN.fullmatch(text)
    if written is None:
        raise ImproperlyConfigured(f"{text!r} is not a rate: write one as 1200/m (s, m or h), or off.")
    return RequestRate(int(written[1]), SECONDS[written[2]])


def count_request(
    group: str, credential: str | None, credential_rate: RequestRate | None, address: str, address_rate: RequestRate
) -> Count | None:
    """Counts a request. Without a credential, or with one that is not known to be good, by address. None: not counted."""
    rate = credential_rate or address_rate
    answer = COUNT.run(*_arguments(group, credential, rate, address, address_rate))
    if answer is None:
        return None
    known, number, left = answer
    return Count(rate if known else address_rate, number, math.ceil(left / 1000), bool(known))


def accept_credential_count(
    group: str, credential: str | None, credential_rate: RequestRate | None, address: str, address_rate: RequestRate
) -> None:
    """The credential of a request that was counted by address is good: it counts by itself from now on."""
    ACCEPT.run(*_arguments(group, credential, credential_rate or address_rate, address, address_rate))


def _arguments(
    group: str, credential: str | None, rate: RequestRate, address: str, address_rate: RequestRate
) -> tuple[list[str], list[int]]:
    name = credential or "none"  # is never accepted
    keys = [f"rate:{group}:{name}", f"rate:{group}:address:{address}", f"known:{name}"]
    return keys, [rate.seconds * 1000, address_rate.seconds * 1000, KNOWN_SECONDS * 1000]
