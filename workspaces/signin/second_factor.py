"""Operators need a second factor (`OPERATORS_NEED_SECOND_FACTOR`): without one, nothing of the console answers.

It is asked at every request and not only at the sign-in, so it also holds for a session that existed before, for a person
who became an operator later, and after the last factor is gone.
"""

from collections.abc import Callable
from typing import Any

from allauth.account.internal.flows.login import get_authentication_records
from allauth.mfa.models import Authenticator
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.http import urlencode

from workspaces.models import User

# Recovery codes stand in for one of these and are no factor of their own.
FACTORS = {str(Authenticator.Type.TOTP), str(Authenticator.Type.WEBAUTHN)}
CONSOLE = "admin"
STILL_OPEN = {"admin:logout"}


def factors_of(user: User) -> set[str]:
    """The kinds of second factor that this person has set up. One query."""
    return set(Authenticator.objects.filter(user=user, type__in=FACTORS).values_list("type", flat=True))


def proven_in_session(request: HttpRequest, user: User) -> bool:
    """Whether this very session showed a second factor, at its sign-in or since."""
    return any(each.get("method") == "mfa" for each in get_authentication_records(request, user))


class OperatorsNeedSecondFactor:
    """Middleware. Leads to the set-up instead of the console, or to the factor that this session has not shown yet."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_view(self, request: HttpRequest, view: Any, args: Any, kwargs: Any) -> HttpResponse | None:
        match = request.resolver_match
        if not settings.OPERATORS_NEED_SECOND_FACTOR or match is None or CONSOLE not in match.namespaces:
            return None
        user = request.user
        if not isinstance(user, User) or not user.is_staff or match.view_name in STILL_OPEN:
            return None
        factors = factors_of(user)
        if not factors:
            return redirect(f"{reverse('mfa_index')}?needed=yes")
        return None if proven_in_session(request, user) else _ask_for(factors, request)


def _ask_for(factors: set[str], request: HttpRequest) -> HttpResponse:
    """To the page that asks for one of these factors, and from there back to where the person was going."""
    page = "mfa_reauthenticate" if str(Authenticator.Type.TOTP) in factors else "mfa_reauthenticate_webauthn"
    target = request.get_full_path() if request.method == "GET" else reverse("admin:index")
    return redirect(f"{reverse(page)}?{urlencode({'next': target})}")
