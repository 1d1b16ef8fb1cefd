"""The OpenAPI document, as it is served and as strict as a test can read it."""

from copy import deepcopy
from functools import cache
from typing import Any

from drf_spectacular.generators import SchemaGenerator
from jsonschema import Draft202012Validator, FormatChecker


@cache
def document() -> dict[str, Any]:
    return SchemaGenerator().get_schema(request=None, public=True)  # type: ignore[no-untyped-call,no-any-return]


def strict_document() -> dict[str, Any]:
    """The document with no answer left open: neither fields that no schema names, nor statuses that no operation names."""
    strict = deepcopy(document())
    strict["components"]["schemas"] = strict_schemas()
    for operations in strict["paths"].values():
        for operation in operations.values():
            operation["responses"].pop("default", None)
    return strict


def strict_schemas() -> dict[str, Any]:
    """Schemas that allow no field they do not name. Those that extend one another are written out whole by the generator."""
    schemas: dict[str, Any] = deepcopy(document()["components"]["schemas"])
    for schema in schemas.values():
        if "properties" in schema:
            schema["additionalProperties"] = False
    return schemas


def check(answer: Any, path: str, method: str = "get", status: int = 200) -> Any:
    """The answer's body, after it was found to be what the document says of that path, and to have no field more."""
    assert answer.status_code == status, answer.content
    body = answer.json()
    answers = document()["paths"][path][method]["responses"]
    described = answers.get(str(status), answers["default"])["content"]["application/json"]["schema"]
    schema = described | {"components": {"schemas": strict_schemas()}}
    errors = list(Draft202012Validator(schema, format_checker=FormatChecker()).iter_errors(body))
    assert errors == []
    return body
