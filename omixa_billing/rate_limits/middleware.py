"""Counts each request of people and programs, and refuses what is too much before anything else is done for it.

By credential: a key's secret, or a signed-in browser's session. One counts by itself only once it was accepted, so that
made-up ones gain nothing: until then, and without one, a request counts for its address. Gateways are limited by
back-pressure alone.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

from django.conf import settings
from django.http import HttpRequest, HttpResponse

from omixa_billing.api.errors import too_many_requests
from omixa_billing.http.addresses import API, FROM_PROVIDERS
from omixa_billing.http.client_address import address_group, client_address
from omixa_billing.rate_limits import rates
from workspaces.keys.presented import secret_of

GATEWAYS, HEALTH = "/gateway/", "/healthz"
ACCEPTED = "omixa.credential_accepted"  # in request.META, which DRF's request shares


@dataclass(frozen=True, slots=True)
class Limit:
    """What a request counts for. Without `credential_rate` only its address counts."""

    group: str
    address_rate: rates.RequestRate
    credential_rate: rates.RequestRate | None = None


def accept_credential(request: HttpRequest) -> None:
    """The caller's key was looked up and found good."""
    request.META[ACCEPTED] = True


def limit_rates(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """Behind the static files, and in front of what reads a session or a body."""

    def middleware(request: HttpRequest) -> HttpResponse:
        limit = limit_of(request)
        if limit is None:
            return get_response(request)
        credential = None if limit.credential_rate is None else credential_of(request)
        asked = (limit.group, credential, limit.credential_rate, address_group(client_address(request)), limit.address_rate)
        count = rates.count_request(*asked)
        if count is None:
            return get_response(request)
        if count.exceeded:
            response = too_many_requests(request, retry_after=max(count.seconds_left, 1))
        else:
            response = get_response(request)
            if credential is not None and not count.known and _was_accepted(request):
                rates.accept_credential_count(*asked)
        count.describe(response)
        return response

    return middleware


def limit_of(request: HttpRequest) -> Limit | None:
    """By the endpoint's group. None: not limited. A static file that exists was answered before."""
    path = request.path
    if path.startswith(GATEWAYS) or path == HEALTH or not settings.RATE_LIMITS:
        return None
    if path.startswith(FROM_PROVIDERS):
        return _by_address("webhooks")
    if path.startswith("/invitations") or (path.startswith("/accounts/") and request.method == "POST"):
        return _by_address("sign_in")
    group = "api" if path.startswith(API) else "pages"
    own, anonymous = _rate(group), _rate("anonymous")
    if own is None and anonymous is None:
        return None
    return Limit(group, anonymous or rates.UNBOUNDED, own or rates.UNBOUNDED)


def credential_of(request: HttpRequest) -> str | None:
    """A name for the credential that a request carries, good or not: never the secret itself, and one however it is sent."""
    secret = secret_of(request)
    if secret is None:
        secret = request.COOKIES.get(settings.SESSION_COOKIE_NAME, "")
    return hashlib.sha256(secret.encode("utf-8", "replace")).hexdigest()[:32] if secret else None


def _by_address(group: str) -> Limit | None:
    rate = _rate(group)
    return None if rate is None else Limit(group, rate)


def _rate(group: str) -> rates.RequestRate | None:
    return rates.parse_request_rate(settings.RATE_LIMITS[group])


def _was_accepted(request: HttpRequest) -> bool:
    if request.META.get(ACCEPTED):
        return True
    if secret_of(request) is not None:
        return False
    return hasattr(request, "user") and bool(request.user.is_authenticated)
