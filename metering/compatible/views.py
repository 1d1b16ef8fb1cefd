"""What the endpoints have in common: a key of the workspace, no sessions, exact numbers, and errors in each product's shape.

They are no part of our OpenAPI document: their contract is the other product's own.
"""

from __future__ import annotations

from collections.abc import Callable, Sized
from typing import Any, TypeVar

from django.http.response import HttpResponseBase
from rest_framework.request import Request
from rest_framework.views import APIView

from metering.usage.query import UsageQuestion, events_to_read
from omixa_billing.api.renderers import ExactJSONRenderer
from workspaces.access.authentication import KeyAuthentication
from workspaces.access.permissions import SeesAWorkspace, SeesWholeWorkspace, caller_of
from workspaces.downloads import FEW_ROWS, limited_answer

Results = TypeVar("Results", bound=Sized)
EVENTS_OF_A_ROW = 40  # are read in the time that a row of an answer takes


class AnyKeyView(APIView):
    """For every key; a live or test key sees its own usage."""

    authentication_classes = [KeyAuthentication]
    permission_classes = [SeesAWorkspace]
    renderer_classes = [ExactJSONRenderer]
    schema = None


class AdminKeyView(AnyKeyView):
    permission_classes = [SeesWholeWorkspace]


def limited_results(
    request: Request, question: UsageQuestion, read: Callable[[UsageQuestion], Results], as_json: Callable[[Results], Any]
) -> HttpResponseBase:
    """What `as_json` says of what `read` finds. Many events to read keep a worker busy as many rows to write do, and are read
    within the limits of those.
    """
    caller = caller_of(request)
    work = events_to_read(question) // EVENTS_OF_A_ROW
    if work > FEW_ROWS:
        return limited_answer(request, caller, work, lambda: as_json(read(question)))
    found = read(question)
    return limited_answer(request, caller, len(found), lambda: as_json(found))
