"""Requests that cannot be read as they are: what a search found once, in plain words."""

import json
from typing import Any

import pytest
from rest_framework.test import APIClient

from tests.kit.world import World
from tests.openapi.document import document
from tests.openapi.server import ask

pytestmark = pytest.mark.django_db


def headers_of(world: World, **odd: str) -> dict[str, str]:
    return {"HTTP_AUTHORIZATION": world.callers["admin key"]["Authorization"]} | odd


def refusal(body: bytes) -> Any:
    return json.loads(body)["error"]


@pytest.mark.parametrize("charset", ["hex", "undefined", "utf-16", "\x00", "idna"])
@pytest.mark.parametrize("path", ["/healthz", "/api/v1/models", "/gateway/v1/events"])
def test_a_charset_that_is_no_charset_changes_nothing(world: World, path: str, charset: str) -> None:
    plain = ask("GET", path, "limit=1", {}, b"")
    odd = ask("GET", path, "limit=1", {"CONTENT_TYPE": f"application/json; charset={charset}"}, b"")
    assert (odd.status, odd.body) == (plain.status, plain.body)


def test_json_is_utf_8_whatever_charset_is_named(world: World) -> None:
    named = headers_of(world, CONTENT_TYPE="application/json; charset=iso-8859-1")
    answer = ask("POST", "/api/v1/keys", "", named, '{"name": "Käufer"}'.encode())
    assert (answer.status, json.loads(answer.body)["name"]) == (201, "Käufer")


def test_a_content_type_too_long_to_read_is_an_unknown_one(world: World) -> None:
    content_type = "application/json; a=" + "b;" * 9_000
    answer = ask("POST", "/api/v1/keys", "", headers_of(world, CONTENT_TYPE=content_type), b'{"name": "New"}')
    assert (answer.status, refusal(answer.body)["code"]) == (415, "unsupported_media_type")


@pytest.mark.parametrize("length", ["-5", "+3", "1e3", "\u00b2", " ", "9" * 5_000])
@pytest.mark.parametrize("path", ["/api/v1/keys", "/gateway/v1/events"])
def test_a_length_that_is_no_number_of_bytes_is_a_bad_request(world: World, path: str, length: str) -> None:
    answer = ask("POST", path, "", headers_of(world, CONTENT_LENGTH=length), b"{}")
    assert (answer.status, refusal(answer.body)["code"]) == (400, "malformed_request")


def test_half_a_character_in_a_fields_name_is_refused_and_shown_as_a_question_mark(world: World) -> None:
    answer = ask("POST", "/api/v1/keys", "", headers_of(world), b'{"name": "New", "half \\ud800": 1}')
    assert (answer.status, refusal(answer.body)["param"]) == (400, "half ?")


def test_the_documents_browser_is_a_page_and_answers_nothing_else(client: APIClient) -> None:
    assert client.options("/api/v1/docs/").status_code == 405
    assert client.get("/api/v1/docs/").status_code == 200


@pytest.mark.parametrize("path", ["/api/v1/keys", "/api/v1/usage/events", "/api/v1/invoices", "/api/v1/models"])
def test_an_empty_cursor_begins_at_the_first_page_and_the_document_says_so(world: World, path: str) -> None:
    assert ask("GET", path, "cursor=", headers_of(world), b"").status == 200
    parameters = {each["name"]: each["schema"] for each in document()["paths"][path]["get"]["parameters"]}
    assert "minLength" not in parameters["cursor"]


def test_what_takes_a_body_says_that_it_may_be_too_large_or_of_another_kind() -> None:
    for path, operations in document()["paths"].items():
        for operation in operations.values():
            names = {"413", "415"} & operation["responses"].keys()
            takes_body = "requestBody" in operation
            assert names == (({"413"} if path.startswith("/gateway/") else {"413", "415"}) if takes_body else set()), path
