"""The codes of errors: the document enumerates those that the source answers, and says which headers come with a limit."""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from redis import Redis
from rest_framework import exceptions
from rest_framework.test import APIClient

from omixa_billing.api.error_codes import ERROR_CODES
from tests.kit.factories import NOW
from tests.kit.limits import counting, redis_socket
from tests.kit.tenants import TESTS
from tests.openapi.document import document
from workspaces.keys import issue

__all__ = ["counting", "redis_socket"]
ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("omixa_billing", "workspaces", "metering")
# Functions that make an error: where among their arguments the code stands.
MAKERS = {"error_response": 1, "_answer": 1, "_refusal": 2}
# What the REST framework raises by itself for requests to our endpoints.
OF_THE_FRAMEWORK = (
    exceptions.MethodNotAllowed,
    exceptions.ParseError,
    exceptions.PermissionDenied,
    exceptions.UnsupportedMediaType,
)
# Refusals that only people on pages, commands, tasks and Stripe's webhook meet.
NOT_FOR_PROGRAMS = {
    "account_exists",
    "already_a_member",
    "gateway_revoked",
    "invalid_email",
    "invalid_price",
    "invalid_role",
    "invalid_signature",
    "invitation_for_another",
    "invitation_over",
    "job_unknown",
    "last_owner",
    "no_such_invitation",
    "no_such_person",
    "not_a_head",
    "not_a_member",
    "not_ordered",
    "nothing_to_accept",
    "period_not_lockable",
    "price_already_set",
    "price_import_changed",
    "price_in_force",
    "quarantine_settled",
    "rule_exists",
    "scanning_keys_unavailable",
    "too_many_invitations",
}


def codes_in_source() -> Iterator[str]:
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.ClassDef):
                    yield from codes_of_class(node)
                elif isinstance(node, ast.Call) and ast.unparse(node.func) in MAKERS:
                    place = MAKERS[ast.unparse(node.func)]
                    for argument in node.args[place : place + 1]:
                        yield from constants(argument)


def codes_of_class(node: ast.ClassDef) -> Iterator[str]:
    """A refusal's; it has its status beside it."""
    values = {ast.unparse(each.targets[0]): each.value for each in node.body if isinstance(each, ast.Assign)}
    if {"code", "status"} <= values.keys():
        yield from constants(values["code"])


def constants(node: ast.expr) -> Iterator[str]:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value


def test_the_document_enumerates_every_code_that_the_source_answers() -> None:
    found = {*codes_in_source(), *(str(each.default_code) for each in OF_THE_FRAMEWORK)}
    assert len(found) > 60
    assert found >= NOT_FOR_PROGRAMS
    assert sorted(found - NOT_FOR_PROGRAMS) == ERROR_CODES
    assert document()["components"]["schemas"]["ErrorDetail"]["properties"]["code"]["enum"] == ERROR_CODES


def operations() -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in document()["paths"].items():
        for method, operation in methods.items():
            yield path, method, operation["responses"]


LIMITS = {"RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset", "RateLimit-Policy"}


def test_every_operation_says_with_which_headers_it_is_limited_and_away() -> None:
    for path, method, answers in operations():
        headers = {status: set(answer.get("headers", {})) for status, answer in answers.items()}
        assert headers["503"] == {"Retry-After"}, path
        assert answers["503"]["content"]["application/json"]["schema"] == {"$ref": "#/components/schemas/Error"}
        if path.startswith("/gateway/"):
            takes_in = method == "post" and ("/events" in path or path.endswith("/corrections"))
            assert ("429" in answers) == takes_in, path
            assert not takes_in or headers["429"] == {"Retry-After"}, path
            assert not any(name in LIMITS for names in headers.values() for name in names), path
        else:
            assert headers["429"] == LIMITS | {"Retry-After"}, path
            assert {status: names for status, names in headers.items() if status.startswith("2")} == {
                status: LIMITS for status in answers if status.startswith("2")
            }, path
    assert set(document()["components"]["headers"]) == LIMITS | {"Retry-After"}


@pytest.mark.django_db
def test_the_headers_are_those_that_are_sent(counting: Redis) -> None:
    workspace = issue.create_workspace("Acme", "bills@acme.example", TESTS, NOW)
    _, secret = issue.create_key(workspace, "live", "server", TESTS, NOW)
    client = APIClient(headers={"authorization": f"Bearer {secret}"})
    answers = [client.get("/api/v1/key") for _ in range(6)]
    responses = document()["paths"]["/api/v1/key"]["get"]["responses"]
    for answer in (answers[0], answers[5]):
        sent = {name for name in document()["components"]["headers"] if name in answer.headers}
        assert sent == set(responses[str(answer.status_code)]["headers"])
    assert [answer.status_code for answer in answers] == [200] * 5 + [429]
