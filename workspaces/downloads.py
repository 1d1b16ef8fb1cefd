"""Files that people and programs ask for: as many at once as one caller and one workspace may have, and seen in the trail."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils import timezone
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from omixa_billing.limits.downloads import guarded
from workspaces import audit
from workspaces.authentication import Caller

# A program may fetch the same file every few minutes for years.
DOWNLOADS_ARE_ONE_WITHIN = timedelta(days=1)
LONGEST_PATH = 300
FEW_ROWS = 2_000  # a fifth of a second


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


def limited_answer(request: Request, caller: Caller, rows: int, make: Callable[[], dict[str, Any]]) -> HttpResponseBase:
    """What `make` says, as JSON. Many rows keep a worker busy like a file, and are made within the same limits."""
    if rows <= FEW_ROWS:
        return Response(make())

    def answer() -> HttpResponse:
        return HttpResponse(JSONRenderer().render(make()), content_type=JSONRenderer.media_type)

    return guarded(request._request, caller.actor, caller.workspace.public_id, answer)


def console_download(request: HttpRequest, make: Callable[[], HttpResponseBase]) -> HttpResponseBase:
    """The same for an operator, of whichever workspaces. What they look at is recorded where the page is."""
    return guarded(request, str(request.user), None, make)
