"""What any gateway has to do, in one file and with nothing but Python: ask before, say afterwards, lose nothing.

    from reference_client import Billing

    billing = Billing("https://billing.example.com", "omx_gateway_...", spool="/var/lib/gateway/events")
    with billing.request(key=presented, model="codex-mini", input_tokens=1200, max_output_tokens=800) as request:
        request.begin_attempt()                                                # before each call of a provider
        answer = call_the_provider(max_tokens=request.max_output_tokens)      # never more than what is held
        request.succeeded(answer["usage"])                                     # as the provider sent it

`Refused` carries a status and a body to send on to the client unchanged. What the product does not answer is `Unavailable`: let
the request run or refuse it, as you please, but do one of them on purpose. `NotUnderstood` has a status and a body to send on
too: such a request must not run, or a client could escape its limits by sending what the product cannot understand.

Leaving the block releases the hold if no provider has been called, or if each attempt was said to have failed. Whether an
attempt is billed that began, and of which nothing was said, nobody knows: its hold stays, expires, and is seen as unaccounted.

This is one process with one thread that sends. LiteLLM's plug-in (integrations/litellm) does the same with care for more:
several processes, power cuts, a full disk, keys kept in memory, revocations.
"""

import http.client
import json
import os
import threading
import time
import urllib.error
import urllib.request
import uuid
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any

TIMEOUT = 5.0
EVENTS_AT_ONCE = 1_000
RESEND_SECONDS = 1.0
NO_ANSWER = (OSError, http.client.HTTPException, ValueError)  # none, half of one, or one that is not the product's
AT_FAULT = (400, 409, 413, 415, 422)  # the same question would hear the same again


class Refused(Exception):
    """The product decided against it. Send `status` and `body` to the client; `retry_after` belongs into Retry-After."""

    def __init__(self, decision: dict[str, Any]) -> None:
        super().__init__(decision["message"])
        self.reason, self.retry_after = decision["reason"], decision.get("retry_after")
        self.status, self.body = decision["error"]["status"], decision["error"]["body"]


class NotUnderstood(Exception):
    """The product refuses the question itself. It is not away: send `status` and `body` to the client."""

    def __init__(self, path: str, status: int) -> None:
        super().__init__(f"{path}: status {status}")
        self.status = 400
        message = "What this request may cost cannot be worked out from it. Check its numbers and names."
        error = {"message": message, "type": "invalid_request_error", "code": "request_not_understood", "param": None}
        self.body = {"error": error}


class Unavailable(Exception):
    """No decision: the product is away, or what answers in its place is not the product."""


class Billing:
    def __init__(self, url: str, token: str, spool: str | Path) -> None:
        self._url, self._token = url.rstrip("/"), token
        self._spool = Path(spool)
        self._spool.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.rejected: list[dict[str, Any]] = []  # for a person to look at
        self._wake = threading.Event()
        threading.Thread(target=self._send_for_ever, daemon=True).start()

    def request(
        self, *, key: str, model: str, input_tokens: int, max_output_tokens: int | None = None, **more: Any
    ) -> "Request":
        """Asks, and holds what the request may cost. Raises Refused, NotUnderstood, Unavailable.

        `more`: `service_tier`, `user`, `endpoint`, `stream`, `ttl_seconds`. The id is ours: a client that could choose it could
        use one for all of its requests, and pay once.
        """
        asked = {"request_id": f"req_{uuid.uuid4().hex}", "key": key, "model": model, "input_tokens": input_tokens}
        decision = self.decide("authorize", {**asked, "max_output_tokens": max_output_tokens, **more})
        return Request(self, decision, model)

    def check_key(self, key: str) -> dict[str, Any]:
        """What is known of a key, holding nothing. Raises Refused, NotUnderstood, Unavailable."""
        return self.decide("keys/check", {"key": key})

    def revocations(self, cursor: str | None = None) -> dict[str, Any]:
        """Waits up to 25 seconds. Forget what you keep of each key or workspace in `changes`, of all where `reset` is true."""
        return self.ask("GET", f"revocations?since={cursor}" if cursor else "revocations", timeout=40)

    def decide(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """What the product decided, if it is in favour. Raises Refused, NotUnderstood, Unavailable."""
        decision = self.ask("POST", path, body)
        if not isinstance(decision.get("allowed"), bool):
            raise Unavailable(f"{path}: an answer without a decision")
        if not decision["allowed"]:
            raise Refused(decision)
        return decision

    def ask(self, method: str, path: str, body: dict[str, Any] | None = None, timeout: float = TIMEOUT) -> dict[str, Any]:
        """Any answer but a 200 is no decision. Raises NotUnderstood, Unavailable."""
        try:
            return self._call(method, path, body, timeout, 200)
        except urllib.error.HTTPError as error:
            if error.code in AT_FAULT:
                raise NotUnderstood(path, error.code) from error
            raise Unavailable(f"{path}: status {error.code}") from error
        except NO_ANSWER as error:
            raise Unavailable(f"{path}: {error}") from error

    def record(self, event: dict[str, Any]) -> None:
        """On disk before this returns, and then sent until the product has it."""
        draft = self._spool / f"{time.time_ns()}-{uuid.uuid4().hex}.draft"
        with draft.open("w") as file:
            json.dump(event, file)
            file.flush()
            os.fsync(file.fileno())
        draft.rename(draft.with_suffix(".json"))
        self._wake.set()

    def _send_for_ever(self) -> None:
        while True:
            self._wake.clear()
            try:
                while waiting := sorted(self._spool.glob("*.json"))[:EVENTS_AT_ONCE]:
                    self._send(waiting)
            except NO_ANSWER:  # away: what is on disk waits
                time.sleep(RESEND_SECONDS)
            self._wake.wait(RESEND_SECONDS)

    def _send(self, waiting: list[Path]) -> None:
        """A batch that is refused whole is sent in halves, down to the one event that is at fault: it is put aside."""
        events = [json.loads(path.read_text()) for path in waiting]
        try:
            answer = self._call("POST", "events", {"events": events}, 30, 202)
        except urllib.error.HTTPError as error:
            if error.code not in AT_FAULT:
                raise
            if len(waiting) > 1:
                half = len(waiting) // 2
                self._send(waiting[:half])
                self._send(waiting[half:])
            else:
                self.rejected.append({"code": f"status_{error.code}", "event": events[0]})
                waiting[0].rename(waiting[0].with_suffix(".rejected"))
            return
        if not isinstance(answer.get("rejected"), list):
            raise ValueError("an answer that is not the product's")
        self.rejected += answer["rejected"]
        for path in waiting:  # accepted or rejected, it is the product's now: a copy sent again would be a duplicate
            path.unlink()

    def _call(self, method: str, path: str, body: dict[str, Any] | None, timeout: float, status: int) -> dict[str, Any]:
        """The answer's body. Raises HTTPError for a refusal, and one of NO_ANSWER for everything else but this status."""
        headers = {"Authorization": f"Bearer {self._token}", "Content-Type": "application/json"}
        content = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self._url}/gateway/v1/{path}", content, headers, method=method)  # noqa: S310
        with urllib.request.urlopen(request, timeout=timeout) as response:  # noqa: S310
            answer = json.load(response)
        if response.status != status or not isinstance(answer, dict):
            raise ValueError(f"status {response.status} with something else than the product's answer")
        return answer


class Request:
    """One request that was allowed. Failed attempts count up; the first that succeeds or is aborted settles the hold."""

    def __init__(self, billing: Billing, decision: dict[str, Any], model: str) -> None:
        self._billing, self._model = billing, model
        self.request_id: str = decision["request_id"]
        self.hold_id: str | None = decision.get("hold_id")
        self.key_id: str = decision["key_id"]
        self.max_output_tokens: int = decision["max_output_tokens"]  # perhaps less than was asked for
        self.remaining: str | None = decision["remaining"]
        self.attempt, self.settled = 0, False
        self.open = False  # an attempt has begun, and nothing was said of it

    def begin_attempt(self) -> None:
        """Right before each call of a provider. From here on only a failed attempt releases the hold."""
        self.open = True

    def succeeded(self, usage: dict[str, Any], **more: Any) -> None:
        """`more`: `service_tier` (the one served), `dialect`, `provider`, `stream`, `latency_ms` and so on."""
        self._say("succeeded", usage, more)

    def aborted(self, usage: dict[str, Any], **more: Any) -> None:
        """A stream that broke or was left: with what was delivered, which nobody but you can count."""
        self._say("aborted", usage, {"usage_source": "estimated", **more})

    def failed(self, **more: Any) -> None:
        """This attempt; the next one is the same request."""
        self._say("failed", None, more)

    def extend(self, output_tokens_so_far: int, ttl_seconds: int = 900) -> None:
        """Before the hold expires. Raises Refused, NotUnderstood, Unavailable."""
        asked = {"output_tokens_so_far": output_tokens_so_far, "ttl_seconds": ttl_seconds}
        self._billing.decide(f"authorize/{self.hold_id}/extend", asked)

    def _say(self, status: str, usage: dict[str, Any] | None, more: dict[str, Any]) -> None:
        event = {
            "request_id": self.request_id,
            "attempt": self.attempt,
            "key_id": self.key_id,
            "model": self._model,  # the one that was asked for, whatever a fallback chose
            "occurred_at": datetime.now(UTC).isoformat(),
            "status": status,
            **({} if usage is None else {"usage": usage}),
            **more,
        }
        self._billing.record(event)
        self.attempt += 1
        self.open = False
        self.settled = self.settled or status != "failed"

    def __enter__(self) -> "Request":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """What came to nothing lets go of its hold; if that is not heard, the hold expires by itself."""
        if not self.settled and not self.open and self.hold_id is not None:
            try:
                reason = "every attempt failed" if self.attempt else "nothing was sent to a provider"
                self._billing.ask("POST", f"authorize/{self.hold_id}/release", {"reason": reason})
            except (NotUnderstood, Unavailable):
                return
