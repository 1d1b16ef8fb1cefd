"""The product's endpoints for gateways, over connections that stay open.

Whatever is not a decision raises NoDecision, and the caller's policy for "unavailable" speaks, unless it was the question that
was at fault (NotUnderstood). After a failure the product
is left alone for a moment and then asked by one request alone, so that its absence costs one its timeout and not all of them.
"""

import logging
import time
from typing import Any

import aiohttp

from .refusals import NoDecision, NotUnderstood

log = logging.getLogger("omixa_litellm.product")

SHORTEST_PAUSE, LONGEST_PAUSE = 0.25, 0.5  # one request tries: a longer one only lets more run without a hold
CONNECTIONS = 64
LONG_POLL_SECONDS = 40.0
NOT_UNDERSTOOD = (400, 409, 413, 415, 422)


class Product:
    def __init__(self, url: str, token: str, timeout_seconds: float) -> None:
        self._url = url
        self._headers = {"Authorization": f"Bearer {token}"}
        self._timeout = aiohttp.ClientTimeout(total=timeout_seconds)
        self._session: aiohttp.ClientSession | None = None
        self._failures = 0
        self._away_until = 0.0
        self._trying = False  # whether it answers again

    async def check_key(self, secret: str) -> dict[str, Any]:
        return await self._decide("keys/check", {"key": secret})

    async def authorize(self, asked: dict[str, Any]) -> dict[str, Any]:
        return await self._decide("authorize", asked)

    async def extend(self, hold_id: str, output_tokens_so_far: int, ttl_seconds: int) -> dict[str, Any]:
        asked = {"output_tokens_so_far": output_tokens_so_far, "ttl_seconds": ttl_seconds}
        return await self._decide(f"authorize/{hold_id}/extend", asked)

    async def release(self, hold_id: str, reason: str) -> None:
        await self._answer("POST", f"authorize/{hold_id}/release", json={"reason": reason})

    async def revocations(self, since: str | None) -> dict[str, Any]:
        """Waits up to 25 seconds for one. Raises NoDecision."""
        params = {"since": since} if since is not None else {}
        timeout = aiohttp.ClientTimeout(total=LONG_POLL_SECONDS)
        status, answer = await self._request("GET", "revocations", params=params, timeout=timeout)
        if status in (400, 410):
            return {"cursor": None, "reset": True}
        if status != 200:
            raise NoDecision(f"revocations: status {status}")
        return answer

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()

    async def _decide(self, path: str, asked: dict[str, Any]) -> dict[str, Any]:
        answer = await self._answer("POST", path, json=asked)
        if not isinstance(answer.get("allowed"), bool):
            raise NoDecision(f"{path}: an answer without a decision")
        return answer

    async def _answer(self, method: str, path: str, **request: Any) -> dict[str, Any]:
        if time.monotonic() < self._away_until or self._trying:
            raise NoDecision("the product did not answer a moment ago")
        alone = self._trying = self._failures > 0
        try:
            status, answer = await self._request(method, path, **request)
        except NoDecision as error:
            self._failed(str(error))
            raise
        finally:
            if alone:
                self._trying = False
        if status >= 500 or status in (401, 403):  # a wrong token of ours is no decision about theirs
            self._failed(f"{path}: status {status}")
        else:
            self._failures = 0
        if status in NOT_UNDERSTOOD:
            raise NotUnderstood(f"{path}: status {status}")
        if status != 200:
            raise NoDecision(f"{path}: status {status}")
        return answer

    async def _request(self, method: str, path: str, **request: Any) -> tuple[int, dict[str, Any]]:
        if self._session is None:
            connector = aiohttp.TCPConnector(limit=CONNECTIONS, keepalive_timeout=20)
            self._session = aiohttp.ClientSession(headers=self._headers, connector=connector, timeout=self._timeout)
        try:
            async with self._session.request(method, f"{self._url}/gateway/v1/{path}", **request) as response:
                answer = await response.json(content_type=None) if response.status == 200 else {}
                return response.status, answer if isinstance(answer, dict) else {}
        except (TimeoutError, aiohttp.ClientError, OSError, ValueError) as error:
            raise NoDecision(f"{path}: {type(error).__name__} {error}") from None

    def _failed(self, why: str) -> None:
        self._failures += 1
        if self._failures in (1, 10) or self._failures % 100 == 0:
            log.warning("The product does not decide: %s", why)
        self._away_until = time.monotonic() + min(SHORTEST_PAUSE * 2 ** min(self._failures - 1, 8), LONGEST_PAUSE)
