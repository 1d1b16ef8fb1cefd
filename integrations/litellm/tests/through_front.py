"""One request through the front, with an application in LiteLLM's place that does as a test says."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from conftest import in_a_loop
from omixa_litellm.calls import Calls, Logged
from omixa_litellm.front import Front
from omixa_litellm.holds import Holds
from omixa_litellm.keys import Key
from omixa_litellm.models import Model
from omixa_litellm.parts import Parts
from omixa_litellm.refusals import NoDecision
from omixa_litellm.settle import Settlement

USAGE = {"prompt_tokens": 4, "completion_tokens": 3, "total_tokens": 7}
KEY = Key("key_1", "ws_1", frozenset(["m"]), prepaid=False)
ALLOWED = {"allowed": True, "hold_id": "hold_1", "remaining": "12.40", "binding": {"scope": "balance"}, "max_output_tokens": 9}
BODY = {"error": {"message": "Buy credit.", "type": "insufficient_quota", "code": "balance_used_up", "param": None}}


class Product:
    def __init__(self) -> None:
        self.decision: dict[str, Any] | NoDecision = ALLOWED
        self.asked: list[dict[str, Any]] = []
        self.released: list[tuple[str, str]] = []

    async def authorize(self, asked: dict[str, Any]) -> dict[str, Any]:
        self.asked.append(asked)
        if isinstance(self.decision, NoDecision):
            raise self.decision
        return self.decision

    async def release(self, hold_id: str, reason: str) -> None:
        self.released.append((hold_id, reason))


class Keys:
    async def check(self, secret: str) -> Key:
        assert secret == "secret"
        return KEY


class Spool:
    def __init__(self) -> None:
        self.why: str | None = None

    def refusal(self) -> str | None:
        return self.why


@dataclass
class Seen:
    status: int = 0
    headers: dict[bytes, bytes] = field(default_factory=dict)
    body: bytes = b""

    @property
    def code(self) -> str:
        return str(json.loads(self.body)["error"]["code"])


App = Callable[["World", dict[str, Any], Any, Any], Awaitable[None]]


class World:
    def __init__(self, application: App, hold: str = "always", when_unavailable: str = "postpaid") -> None:
        self.product, self.spool, self.events = Product(), Spool(), list[dict[str, Any]]()
        self.calls = Calls()
        self.scope: dict[str, Any] = {}
        self.reads_at_most: int | None = None
        self.writes_at_most: int | None = None
        self.reasons = False
        holds = self.holds = Holds(self.product, hold, when_unavailable)  # type: ignore[arg-type]
        self.settlement = Settlement(self.calls, self.events.append, holds.release, lambda text: len(text.split()))

        self.parts = Parts(holds, self.settlement, lambda text: len(text.split()))

        async def behind(scope: dict[str, Any], receive: Any, send: Any) -> None:
            self.scope = scope
            await application(self, scope, receive, send)

        self.front = Front(
            behind, Keys(), holds, self.calls, self.settlement, self.spool,  # type: ignore[arg-type]
            lambda text: len(text.split()), 1_000, frozenset(), self._model, lambda: None,
        )  # fmt: skip

    async def dispatch(self, call_type: str = "acompletion", **sent: Any) -> dict[str, Any] | None:
        """As LiteLLM tells it: an attempt is announced, and goes out. What is sent in place of `sent`, if anything else."""
        changed = await self.parts.before(self.call, call_type, sent)
        self.settlement.dispatched(self.call, call_type, "openai", "openai/m")
        self.call.sent = True
        return changed

    def _model(self, name: str) -> Model | None:
        return None if name == "openai/m" else Model(self.reads_at_most, self.writes_at_most, self.reasons)

    def post(self, path: str = "/v1/chat/completions", method: str = "POST", kind: str = "http", **body: Any) -> Seen:
        sent = json.dumps({"model": "m", "messages": [{"role": "user", "content": "a b c"}], **body}).encode()
        seen = Seen()

        messages = iter([{"type": "http.request", "body": sent, "more_body": False}])

        async def receive() -> dict[str, Any]:
            return next(messages, {"type": "http.disconnect"})

        async def send(message: dict[str, Any]) -> None:
            if message["type"] == "http.response.start":
                seen.status, seen.headers = message["status"], dict(message["headers"])
            elif message["type"] == "http.response.body":
                seen.body += message.get("body", b"")
            else:
                seen.status = message["code"]

        headers = [(b"authorization", b"Bearer secret"), (b"X-LiteLLM-Call-Id", b"mine"), (b"x-kept", b"1")]
        scope = {"type": kind, "method": method, "path": path, "headers": headers, "query_string": b"a=b"}

        async def through() -> None:
            await self.front(scope, receive, send)
            await asyncio.sleep(0)

        in_a_loop(through())
        return seen

    @property
    def call(self) -> Any:
        (call,) = self.calls
        return call


async def answers(world: World, scope: dict[str, Any], receive: Any, send: Any) -> None:
    """One attempt that succeeds, logged after the answer is out."""
    await receive()
    call = world.call
    world.settlement.dispatched(call, "acompletion", "openai", "openai/m")
    gossip = [
        (b"content-type", b"application/json"),
        (b"x-litellm-model-api-base", b"http://secret"),
        (b"x-ratelimit-limit", b"1"),
    ]
    await send({"type": "http.response.start", "status": 200, "headers": gossip})
    await send({"type": "http.response.body", "body": json.dumps({"usage": USAGE}).encode()})
    world.settlement.logged_success(call, Logged(USAGE, "default", False))


def stream(*events: dict[str, Any], after: str = "success") -> App:
    """A stream of these events, and then LiteLLM's log."""

    async def application(world: World, scope: dict[str, Any], receive: Any, send: Any) -> None:
        call = world.call
        world.settlement.dispatched(call, "acompletion", "openai", "openai/m")
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/event-stream")]})
        for event in events:
            line = f"data: {json.dumps(event)}\n\n".encode()
            await send({"type": "http.response.body", "body": line[:7], "more_body": True})
            await send({"type": "http.response.body", "body": line[7:], "more_body": True})
        if after == "success":
            world.settlement.logged_success(call, Logged(USAGE, None, False))
        if after == "failure":
            world.settlement.logged_failure(call)
        if after != "left":
            await send({"type": "http.response.body", "body": b"", "more_body": False})

    return application


def word(text: str, finish: str | None = None) -> dict[str, Any]:
    return {"service_tier": "priority", "choices": [{"index": 0, "delta": {"content": text}, "finish_reason": finish}]}
