"""What every answer tells the browser: what a page may load and do, who may frame it, and who may keep a copy.

Scripts come from our own files only. Markup that reaches a page through a hole in escaping still runs nothing.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.middleware.http import ConditionalGetMiddleware
from django.utils.cache import patch_vary_headers

from omixa_billing.http import addresses

Page = Callable[..., Any]

# Passkeys are the one capability that pages of ours use; the clipboard's is for "Copy".
PERMISSIONS = {
    "clipboard-write": "(self)",
    "publickey-credentials-create": "(self)",
    "publickey-credentials-get": "(self)",
    **dict.fromkeys(
        (
            *("accelerometer", "autoplay", "camera", "display-capture", "encrypted-media", "fullscreen", "geolocation"),
            *("gyroscope", "magnetometer", "microphone", "midi", "payment", "screen-wake-lock", "usb", "xr-spatial-tracking"),
        ),
        "()",
    ),
}
FIXED = {
    "Permissions-Policy": ", ".join(f"{name}={who}" for name, who in PERMISSIONS.items()),
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
PAGES = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "img-src": "'self' data:",
    "font-src": "'self'",
    "connect-src": "'self'",
    # A form's answer may lead on to Stripe's page, which browsers count as where the form goes.
    "form-action": " ".join(["'self'", *settings.STRIPE_PAGES]),
    "frame-ancestors": "'none'",
    "base-uri": "'none'",
    "object-src": "'none'",
}
# The console's library reads its directives, such as `x-show`, as JavaScript, and sets `style` attributes from them. Scripts
# and style sheets themselves are files there too.
CONSOLE = PAGES | {
    "script-src": "'self' 'unsafe-eval'",
    "style-src": "'self' 'unsafe-inline'",
    "style-src-elem": "'self'",
    "style-src-attr": "'unsafe-inline'",
    "form-action": "'self'",
}
# JSON, CSV, PDF: not pages, even if a browser takes them for one.
FILES = dict.fromkeys(("default-src", "form-action", "frame-ancestors", "base-uri"), "'none'")


def policy(directives: dict[str, str]) -> str:
    return "; ".join(f"{name} {sources}" for name, sources in directives.items())


PAGES_POLICY, CONSOLE_POLICY, FILES_POLICY = map(policy, (PAGES, CONSOLE, FILES))


def browser_headers(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """First of all middleware, so that refusals and errors have them too."""

    def middleware(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        add_headers(response, request.path_info)
        return response

    return middleware


def add_headers(response: HttpResponse, path: str) -> None:
    for name, value in FIXED.items():
        response[name] = value
    if response.status_code != 304:  # it has no type, and a browser would put its policy in place of the kept page's
        response["Content-Security-Policy"] = _policy_for(path, response)
    if settings.HSTS_SECONDS:
        response["Strict-Transport-Security"] = f"max-age={settings.HSTS_SECONDS}"
    response.headers.setdefault("Cache-Control", "no-store")


def _policy_for(path: str, response: HttpResponse) -> str:
    if not response.headers.get("Content-Type", "").startswith("text/html"):
        return FILES_POLICY
    return CONSOLE_POLICY if path.startswith(addresses.CONSOLE) else PAGES_POLICY


class SendOnlyWhatChanged(ConditionalGetMiddleware):
    """A copy that is still the same is answered with 304 and no body. Only what strangers may keep has an ETag."""

    def needs_etag(self, response: HttpResponseBase) -> bool:
        return response.headers.get("Cache-Control") == "no-cache"


def strangers_may_keep(view: Page) -> Page:
    """For what everybody may see: a browser may keep the answer to a stranger, and asks whether it is still the same one.

    With a session or a key it is not kept, like everything else.
    """

    @wraps(view)
    def kept(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        response: HttpResponseBase = view(request, *args, **kwargs)
        patch_vary_headers(response, ["Cookie", "Authorization"])
        if response.status_code == 200 and _is_a_stranger(request):
            response["Cache-Control"] = "no-cache"
        return response

    return kept


def _is_a_stranger(request: HttpRequest) -> bool:
    known = settings.SESSION_COOKIE_NAME in request.COOKIES or "Authorization" in request.headers
    return not known and "CSRF_COOKIE_NEEDS_UPDATE" not in request.META
