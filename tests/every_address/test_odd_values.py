"""A NUL in a query or form is a bad request, and a path with one names nothing, in the shape that the caller reads."""

import html
import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib import admin
from django.test import Client
from django.urls import reverse

from omixa_billing.http.addresses import API, OPENROUTER
from tests.every_address.addresses import every_address
from tests.kit.depth import some
from tests.kit.world import World

FORM = re.compile(r'<form\b([^>]*method="post"[^>]*)>(.*?)</form>', re.DOTALL)
FIELD = re.compile(r'<(?:input|select|textarea)[^>]*\bname="([^"]+)"')
FORMS = [
    *("/settings", "/settings/members", "/billing", "/keys/new", "/accounts/password/change/"),
    *("/admin/workspaces/workspace/", "/admin/metering/quarantinedevent/", "/admin/metering/invoice/close-month"),
]


def is_refused(path: str, answer: Any, status: int = 400) -> None:
    assert answer.status_code == status, path
    if path.startswith(OPENROUTER):
        assert answer.json()["error"]["code"] == status, path
    elif path.startswith((*API, "/gateway/", "/webhooks/", "/secret-scanning")):
        assert answer.json()["error"]["type"] == {400: "invalid_request_error", 404: "not_found_error"}[status], path
    else:
        assert answer.headers["Content-Type"].startswith("text/html"), path


def test_in_every_query_it_is_refused(world: World, operator: Client) -> None:
    for at, path in enumerate(every_address(world)):
        for query in some(("q=a%00b", "%00=1", "page=1&model=%00"), at):
            is_refused(path, operator.get(f"{path}?{query}"))


def test_in_every_path_it_names_nothing(world: World, operator: Client) -> None:
    found = [path for path in every_address(world, "a%00b") if "%00" in path]
    assert len(found) > 100
    for path in found:
        is_refused(path, operator.get(path), 404)


def test_the_api_names_the_parameter(world: World) -> None:
    client = Client(headers=world.callers["admin key"])
    error = client.get("/api/v1/usage?model=a%00b").json()["error"]
    assert error == {
        "message": "model contains a NUL character.",
        "type": "invalid_request_error",
        "code": "invalid_parameter",
        "param": "model",
    }


def filters() -> Iterator[str]:
    """Of each list of the console that narrows by typed text or a number: its address and the parameter."""
    for model, table in admin.site._registry.items():
        address = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
        yield f"{address}?q="
        if table.date_hierarchy:
            yield f"{address}?{table.date_hierarchy}__year="


@pytest.mark.parametrize("odd", ["%ED%A0%80", "18446744073709551616", "1" + "0" * 100, "a" * 5_000])
def test_no_search_or_date_breaks_a_list_of_the_console(world: World, operator: Client, odd: str) -> None:
    assert [address for address in filters() if operator.get(address + odd).status_code >= 500] == []


def fields_of(client: Client, path: str) -> Iterator[tuple[str, list[str]]]:
    for start, inner in FORM.findall(client.get(path).content.decode()):
        action = re.search(r'action="([^"]+)"', start)
        if action is None or "logout" not in action[1]:
            yield html.unescape(action[1]) if action else path, FIELD.findall(inner)


@pytest.mark.parametrize("path", FORMS)
def test_in_a_form_it_is_refused(world: World, owner: Client, operator: Client, path: str) -> None:
    client = operator if path.startswith("/admin/") else owner
    for address, fields in fields_of(client, path):
        for name in {*fields, "anything"}:
            is_refused(address, client.post(address, dict.fromkeys(fields, "1") | {name: "a\x00b"}))


def test_in_the_switch_between_workspaces_it_is_refused(owner: Client) -> None:
    is_refused("/workspace", owner.post("/workspace", {"workspace": "\x00"}))
