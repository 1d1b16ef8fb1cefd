"""Errors as the clients of other products read them, by the address that they ask. Everywhere else the shape is OpenAI's."""

from collections.abc import Callable
from typing import Any

from omixa_billing.http.addresses import ANTHROPIC, OPENROUTER

Shape = Callable[[int, dict[str, Any]], dict[str, Any]]

ANTHROPIC_TYPES = {
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
}


def shaped(path: str, status: int, error: dict[str, Any]) -> dict[str, Any]:
    """The body of an error: `error` has our message, type, code and param."""
    for prefix, shape in SHAPES.items():
        if path.startswith(prefix):
            return shape(status, error)
    return {"error": error}


def shape_for(path: str) -> str:
    """The addresses whose errors have the same shape, as the path with which they begin; empty for ours."""
    return next((prefix for prefix in SHAPES if path.startswith(prefix)), "")


def _openrouter(status: int, error: dict[str, Any]) -> dict[str, Any]:
    kept = {"code": error["code"], "param": error["param"]}
    return {"error": {"code": status, "message": error["message"], "metadata": kept}}


def _anthropic(status: int, error: dict[str, Any]) -> dict[str, Any]:
    kind = ANTHROPIC_TYPES.get(status, "invalid_request_error" if status < 500 else "api_error")
    return {"type": "error", "error": {"type": kind, "message": error["message"]}}


SHAPES: dict[str, Shape] = {OPENROUTER: _openrouter, ANTHROPIC: _anthropic}
