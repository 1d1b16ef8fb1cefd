"""What the OpenAPI document needs beyond the views: the gateway's endpoints, which are plain Django views, and the errors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.http import HttpResponseBase
from rest_framework.views import APIView

from metering.ingest.intake import openapi as gateway
from metering.limits.gateway import openapi as decisions
from omixa_billing.api.error_codes import ERROR_CODES
from omixa_billing.api.errors import ERROR_TYPES, INVALID_REQUEST

Endpoint = tuple[str, str, str, Callable[..., HttpResponseBase]]

ERROR_ANSWER = {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}
DESCRIPTIONS = {
    "400": "Malformed: `param` names what is wrong.",
    "401": "No credential, or a bad one.",
    "403": "This credential may not do that.",
    "404": "Not found, or not yours.",
    "408": "The body came too slowly: nothing was stored.",
    "413": "The body is too large.",
    "415": "The body is of another kind than application/json.",
    "429": "Too much at once: nothing was done. `Retry-After` says when to send it again.",
    "503": "The database or this part of the product is away: nothing was stored. `Retry-After` says when to send it again.",
    "default": "Any other refusal, in the one shape of errors.",
}
WHOLE_NUMBER = {"type": "integer", "minimum": 0}
HEADERS = {
    "Retry-After": {"description": "Seconds until it is worth sending again.", "schema": WHOLE_NUMBER | {"minimum": 1}},
    "RateLimit-Limit": {"description": "Requests that the window allows.", "schema": WHOLE_NUMBER},
    "RateLimit-Remaining": {"description": "Requests that are left in the window.", "schema": WHOLE_NUMBER},
    "RateLimit-Reset": {"description": "Seconds until the window ends.", "schema": WHOLE_NUMBER},
    "RateLimit-Policy": {
        "description": "The limit and its window in seconds, such as `1200;w=60`.",
        "schema": {"type": "string", "pattern": r"^[0-9]+;w=[0-9]+$"},
    },
}
GATEWAY_TOKEN = {
    "type": "http",
    "scheme": "bearer",
    "description": "A gateway's `omx_gateway_` token.",
}


def add_gateway_endpoints(endpoints: list[Endpoint], **_: Any) -> list[Endpoint]:
    """Before the document is made: adds the gateway's endpoints, and leaves out all but ours."""
    documented: list[tuple[str, str, type[APIView]]] = [
        ("/gateway/v1/events", "POST", gateway.EventsDocument),
        ("/gateway/v1/events/litellm", "POST", gateway.LiteLLMDocument),
        ("/gateway/v1/corrections", "POST", gateway.CorrectionsDocument),
        ("/gateway/v1/batches/{batch_id}", "GET", gateway.BatchDocument),
        ("/gateway/v1/authorize", "POST", decisions.AuthorizeDocument),
        ("/gateway/v1/authorize/{hold_id}/extend", "POST", decisions.ExtendDocument),
        ("/gateway/v1/authorize/{hold_id}/release", "POST", decisions.ReleaseDocument),
        ("/gateway/v1/keys/check", "POST", decisions.CheckKeyDocument),
        ("/gateway/v1/revocations", "GET", decisions.RevocationsDocument),
        ("/gateway/v1/unaccounted", "GET", decisions.UnaccountedDocument),
    ]
    ours = [endpoint for endpoint in endpoints if endpoint[0].startswith("/api/v1/")]
    return ours + [(path, path, method, view.as_view()) for path, method, view in documented]


def add_errors(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """After the document is made: every operation may answer with an error, which is always of one shape."""
    components = result["components"]
    components.setdefault("securitySchemes", {})["gateway"] = GATEWAY_TOKEN
    components["headers"] = HEADERS
    detail = components["schemas"]["ErrorDetail"]["properties"]
    detail["code"]["enum"] = ERROR_CODES
    detail["type"]["enum"] = sorted({INVALID_REQUEST, *ERROR_TYPES.values()})
    for path, operations in result["paths"].items():
        for operation in operations.values():
            _allow_empty(operation.get("parameters", []))
            answers = operation["responses"]
            for status in _errors_of(path, operation):
                answers.setdefault(status, {"content": ERROR_ANSWER, "description": DESCRIPTIONS[status]})
            for status, answer in answers.items():
                answer["description"] = answer.get("description") or DESCRIPTIONS.get(status, "Done.")
                if headers := _headers_of(path, status):
                    answer["headers"] = {name: {"$ref": f"#/components/headers/{name}"} for name in headers}
    _drop(result, "x-spec-enum-id")
    return result


def _allow_empty(parameters: list[dict[str, Any]]) -> None:
    """A parameter of the query that need not be given is not given either when it is empty, as in `?cursor=`."""
    for parameter in parameters:
        if parameter["in"] == "query" and not parameter.get("required"):
            parameter["schema"].pop("minLength", None)


def _drop(part: Any, name: str) -> None:
    """Takes a name out of a document wherever it stands: the library leaves its own marks in."""
    if isinstance(part, dict):
        part.pop(name, None)
    for inner in part.values() if isinstance(part, dict) else part if isinstance(part, list) else ():
        _drop(inner, name)


def _headers_of(path: str, status: str) -> list[str]:
    """Of limits: each answer to customers counts down. Gateways are limited by back-pressure alone, which has no window."""
    retry = ["Retry-After"] if status in ("429", "503") else []
    counted = path.startswith("/api/") and (status.startswith("2") or status == "429")
    return retry + [name for name in HEADERS if counted and name.startswith("RateLimit-")]


def _errors_of(path: str, operation: dict[str, Any]) -> list[str]:
    needs_credential = {} not in operation.get("security", [{}])
    names_another = "{" in path or any(each["name"] in ("key_id", "request_id") for each in operation.get("parameters", []))
    reads_json = "requestBody" in operation and path.startswith("/api/")  # the gateway's endpoints look at no Content-Type
    return [
        "400",
        *(["401", "403"] if needs_credential else []),
        *(["404"] if names_another else []),
        *(["408"] if "requestBody" in operation else []),
        *(["413", "415"] if reads_json else []),
        *(["429"] if path.startswith("/api/") else []),
        "503",
        "default",
    ]
