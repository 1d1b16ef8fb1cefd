"""Refuses what no layer below can read, before one of them takes it for a bug of ours."""

import re
from collections.abc import Callable

from django.core.exceptions import BadRequest
from django.http import HttpRequest, HttpResponse

BYTES = re.compile(r"[0-9]{0,18}", re.ASCII)


def refuse_unreadable(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """First of all middleware: a Content-Length that is no number of bytes is a bad request."""

    def middleware(request: HttpRequest) -> HttpResponse:
        if not BYTES.fullmatch(request.META.get("CONTENT_LENGTH", "")):
            raise BadRequest("Content-Length is not a number of bytes.")
        return get_response(request)

    return middleware
