"""What comes before all other middleware: refusing what no layer below can read, and naming the caller in the log."""

import re
from collections.abc import Callable

import structlog
from django.core.exceptions import BadRequest
from django.http import HttpRequest, HttpResponse

from omixa_billing.client_address import client_address

BYTES = re.compile(r"[0-9]{0,18}", re.ASCII)


def refuse_unreadable(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """First of all middleware: a Content-Length that is no number of bytes is a bad request."""

    def middleware(request: HttpRequest) -> HttpResponse:
        if not BYTES.fullmatch(request.META.get("CONTENT_LENGTH", "")):
            raise BadRequest("Content-Length is not a number of bytes.")
        return get_response(request)

    return middleware


def name_caller(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """Every line that is logged during a request says from where it came."""

    def middleware(request: HttpRequest) -> HttpResponse:
        with structlog.contextvars.bound_contextvars(client=client_address(request)):
            return get_response(request)

    return middleware
