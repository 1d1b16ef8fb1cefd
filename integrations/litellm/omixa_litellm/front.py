"""In front of all of LiteLLM: which routes there are, whose key it is, whether the request may run, and what answers tell.

The plug-in puts this around LiteLLM's application when its configuration is read. LiteLLM's own hooks come too late or too
rarely for this: some routes ask no authentication, a refusal from a hook loses its shape, and no hook can take a header away.
"""

import asyncio
import logging
import re
import secrets
import time
from collections.abc import Awaitable, Callable
from typing import Any

from .bodies import read_body
from .calls import Call, Calls
from .holds import Holds
from .keys import Key, Keys
from .models import Model
from .prompt import count_input
from .refusals import NoDecision, Refusal, refusal
from .settle import Settlement
from .spool import Spool

log = logging.getLogger("omixa_litellm.front")

Scope = dict[str, Any]
Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

POSTS = re.compile(r"(?:/api)?(/v1/(chat/completions|responses|embeddings|messages))/?")
MODELS = re.compile(r"(?:/api)?(/v1/models(?:/[^/]+)?)/?")
ALIVE = ("/health/liveliness", "/health/liveness")
SCOPE_KEY = "omixa"  # whose request it is, for LiteLLM's authentication

OURS_ONLY = re.compile(rb"x-litellm-.*|x-omixa-.*|content-length|content-type|content-encoding|transfer-encoding|expect")
CREDENTIALS = (b"authorization", b"x-api-key", b"api-key", b"ocp-apim-subscription-key", b"x-goog-api-key")
KEPT_BACK = re.compile(rb"x-litellm-.*|llm_provider-.*|x-ratelimit-.*|server", re.IGNORECASE)


class Front:
    def __init__(
        self,
        application: Callable[[Scope, Receive, Send], Awaitable[None]],
        keys: Keys,
        holds: Holds,
        calls: Calls,
        settlement: Settlement,
        spool: Spool,
        count: Callable[[str], int],
        body_bytes: int,
        also_pass: frozenset[str],
        public_model: Callable[[str], Model | None],
        start: Callable[[], None],
    ) -> None:
        self.application = application
        self.keys, self.holds, self.calls, self.settlement, self.spool = keys, holds, calls, settlement, spool
        self.count, self.body_bytes, self.also_pass = count, body_bytes, also_pass
        self.public_model, self.start = public_model, start

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self.application(scope, receive, send)
        elif scope["type"] == "http":
            self.start()
            await self._http(scope, receive, send)
        else:  # WebSockets of the proxy open ways that nobody counts
            await send({"type": "websocket.close", "code": 1008})

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        method, path = scope["method"], scope["path"]
        post, models = POSTS.fullmatch(path), MODELS.fullmatch(path)
        endpoint = post[2] if post else "models"
        try:
            if method == "GET" and path in ALIVE:
                await self.application(scope, receive, send)
            elif method == "POST" and post:
                await self._post(_at(scope, post[1]), endpoint, receive, send)
            elif method == "GET" and models:
                key = await self._key(scope)
                await self.application(_passed_on(_at(scope, models[1]), key), receive, _without_gossip(send, {}))
            else:
                raise refusal(404, "not_found", f"There is no {method} {path} here.")
        except Refusal as refused:
            await _refuse(send, refused, endpoint)

    async def _key(self, scope: Scope) -> Key:
        secret = _secret(scope["headers"])
        if secret is None:
            raise refusal(401, "unknown_key", "No API key was sent. Send it as Authorization: Bearer omx_live_...")
        try:
            return await self.keys.check(secret)
        except NoDecision as error:
            self.holds.without_decision(None, str(error))
            raise

    async def _post(self, scope: Scope, endpoint: str, receive: Receive, send: Send) -> None:
        key = await self._key(scope)
        asked = read_body(endpoint, await self._body(receive), self.also_pass)
        model = self.public_model(asked.model)
        if model is None:
            message = f"There is no model {asked.model!r} here. GET /v1/models lists those there are."
            raise refusal(404, "model_not_found", message, "model")
        if not key.may_use(asked.model):
            raise refusal(403, "model_not_allowed", f"This API key may not use the model {asked.model!r}.", "model")
        self._refuse_without_spool()
        call = Call(f"req_{secrets.token_hex(16)}", key, asked, model, count_input(asked, self.count))
        await self.holds.authorize(call)
        self.calls.add(call)
        watched = _Watched(call, receive, asked.content(), send)
        headers = [(b"x-litellm-call-id", call.request_id.encode())]
        try:
            await self.application(_passed_on(scope, key, len(watched.body), headers), watched.receive, watched.send)
        finally:
            call.left = not watched.whole
            self.settlement.ended(call)

    async def _body(self, receive: Receive) -> bytes:
        parts, size, more = [], 0, True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise refusal(400, "body_cut_off", "The connection ended before the body was whole.")
            parts.append(message.get("body", b""))
            size += len(parts[-1])
            if size > self.body_bytes:
                raise refusal(413, "body_too_large", f"The body is larger than {self.body_bytes} bytes.")
            more = message.get("more_body", False)
        return b"".join(parts)

    def _refuse_without_spool(self) -> None:
        why = self.spool.refusal()
        if why is not None:
            log.error("A request was refused: %s", why)
            message = "Usage cannot be recorded just now. Try again later."
            raise refusal(503, "usage_cannot_be_recorded", message, retry_after=10)


class _Watched:
    """One request's way through LiteLLM: its checked body in, and what its client sees of the answer."""

    def __init__(self, call: Call, receive: Receive, body: bytes, send: Send) -> None:
        self.call, self.body = call, body
        self.whole = False  # LiteLLM has given the last byte of the answer
        self._receive, self._given = receive, False
        self._gone = False  # its client is
        self._streams = False
        ours = {"x-omixa-request-id": call.request_id}
        if call.remaining is not None:
            ours["x-omixa-remaining"] = call.remaining
            ours["x-omixa-remaining-of"] = call.remaining_scope or "balance"
        self._send = _without_gossip(send, ours)

    async def receive(self) -> Message:
        if not self._given:
            self._given = True
            return {"type": "http.request", "body": self.body, "more_body": False}
        message = await self._receive()
        if message["type"] == "http.disconnect":
            self._gone = True
            if self.call.asked.stream and self.call.hides_output:  # LiteLLM reads on, and logs what the provider then says
                await asyncio.get_running_loop().create_future()
        return message

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.call.status = message["status"]
            kinds = [value for name, value in message["headers"] if name.lower() == b"content-type"]
            self._streams = any(kind.startswith(b"text/event-stream") for kind in kinds)
        else:
            if self.call.first_byte_at is None:
                self.call.first_byte_at = time.time()
            if self.call.status == 200:
                (self.call.delivered.stream if self._streams else self.call.delivered.whole)(message.get("body", b""))
        if not self._gone:
            await self._send(message)
        if message["type"] == "http.response.body" and not message.get("more_body", False):
            self.whole = True


def _at(scope: Scope, path: str) -> Scope:
    """LiteLLM knows its routes without /api."""
    return {**scope, "path": path, "raw_path": path.encode()}


def _passed_on(scope: Scope, key: Key, length: int | None = None, ours: list[tuple[bytes, bytes]] | None = None) -> Scope:
    """Without what clients may not say to LiteLLM, and without their key, which it has no business to know."""
    headers = [
        (name, value)
        for name, value in scope["headers"]
        if not OURS_ONLY.fullmatch(name.lower()) and name.lower() not in CREDENTIALS
    ]
    headers += [(b"authorization", f"Bearer {key.key_id}".encode()), *(ours or [])]
    if length is not None:
        headers += [(b"content-type", b"application/json"), (b"content-length", str(length).encode())]
    return {**scope, "headers": headers, "query_string": b"", SCOPE_KEY: key}


def _without_gossip(send: Send, ours: dict[str, str]) -> Send:
    """LiteLLM's headers name the provider's address, its limits and costs that are not the customer's."""

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = [(name, value) for name, value in message["headers"] if not KEPT_BACK.fullmatch(name)]
            headers += [(name.encode(), value.encode()) for name, value in ours.items()]
            message = {**message, "headers": headers}
        await send(message)

    return sending


def _secret(headers: list[tuple[bytes, bytes]]) -> str | None:
    """As OpenAI's clients send it, or Anthropic's."""
    sent = {name.lower(): value.decode("latin-1").strip() for name, value in headers}
    scheme, _, secret = sent.get(b"authorization", "").partition(" ")
    if scheme.lower() == "bearer" and secret.strip():
        return secret.strip()
    return sent.get(b"x-api-key") or None


async def _refuse(send: Send, refused: Refusal, endpoint: str) -> None:
    content = refused.content(endpoint)
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(content)).encode())]
    if refused.retry_after is not None:
        headers.append((b"retry-after", str(max(1, round(refused.retry_after))).encode()))
    await send({"type": "http.response.start", "status": refused.status, "headers": headers})
    await send({"type": "http.response.body", "body": content})
