"""The OpenAPI document says what the keys endpoints do."""

from typing import Any

import pytest
from drf_spectacular.generators import SchemaGenerator


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    document: dict[str, Any] = SchemaGenerator().get_schema(request=None, public=True)
    return document


def test_both_ways_in_are_described(schema: dict[str, Any]) -> None:
    schemes = schema["components"]["securitySchemes"]
    assert (schemes["key"]["type"], schemes["key"]["scheme"]) == ("http", "bearer")
    assert (schemes["session"]["in"], schemes["session"]["name"]) == ("cookie", "sessionid")
    assert schema["paths"]["/api/v1/keys"]["get"]["security"] == [{"key": []}, {"session": []}]


ANSWERS = {
    ("get", "/keys"): {"200", "400", "401", "403"},
    ("post", "/keys"): {"201", "400", "401", "403", "422"},
    ("get", "/keys/{key_id}"): {"200", "401", "403", "404"},
    ("patch", "/keys/{key_id}"): {"200", "400", "401", "403", "404", "409", "422"},
    ("post", "/keys/{key_id}/rotate"): {"200", "400", "401", "403", "404", "409"},
    ("post", "/keys/{key_id}/revoke"): {"200", "400", "401", "403", "404"},
    ("post", "/keys/{key_id}/freeze"): {"200", "400", "401", "403", "404", "409"},
    ("post", "/keys/{key_id}/unfreeze"): {"200", "400", "401", "403", "404", "409"},
}


def test_no_other_endpoint_of_keys_is_described(schema: dict[str, Any]) -> None:
    described = {
        (method, path.removeprefix("/api/v1"))
        for path, methods in schema["paths"].items()
        if path.startswith("/api/v1/keys")
        for method in methods
    }
    assert described == set(ANSWERS)


@pytest.mark.parametrize(("method", "path"), ANSWERS)
def test_each_answer_is_described(schema: dict[str, Any], method: str, path: str) -> None:
    described = schema["paths"]["/api/v1" + path][method]["responses"]
    assert ANSWERS[method, path] <= set(described)
    assert [status for status in described if status.startswith("2")] == [min(ANSWERS[method, path])]
    for status in ANSWERS[method, path]:
        if status >= "4":
            content = described[status]["content"]["application/json"]["schema"]
            assert content == {"$ref": "#/components/schemas/Error"}


def test_the_secret_is_in_the_answers_that_make_one_and_in_no_other(schema: dict[str, Any]) -> None:
    parts = schema["components"]["schemas"]
    plain, secret = parts["Key"]["properties"], parts["KeyWithSecret"]["properties"]
    assert set(secret) - set(plain) == {"secret"}
    made = schema["paths"]["/api/v1/keys"]["post"]["responses"]["201"]["content"]["application/json"]["schema"]
    assert made == {"$ref": "#/components/schemas/KeyWithSecret"}
    assert parts["KeyToCreateRequest"]["required"] == ["name"]
    assert "default" not in parts["KeyToCreateRequest"]["properties"]["kind"]
    assert (plain["expires_at"]["format"], plain["expires_at"]["type"]) == ("date-time", ["string", "null"])
    assert plain["last_four"]["type"] == ["string", "null"]
