"""Before money moves, prices change or keys are made, a person confirms again who they are.

Every POST of a signed-in person asks, in the console, on the customers' pages and in the API, but for the short list in
`settings.ACTS_WITHOUT_CONFIRMATION`: so a page that is added later asks by itself. What was typed or uploaded stays in the
page that asks, and nowhere else; once confirmed, the same request continues, once. A key in a header is no person and is
not asked.
"""

from collections.abc import Callable
from typing import Any

from allauth.account import app_settings as account_settings
from allauth.account.forms import ReauthenticateForm as PasswordForm
from allauth.account.internal.flows import reauthentication
from allauth.core import ratelimit
from allauth.mfa import app_settings as mfa_settings
from allauth.mfa.base.forms import ReauthenticateForm as CodeForm
from allauth.mfa.webauthn.forms import ReauthenticateWebAuthnForm
from allauth.mfa.webauthn.internal import auth as webauthn
from allauth.utils import get_form_class
from django import forms
from django.conf import settings
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import render
from django.utils.cache import add_never_cache_headers
from django.utils.http import url_has_allowed_host_and_scheme

from omixa_billing.api.errors import error_response, speaks_json
from omixa_billing.http.addresses import SAFE
from workspaces.keys.presented import secret_of
from workspaces.signin.kept_files import packed_files, unpacked_files

PREFIX = "confirm"
OWN_FIELDS = ("csrfmiddlewaretoken", f"{PREFIX}-")
IN_WORDS = "Confirm who you are first, at /accounts/reauthenticate/, or use an omx_admin_ key. Nothing was done."


class ConfirmIdentity:
    """Middleware, after CSRF: answers an act that has to be confirmed first with the page that asks."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_view(self, request: HttpRequest, view: Any, args: Any, kwargs: Any) -> HttpResponse | None:
        if not is_asked(request) or not reauthentication.is_reauthentication_required(request, app=""):
            return None
        if speaks_json(request):
            return error_response(403, "confirmation_required", IN_WORDS)
        return _ask(request)


def is_asked(request: HttpRequest) -> bool:
    """Whether this is an act of a signed-in person that has to be confirmed, now or within the last minutes."""
    match = request.resolver_match
    if request.method in SAFE or match is None or settings.SESSION_COOKIE_NAME not in request.COOKIES:
        return False
    if speaks_json(request):
        return secret_of(request) is None and request.user.is_authenticated
    ours = bool(match.namespaces)  # the library's own pages of accounts ask by themselves
    return ours and match.view_name not in settings.ACTS_WITHOUT_CONFIRMATION and request.user.is_authenticated


def _ask(request: HttpRequest) -> HttpResponse | None:
    """None once what came with the request confirms it; the request is then as it was first sent."""
    asked = {name: _form(name, request) for name in _ways(request)}
    sent = [form for form in asked.values() if form.is_bound]
    if sent and (limited := ratelimit.consume_or_429(request, action="reauthenticate", user=request.user)):
        return limited
    kept = _kept(request.POST)
    if sent and sent[0].is_valid():
        _record(request, sent[0])
        if not request.FILES:
            request._files = unpacked_files(request.POST.items())  # type: ignore[attr-defined]
        request.POST = kept  # type: ignore[assignment]
        return None
    return _page(request, asked, kept)


def _ways(request: HttpRequest) -> list[str]:
    """How this person can confirm: `password`, `code`, `credential`."""
    flows = reauthentication.get_reauthentication_flows(request.user)
    types = {str(kind) for flow in flows for kind in flow.get("types", [])}
    ways = ["password"] if any(flow["id"] == "reauthenticate" for flow in flows) else []
    if types & {"totp", "recovery_codes"}:
        ways.append("code")
    return [*ways, "credential"] if "webauthn" in types else ways


def _form(way: str, request: HttpRequest) -> forms.Form:
    """The library's form, bound when this way was taken."""
    classes = {
        "password": get_form_class(account_settings.FORMS, "reauthenticate", PasswordForm),
        "code": get_form_class(mfa_settings.FORMS, "reauthenticate", CodeForm),
        "credential": get_form_class(mfa_settings.FORMS, "reauthenticate_webauthn", ReauthenticateWebAuthnForm),
    }
    nothing = {"", "null"}  # an unused passkey's field says null
    data = request.POST if request.POST.get(f"{PREFIX}-{way}", "") not in nothing else None
    return classes[way](data, user=request.user, prefix=PREFIX, use_required_attribute=False)


def _record(request: HttpRequest, form: forms.Form) -> None:
    if "password" in form.fields:
        reauthentication.reauthenticate_by_password(request)
    else:
        form.save()  # type: ignore[attr-defined]


def _kept(sent: QueryDict) -> QueryDict:
    """What the person sent, without what only confirmed it."""
    kept = sent.copy()
    for name in [each for each in kept if each.startswith(OWN_FIELDS[1])]:
        del kept[name]
    return kept


def _page(request: HttpRequest, asked: dict[str, forms.Form], kept: QueryDict) -> HttpResponse:
    back = request.headers.get("Referer", "")
    files, too_long = packed_files(request.FILES, request.POST.dict())
    typed = [(name, value) for name, values in kept.lists() for value in values if name != OWN_FIELDS[0]]
    context = {
        "asked": asked,
        "kept": [*typed, *files.items()],
        "too_long": too_long,
        "back": back if url_has_allowed_host_and_scheme(back, {request.get_host()}) else "/",
        "tried": f"{PREFIX}-password" in request.POST,
    }
    if "credential" in asked:
        context["js_data"] = {"request_options": webauthn.begin_authentication(request.user)}
    response = render(request, "account/confirm.html", context)
    add_never_cache_headers(response)
    return response
