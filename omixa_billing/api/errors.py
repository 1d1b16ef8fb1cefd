"""A refusal is a class with a code and a status; this turns it into the one JSON error shape. A bug stays a 500."""

from typing import Any, ClassVar

from django.conf import settings
from django.core.exceptions import DisallowedHost, PermissionDenied, RequestDataTooBig, TooManyFieldsSent
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.views import defaults
from rest_framework import exceptions
from rest_framework.response import Response

from omixa_billing.api.error_shapes import shaped
from omixa_billing.http.addresses import API, FROM_PROVIDERS
from omixa_billing.outage import STORAGE_ERRORS

RETRY_AFTER_SECONDS = 5
INVALID_REQUEST = "invalid_request_error"
ERROR_TYPES = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    409: "conflict_error",
    429: "rate_limit_error",
    500: "server_error",
    503: "server_error",
}


class Refusal(Exception):
    """Something well understood that the product will not do. The message tells the caller what to do next."""

    code: ClassVar[str] = "refused"
    status: ClassVar[int] = 422

    def __init__(self, message: str, *, param: str | None = None, retry_after: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.param = param
        self.retry_after = retry_after


class InvalidParameter(Refusal):
    """A value that cannot be what `param` names."""

    code = "invalid_parameter"
    status = 400


def error_body(status: int, code: str, message: str, param: str | None = None, path: str = "") -> dict[str, Any]:
    """`{"error": {message, type, code, param}}` as every endpoint of ours answers it; others by their path."""
    kind = ERROR_TYPES.get(status, INVALID_REQUEST)
    named = None if param is None else _printable(param)
    return shaped(path, status, {"message": _printable(message), "type": kind, "code": code, "param": named})


def _printable(text: str) -> str:
    """Without halves of characters, which JSON can write and UTF-8 cannot: errors repeat what was sent."""
    return text.encode("utf-8", "replace").decode()


def error_response(
    status: int, code: str, message: str, param: str | None = None, retry_after: int | None = None, *, path: str = ""
) -> JsonResponse:
    """The error as an answer, for plain Django views and handlers."""
    response = JsonResponse(error_body(status, code, message, param, path), status=status)
    if status == 401:
        response["WWW-Authenticate"] = "Bearer"
    if retry_after is not None:
        response["Retry-After"] = str(retry_after)
    return response


def refusal_response(refusal: Refusal) -> JsonResponse:
    """A refusal as an answer, for plain Django views."""
    return error_response(refusal.status, refusal.code, refusal.message, refusal.param, refusal.retry_after)


def storage_unavailable_response() -> JsonResponse:
    """503 with `Retry-After`: the database cannot be reached, so nothing was stored."""
    return error_response(
        503,
        "storage_unavailable",
        "Nothing was stored: the database is away. Send it again.",
        None,
        RETRY_AFTER_SECONDS,
    )


def exception_handler(error: Exception, context: dict[str, Any]) -> Response | None:
    """DRF's exceptions and ours, in the shape of their address. None lets a bug become a 500."""
    answer = _answer_to(error)
    if answer is not None:
        answer.data = shaped(context["request"].path, answer.status_code, answer.data["error"])
    return answer


def _answer_to(error: Exception) -> Response | None:
    if isinstance(error, Refusal):
        return _answer(error.status, error.code, error.message, error.param, error.retry_after)
    if isinstance(error, Http404):
        return _answer(404, "not_found", str(error) or "There is nothing at this address.")
    if isinstance(error, PermissionDenied):
        return _answer(403, "not_allowed", str(error) or "This credential may not do that.")
    if isinstance(error, RequestDataTooBig):
        return _answer(413, "body_too_large", "The body is too large.")
    if isinstance(error, exceptions.ValidationError):
        message, param = _first_detail(error.detail)
        return _answer(400, "invalid_parameter", message, param)
    if isinstance(error, exceptions.NotAuthenticated):
        return _answer(401, "invalid_credential", "No credential: send a key as Authorization: Bearer omx_admin_...")
    if isinstance(error, exceptions.APIException):
        return _answer(error.status_code, str(error.get_codes()), str(error.detail))
    if isinstance(error, STORAGE_ERRORS):
        return _answer(503, "storage_unavailable", "The database is away. Try again.", None, RETRY_AFTER_SECONDS)
    return None


def _answer(status: int, code: str, message: str, param: str | None = None, retry_after: int | None = None) -> Response:
    response = Response(error_body(status, code, message, param), status=status)
    if status == 401:
        response["WWW-Authenticate"] = "Bearer"
    if retry_after is not None:
        response["Retry-After"] = str(retry_after)
    return response


def _first_detail(detail: Any, param: str | None = None) -> tuple[str, str | None]:
    """The first message in a validation error's nested detail, and the field it is about."""
    if isinstance(detail, dict):
        name, inner = next(iter(detail.items()))
        is_place = isinstance(name, int)  # in a list, which is what the caller knows by its name
        return _first_detail(inner, param if is_place or name == "non_field_errors" else str(name))
    if isinstance(detail, list):
        return _first_detail(detail[0], param)
    return str(detail), param


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Django's handler400, for what it refuses before or below a view: JSON for programs, a page for people."""
    if not speaks_json(request):
        return defaults.bad_request(request, exception)
    if isinstance(exception, DisallowedHost):
        return error_response(400, "host_not_allowed", "This host is not served here: see ALLOWED_HOSTS.", path=request.path)
    if isinstance(exception, TooManyFieldsSent):
        most = settings.DATA_UPLOAD_MAX_NUMBER_FIELDS
        return error_response(
            400, "too_many_parameters", f"There are more than {most} parameters: ask in several requests.", path=request.path
        )
    if param := getattr(exception, "param", None):
        return error_response(400, "invalid_parameter", str(exception), param, path=request.path)
    return error_response(
        400, "malformed_request", "This request cannot be read: check its headers and its encoding.", path=request.path
    )


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Django's handler403, alike."""
    if speaks_json(request):
        return error_response(403, "not_allowed", str(exception) or "This credential may not do that.", path=request.path)
    return defaults.permission_denied(request, exception)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Django's handler404, alike."""
    if speaks_json(request):
        return error_response(404, "not_found", "There is nothing at this address.", path=request.path)
    return defaults.page_not_found(request, exception)


def too_many_requests(request: HttpRequest, retry_after: int = 60) -> HttpResponse:
    """429, alike. allauth calls it as `handler429`, without saying how long."""
    if speaks_json(request):
        message = f"Too many requests: send the next one in {retry_after} seconds, and no more than RateLimit-Policy allows."
        return error_response(429, "rate_limited", message, None, retry_after, path=request.path)
    response = render(request, "website/errors/429.html", {"seconds": retry_after}, status=429)
    response["Retry-After"] = str(retry_after)
    return response


def server_error(request: HttpRequest) -> HttpResponse:
    """Django's handler500, alike."""
    if speaks_json(request):
        return error_response(500, "internal_error", "This is our fault and has been logged. Try again.", path=request.path)
    return defaults.server_error(request)


def speaks_json(request: HttpRequest) -> bool:
    return path_speaks_json(request.path)


def path_speaks_json(path: str) -> bool:
    return path.startswith((*API, "/gateway/", *FROM_PROVIDERS))
