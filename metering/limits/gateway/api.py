"""What a gateway asks while a request runs. Plain Django views, as for ingest: a decision pays for no serializer."""

from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone

from metering.ingest.formats.bodies import read_whole_body
from metering.ingest.intake.api import GatewayView
from metering.limits.authorize import authorize, extend, release
from metering.limits.gateway.check_key import check_key
from metering.limits.gateway.requests import Authorize, CheckKey, Extend, Release, read_request
from metering.limits.gateway.revocations import changes_since, cursor_of
from metering.limits.gateway.unaccounted import unaccounted
from omixa_billing.api.errors import InvalidParameter
from omixa_billing.instants import instant_text, parse_instant
from workspaces.models import Gateway


class AskView(GatewayView):
    """What the endpoints have in common: a decision is always a 200."""

    def answer(self, body: bytes, gateway: Gateway, **names: str) -> dict[str, Any]:
        raise NotImplementedError

    def post(self, request: HttpRequest, **names: str) -> HttpResponse:
        gateway = self.gateway_of(request, timezone.now())
        return JsonResponse(self.answer(read_whole_body(request), gateway, **names))


class AuthorizeView(AskView):
    """`POST /gateway/v1/authorize`."""

    def answer(self, body: bytes, gateway: Gateway, **names: str) -> dict[str, Any]:
        return authorize(read_request(body, Authorize), gateway)


class ExtendView(AskView):
    """`POST /gateway/v1/authorize/{hold_id}/extend`."""

    def answer(self, body: bytes, gateway: Gateway, **names: str) -> dict[str, Any]:
        return extend(names["hold_id"], read_request(body, Extend), gateway)


class ReleaseView(AskView):
    """`POST /gateway/v1/authorize/{hold_id}/release`."""

    def answer(self, body: bytes, gateway: Gateway, **names: str) -> dict[str, Any]:
        read_request(body, Release)
        return release(names["hold_id"], gateway)


class CheckKeyView(AskView):
    """`POST /gateway/v1/keys/check`."""

    def answer(self, body: bytes, gateway: Gateway, **names: str) -> dict[str, Any]:
        return check_key(read_request(body, CheckKey), gateway, timezone.now())


class RevocationsView(GatewayView):
    """`GET /gateway/v1/revocations?since=CURSOR`: at once; the front waits for the first change (front/long_poll.py)."""

    def get(self, request: HttpRequest) -> HttpResponse:
        gateway = self.gateway_of(request, timezone.now())
        found = changes_since(cursor_of(request.GET.get("since")), gateway)
        return JsonResponse(found)


class UnaccountedView(GatewayView):
    """`GET /gateway/v1/unaccounted?start&end`."""

    def get(self, request: HttpRequest) -> HttpResponse:
        gateway = self.gateway_of(request, timezone.now())
        start, end = (_instant(request, name) for name in ("start", "end"))
        if start >= end:
            raise InvalidParameter("end is after start.", param="end")
        found = unaccounted(start, end, gateway)
        return JsonResponse({"start": instant_text(start), "end": instant_text(end), **found})


def _instant(request: HttpRequest, name: str) -> Any:
    text = request.GET.get(name)
    if text is None:
        raise InvalidParameter(f"{name} is required, as in 2026-10-01T00:00:00Z.", param=name)
    try:
        return parse_instant(text.replace(" ", "+"))
    except ValueError as error:
        raise InvalidParameter(str(error), param=name) from None
