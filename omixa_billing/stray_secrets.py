"""Secrets of ours that stray into requests: they are removed first, so that no answer, log line or row repeats them."""

from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl, unquote, urlencode

from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.utils.safestring import SafeString
from django.views.debug import ExceptionReporter

from omixa_billing.api.errors import Refusal, speaks_json
from workspaces.keys.presented import credential_headers
from workspaces.redaction import holds_secret, redact

TEXTS = ("PATH_INFO", "CONTENT_TYPE", "REQUEST_URI", "RAW_URI")
FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")


class SecretInBody(Refusal):
    """A key or token stands where it would be stored, or shown to others."""

    code = "secret_in_body"
    status = 400


class RedactRequests:
    """Before all middleware that logs. Addresses, cookies and other headers lose their secrets; a form with one is refused.

    A gateway's bodies are nobody's to refuse for this: ingest removes secrets from them itself.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        kept = {f"HTTP_{name.upper().replace('-', '_')}" for name in credential_headers(request.path_info)}
        for name, value in request.META.items():
            if isinstance(value, str) and (name in TEXTS or name.startswith("HTTP_")) and name not in kept and "omx" in value:
                request.META[name] = redact(value)
        request.META["QUERY_STRING"] = redacted_query(request.META.get("QUERY_STRING", ""))
        request.path, request.path_info = redact(request.path), redact(request.path_info)
        return self.get_response(request)

    def process_view(self, request: HttpRequest, _view: Any, _args: Any, _kwargs: Any) -> HttpResponse | None:
        """Once a view is found for it and sessions are known: a form is read there anyway."""
        if request.method != "POST" or speaks_json(request) or request.content_type not in FORMS:
            return None
        names = [upload.name for uploads in request.FILES.lists() for upload in uploads[1]]
        if not holds_secret([names, *map(list, request.POST.lists()), *request.FILES.keys()]):
            return None
        return HttpResponse(render_to_string("website/errors/secret_in_form.html", request=request), status=400)


def redacted_query(query: str) -> str:
    """The query string without secrets, also where some of their letters are escaped."""
    query = redact(query)
    if "%" not in query or not holds_secret(unquote(query)):
        return query
    return urlencode([(redact(name), redact(value)) for name, value in parse_qsl(query, keep_blank_values=True)])


class RedactingReporter(ExceptionReporter):
    """The page of DEBUG shows local variables and headers, in which secrets belong."""

    def get_traceback_html(self) -> SafeString:
        return SafeString(redact(super().get_traceback_html()))

    def get_traceback_text(self) -> SafeString:
        return SafeString(redact(super().get_traceback_text()))
