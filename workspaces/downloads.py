"""Files that people and programs ask for: as many at once as one caller and one workspace may have, and seen in the trail."""

from collections.abc import Callable
from datetime import timedelta

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils import timezone
from rest_framework.request import Request

from omixa_billing.limits.downloads import guarded
from workspaces import audit
from workspaces.authentication import Caller

# A program may fetch the same file every few minutes for years.
DOWNLOADS_ARE_ONE_WITHIN = timedelta(days=1)
LONGEST_PATH = 300


def limited_download(request: HttpRequest | Request, caller: Caller, make: Callable[[], HttpResponseBase]) -> HttpResponseBase:
    """What `make` answers with, made and read within the caller's limits. Every file that a customer can ask for is.

    The first of a day from each address is an entry.
    """
    plain = request._request if isinstance(request, Request) else request
    response = guarded(plain, caller.actor, caller.workspace.public_id, make)
    if response.status_code == 200:
        path, now = plain.path_info[:LONGEST_PATH], timezone.now()
        audit.record_once(caller.actor, "file.downloaded", path, caller.workspace, now=now, within=DOWNLOADS_ARE_ONE_WITHIN)
    return response


def console_download(request: HttpRequest, make: Callable[[], HttpResponseBase]) -> HttpResponseBase:
    """The same for an operator, of whichever workspaces. What they look at is recorded where the page is."""
    return guarded(request, str(request.user), None, make)
