"""What a client hears in place of an answer: OpenAI's shape of error, or Anthropic's on its own endpoint."""

import json
from dataclasses import dataclass
from typing import Any

TYPES = {401: "authentication_error", 403: "permission_error", 404: "not_found_error", 429: "rate_limit_error"}


class NoDecision(Exception):
    """The product did not decide: it is away, or it answered with something else than a decision."""


class NotUnderstood(NoDecision):
    """The product refuses the question itself, as it would each time. It is not away, and no policy for that applies."""


@dataclass
class Refusal(Exception):
    """Ready to send."""

    status: int
    body: dict[str, Any]
    retry_after: float | None = None

    @property
    def message(self) -> str:
        return str(self.body.get("error", {}).get("message"))

    def content(self, endpoint: str) -> bytes:
        body = self.body
        if endpoint == "messages":
            error = body.get("error", {})
            body = {"type": "error", "error": error}
        return json.dumps(body).encode()


def refusal(status: int, code: str, message: str, param: str | None = None, retry_after: float | None = None) -> Refusal:
    """One that the plug-in makes itself, in the shape of the product's."""
    kind = TYPES.get(status, "invalid_request_error" if status < 500 else "server_error")
    return Refusal(status, {"error": {"message": message, "type": kind, "code": code, "param": param}}, retry_after)


def as_decided(decision: dict[str, Any]) -> Refusal:
    """The product's own words, unchanged. Raises NoDecision where it refused without saying what to send."""
    error = decision.get("error") or {}
    if not isinstance(error.get("status"), int) or not isinstance(error.get("body"), dict):
        raise NoDecision(f"a refusal without an error to send: {decision.get('reason')}")
    return Refusal(error["status"], error["body"], decision.get("retry_after"))
