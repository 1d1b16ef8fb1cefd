"""Files that people and programs ask for: as many at once as one caller and one workspace may have, and seen in the trail."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils import timezone
from rest_framework.request import Request
from rest_framework.response import Response

from omixa_billing.rate_limits.downloads import guarded
from workspaces import audit
from workspaces.access.authentication import Caller
from workspaces.redaction import redact

# A program may fetch the same file every few minutes for years.
DOWNLOADS_ARE_ONE_WITHIN = timedelta(days=1)
# Different ones of a caller in that time: more than the months, kinds and formats that bookkeeping fetches.
MOST_DOWNLOADS = 200
LONGEST_PATH = 300
FEW_ROWS = 2_000  # a fifth of a second
CURSOR = "cursor"


def limited_download(request: HttpRequest | Request, caller: Caller, make: Callable[[], HttpResponseBase]) -> HttpResponseBase:
    """What `make` answers with, made and read within the caller's limits. Every file that a customer can ask for is.

    The first of a day from each address is an entry, with what was asked of it: another period is another file. A caller who
    asks for ever other ones fills no trail: after so many of a day one entry says that more came.
    """
    plain = request._request if isinstance(request, Request) else request
    response = guarded(plain, caller.actor, caller.workspace.public_id, make)
    if response.status_code == 200:
        path, now = plain.path_info[:LONGEST_PATH], timezone.now()
        once: dict[str, Any] = {"within": DOWNLOADS_ARE_ONE_WITHIN, "most": MOST_DOWNLOADS, "of_actor": True}
        if query := _asked(plain):
            once["query"] = query
        audit.record_once(caller.actor, "file.downloaded", path, caller.workspace, now=now, **once)
    return response


def limited_answer(request: Request, caller: Caller, rows: int, make: Callable[[], dict[str, Any]]) -> HttpResponseBase:
    """What `make` says, as JSON. Many rows keep a worker busy like a file, and are made within the same limits."""
    if rows <= FEW_ROWS:
        return Response(make())

    def answer() -> HttpResponse:
        renderer = request.accepted_renderer
        return HttpResponse(renderer.render(make()), content_type=renderer.media_type)

    return guarded(request._request, caller.actor, caller.workspace.public_id, answer)


def _asked(request: HttpRequest) -> dict[str, list[str]]:
    """Period, format and filters, ordered by name. A cursor is a place in the same file."""
    asked = {name: values for name, values in sorted(request.GET.lists()) if name != CURSOR}
    return {_kept(name): sorted(_kept(value) for value in values) for name, values in asked.items()}


def _kept(text: str) -> str:
    return redact(text).replace("\0", "")[:LONGEST_PATH]


def console_download(request: HttpRequest, make: Callable[[], HttpResponseBase]) -> HttpResponseBase:
    """The same for an operator, of whichever workspaces. What they look at is recorded where the page is."""
    return guarded(request, str(request.user), None, make)
