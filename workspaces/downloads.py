"""Files that people and programs ask for: as many at once as one caller and one workspace may have."""

from collections.abc import Callable

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from rest_framework.request import Request

from omixa_billing.limits.downloads import guarded
from workspaces.authentication import Caller


def limited_download(request: HttpRequest | Request, caller: Caller, make: Callable[[], HttpResponseBase]) -> HttpResponseBase:
    """What `make` answers with, made and read within the caller's limits. Every file that a customer can ask for is."""
    plain = request._request if isinstance(request, Request) else request
    return guarded(plain, caller.actor, caller.workspace.public_id, make)


def console_download(request: HttpRequest, make: Callable[[], HttpResponseBase]) -> HttpResponseBase:
    """The same for an operator, of whichever workspaces."""
    return guarded(request, str(request.user), None, make)
