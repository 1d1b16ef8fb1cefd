"""Before sessions and views: requests that no layer below can read are refused, and log lines name the caller."""

import re
from collections.abc import Callable
from typing import Any

import structlog
from django.core.exceptions import BadRequest
from django.db import DataError
from django.http import Http404, HttpRequest, HttpResponse, QueryDict

from omixa_billing.api.errors import not_found
from omixa_billing.http.addresses import READING
from omixa_billing.http.client_address import client_address

log = structlog.get_logger(__name__)

BYTES = re.compile(r"[0-9]{0,18}", re.ASCII)
NUL = "\x00"


class UnreadableValue(BadRequest):
    """A value that PostgreSQL cannot hold, under the name `param`."""

    def __init__(self, param: str) -> None:
        super().__init__(f"{param} contains a NUL character.")
        self.param = param


def refuse_unreadable(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """A Content-Length that is not a number of bytes, and a NUL in the address, end here."""

    def middleware(request: HttpRequest) -> HttpResponse:
        if not BYTES.fullmatch(request.META.get("CONTENT_LENGTH", "")):
            raise BadRequest("Content-Length is not a number of bytes.")
        if NUL in request.path_info:
            return not_found(request, Http404("A path cannot contain a NUL character."))
        _refuse_nul(request.GET)
        return get_response(request)

    return middleware


class RefuseUnreadableForms:
    """After the CSRF check, which reads forms: one with a NUL in it is a bad request. Endpoints for programs read their own."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_view(self, request: HttpRequest, view: Callable[..., Any], args: Any, kwargs: Any) -> None:
        if request.method == "POST" and not getattr(view, "csrf_exempt", False):
            _refuse_nul(request.POST)

    def process_exception(self, request: HttpRequest, exception: Exception) -> None:
        """A number in an address that neither Python nor PostgreSQL can hold is a bad request too."""
        if request.method in READING and isinstance(exception, DataError | OverflowError):
            log.warning("value_out_of_range", path=request.path_info, error=repr(exception))  # or a fault of ours
            raise BadRequest("The address holds a value that is out of range.") from exception


def _refuse_nul(given: QueryDict) -> None:
    for name, values in given.lists():
        if any(NUL in text for text in (name, *map(str, values))):
            raise UnreadableValue(name.replace(NUL, ""))


def name_caller(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """Every line that is logged during a request says from where it came."""

    def middleware(request: HttpRequest) -> HttpResponse:
        with structlog.contextvars.bound_contextvars(client=client_address(request)):
            return get_response(request)

    return middleware
