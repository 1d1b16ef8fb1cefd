"""Whatever goes wrong under /api and /gateway is said in the one JSON shape, whatever the caller would like to read."""

import json
from typing import Any

import pytest
from django.core.exceptions import BadRequest, PermissionDenied
from django.http import Http404
from django.test import Client, RequestFactory
from django.urls import get_resolver

from tests.kit.factories import NOW
from workspaces.keys import issue

pytestmark = pytest.mark.django_db
TOO_MANY = "&".join("model=x" for _ in range(1_001))


def error_of(response: Any, status: int) -> dict[str, Any]:
    assert response.status_code == status
    assert response["Content-Type"] == "application/json"
    error = response.json()["error"]
    assert set(error) == {"message", "type", "code", "param"}
    return dict(error)


@pytest.fixture
def admin() -> Client:
    workspace = issue.create_workspace("Acme", "", "test", NOW)
    _, secret = issue.create_key(workspace, "admin", "Admin", "test", NOW)
    return Client(headers={"authorization": f"Bearer {secret}"}, raise_request_exception=False)


@pytest.mark.parametrize("path", ["/api/v1/usage/events", "/api/v1/invoices", "/api/v1/keys"])
def test_more_parameters_than_are_read_is_a_bad_request_in_json(admin: Client, path: str) -> None:
    error = error_of(admin.get(f"{path}?{TOO_MANY}"), 400)
    assert (error["type"], error["code"]) == ("invalid_request_error", "too_many_parameters")
    assert error["message"] == "There are more than 1000 parameters: ask in several requests."


@pytest.mark.parametrize("path", ["/api/v1/usage", "/gateway/v1/batches/x", "/api/v1/nothing"])
def test_a_host_that_is_not_ours_is_a_bad_request_in_json(admin: Client, path: str) -> None:
    error = error_of(admin.get(path, headers={"host": "evil.example"}), 400)
    assert (error["code"], error["message"]) == ("host_not_allowed", "This host is not served here: see ALLOWED_HOSTS.")


def test_what_plain_django_refuses_is_in_json_too(rf: RequestFactory) -> None:
    """No view under /api does so today; one that will is covered."""
    for status, exception in ((400, BadRequest()), (403, PermissionDenied()), (404, Http404())):
        answer = get_resolver().resolve_error_handler(status)
        assert json.loads(answer(rf.get("/api/v1/x"), exception).content)["error"]["message"]
        assert answer(rf.get("/usage"), exception)["Content-Type"] == "text/html; charset=utf-8"


def test_people_get_a_page_instead(admin: Client) -> None:
    response = admin.get("/", headers={"host": "evil.example"})
    assert (response.status_code, response["Content-Type"]) == (400, "text/html; charset=utf-8")


@pytest.mark.parametrize("accept", ["text/html", "application/xml", "garbage;;", ""])
@pytest.mark.parametrize("path", ["/api/v1/invoices", "/api/v1/keys", "/api/v1/key", "/api/v1/models", "/api/v1/usage/events"])
def test_what_is_answered_does_not_depend_on_the_accept_header(admin: Client, path: str, accept: str) -> None:
    response = admin.get(path, headers={"accept": accept})
    assert (response.status_code, response["Content-Type"]) == (200, "application/json")


def test_a_body_that_is_not_json_is_still_refused(admin: Client) -> None:
    response = admin.post("/api/v1/keys", "name=x", content_type="application/x-www-form-urlencoded")
    assert error_of(response, 415)["code"] == "unsupported_media_type"


def test_the_schema_is_served_in_the_form_that_is_asked_for(client: Client) -> None:
    in_json = client.get("/api/v1/schema/", headers={"accept": "application/vnd.oai.openapi+json"})
    in_yaml = client.get("/api/v1/schema/", headers={"accept": "*/*"})
    assert in_json["Content-Type"].startswith("application/vnd.oai.openapi+json")
    assert in_yaml["Content-Type"].startswith("application/vnd.oai.openapi")
    assert in_yaml.content.startswith(b"openapi: 3.1.0")
    assert client.get("/api/v1/docs/").status_code == 200
