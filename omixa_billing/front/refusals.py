"""What the front refuses by itself: JSON for programs, a short page for people."""

from functools import cache

from django.http import HttpResponse
from django.template.loader import render_to_string

from metering.ingest.formats.bodies import body_too_large
from omixa_billing.api.error_shapes import shape_for
from omixa_billing.api.errors import error_response, path_speaks_json, refusal_response
from omixa_billing.front.answers import Answer
from omixa_billing.front.head import RequestHead

RETRY_AFTER = 5  # seconds


def cut_off(head: RequestHead) -> Answer:
    message = "The body ended before it was whole, or its pieces cannot be read: nothing was stored."
    return _refusal(head, 400, "malformed_body", message)


def no_path(head: RequestHead) -> Answer:
    return _refusal(head, 400, "malformed_request", "The request has no path: it has to begin with a slash.")


def too_slow(head: RequestHead) -> Answer:
    return _refusal(head, 408, "body_too_slow", "The body came too slowly: nothing was stored, send it again.")


def too_large_answer(head: RequestHead) -> Answer:
    if head.path.startswith("/gateway/"):
        return Answer.of(refusal_response(body_too_large()))
    return _refusal(head, 413, "body_too_large", "The body is too large.")


def too_much(head: RequestHead) -> Answer:
    return _refusal(head, 503, "too_busy", "Too much is being sent at once: nothing was stored, send it again.", RETRY_AFTER)


def pages_away(head: RequestHead) -> Answer:
    return _refusal(head, 503, "pages_unavailable", "This part of the product is busy or starting: try again.", RETRY_AFTER)


def _refusal(head: RequestHead, status: int, code: str, message: str, retry_after: int | None = None) -> Answer:
    return _made(path_speaks_json(head.path), shape_for(head.path), status, code, message, retry_after)


@cache
def _made(json: bool, shape: str, status: int, code: str, message: str, retry_after: int | None) -> Answer:
    """Once: many are refused at the same moment, and the event loop has others to wait for."""
    if json:
        return Answer.of(error_response(status, code, message, None, retry_after, path=shape))
    page = HttpResponse(
        render_to_string("website/errors/front_refusal.html", {"status": status, "message": message}), status=status
    )
    if retry_after is not None:
        page["Retry-After"] = str(retry_after)
    return Answer.of(page)
