"""How often a password may be tried: per account and address, per address, and per account from all others together.

Were an account locked as such, any stranger could lock its person out for ever. So a browser in which the person signed in
before has tries of its own, which nobody else can use up: a signed cookie tells it. So has a session that is signed in
already (asked for the password again), and the browser in which a link from a mail to the person set a new password.
"""

from __future__ import annotations

import secrets

from allauth.core.internal import ratelimit
from allauth.core.internal.ratelimit import RateLimitUsage
from django.conf import settings
from django.core import signing
from django.http import HttpRequest, HttpResponseBase
from django.utils.crypto import salted_hmac

from omixa_billing.http.client_address import address_group, client_address
from workspaces.models import User

SALT = "workspaces.signin.limits"
RESET_KEY = "set_password_for"  # in the session
LIVES_SECONDS = 365 * 86_400
MOST_ACCOUNTS = 5  # that one browser is known for


def count_attempt(request: HttpRequest, email: str) -> RateLimitUsage | None:
    """One try at this account's password, which `rollback()` takes back when it was right. None: too many were wrong."""
    email = email.lower()
    known = _known_as(request, email)
    where = known or f"address:{address_group(client_address(request))}"
    limits = [("login_failed_address", ""), ("login_failed", f"{email} {where}")]
    if known is None:
        limits.append(("login_failed_anywhere", email))
    counted = RateLimitUsage([])
    for action, key in limits:
        usage = ratelimit.consume(request, app="allauth.account", action=action, key=key)
        if usage is None:
            return None
        counted.usage.extend(usage.usage)
    return counted


def remember_browser(request: HttpRequest, response: HttpResponseBase, user: User) -> None:
    """From now on this browser has tries of its own for the account: the person has just signed in with it."""
    account = _name_of(user.email)
    known = {name: number for name, number in _known_accounts(request).items() if name != account}
    newest_last = [*known.items(), (account, secrets.token_hex(8))][-MOST_ACCOUNTS:]
    response.set_cookie(
        settings.KNOWN_BROWSER_COOKIE,
        signing.dumps(dict(newest_last), salt=SALT),
        max_age=LIVES_SECONDS,
        secure=settings.SECURE_COOKIES,
        httponly=True,
        samesite="Lax",
    )


def remember_reset(request: HttpRequest, user: User) -> None:
    """For this session too: its person reads the account's mail."""
    request.session[RESET_KEY] = [_name_of(user.email), secrets.token_hex(8)]


def _known_as(request: HttpRequest, email: str) -> str | None:
    if request.user.is_authenticated and request.user.email.lower() == email:
        return f"session:{request.session.session_key}"
    account = _name_of(email)
    if (number := _known_accounts(request).get(account)) is not None:
        return f"browser:{number}"
    reset_account, reset_number = request.session.get(RESET_KEY, ("", ""))
    return f"reset:{reset_number}" if reset_account == account else None


def _known_accounts(request: HttpRequest) -> dict[str, str]:
    """Account to the number of this browser with it; empty for a cookie that is not ours."""
    try:
        known = signing.loads(request.COOKIES.get(settings.KNOWN_BROWSER_COOKIE, ""), salt=SALT, max_age=LIVES_SECONDS)
    except signing.BadSignature:
        return {}
    return dict(known)


def _name_of(email: str) -> str:
    """The account in a cookie that others may read: not the address itself."""
    return salted_hmac(SALT, email.lower(), algorithm="sha256").hexdigest()[:32]
