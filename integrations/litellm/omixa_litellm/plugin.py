"""The plug-in of one LiteLLM process: its parts, put together when LiteLLM reads its configuration."""

import asyncio
import atexit
import logging
from typing import Any

from .calls import Calls
from .front import Front
from .holds import Holds
from .keys import Keys
from .models import public_model
from .parts import Parts
from .product import Product
from .settings import read_settings
from .settle import Settlement
from .spool import Spool

log = logging.getLogger("omixa_litellm")

LOOK_SECONDS = 2.0  # at calls that run long or have ended without a log


class Plugin:
    def __init__(self) -> None:
        self.settings = read_settings()
        self.spool = Spool(self.settings.spool, self.settings.spool_bytes, self.settings.url, self.settings.token)
        self.product = Product(self.settings.url, self.settings.token, self.settings.timeout_seconds)
        self.keys = Keys(self.product, self.settings.key_grace_seconds)
        self.holds = Holds(self.product, self.settings.hold, self.settings.when_unavailable)
        self.calls = Calls()
        self.settlement = Settlement(self.calls, self.spool.append, self.holds.release, count_tokens)
        self.parts = Parts(self.holds, self.settlement, count_tokens)
        self._tasks: list[asyncio.Task[Any]] = []

    def install(self) -> None:
        """In front of LiteLLM's application, which has built its own layers by the time it reads its configuration."""
        from litellm.proxy.proxy_server import app

        front = Front(
            app.middleware_stack or app.build_middleware_stack(),
            self.keys,
            self.holds,
            self.calls,
            self.settlement,
            self.spool,
            count_tokens,
            self.settings.body_bytes,
            self.settings.also_pass,
            public_model,
            self.start,
        )
        app.middleware_stack = front
        self.spool.start()
        atexit.register(self.close)
        log.info("Omixa billing at %s decides; usage waits in %s until it is sent.", self.settings.url, self.settings.spool)

    def start(self) -> None:
        """What runs beside the requests, on the loop; begins with the first of them."""
        if not self._tasks:
            loop = asyncio.get_running_loop()
            works = (self.keys.watch(), self.holds.watch(self.calls), self._look_after_calls())
            self._tasks = [loop.create_task(work) for work in works]

    def close(self) -> None:
        self.spool.close()

    async def _look_after_calls(self) -> None:
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            for call in self.calls:
                try:
                    self.settlement.overdue(call)
                    if call.ended_at is None:
                        await self.holds.extend(call, call.delivered.tokens(count_tokens))
                except Exception:
                    log.exception("Looking after %s failed.", call.request_id)


def count_tokens(text: str) -> int:
    from litellm.litellm_core_utils.default_encoding import encoding

    return len(encoding.encode(text, disallowed_special=()))


plugin = Plugin()
