"""Every address that answers with a file does it in a slot. The list is the product's own list of addresses."""

from typing import Any

import pytest
from django.test import Client

from omixa_billing.rate_limits import downloads
from tests.every_address.addresses import every_address
from tests.kit.days import fixed_day
from tests.kit.depth import some
from tests.kit.world import World, browser_of, world

__all__ = ["fixed_day", "world"]

PERIOD = "start=2026-09-01T00:00:00Z&end=2026-11-01T00:00:00Z"
QUERIES = ("", f"?{PERIOD}", "?format=csv", f"?{PERIOD}&format=csv", "?format=ndjson")
# What the other addresses answer with. Whatever has another type is a file, also one that is only written tomorrow.
NO_FILES = ("text/html", "application/json", "application/problem+json", "text/javascript", "application/vnd.oai.openapi")
# Of a file's type, and made without asking the database for more than one row.
SMALL = ("/metrics", "/favicon.ico", "/models/codex-mini", "/healthz", "/readyz")
FILES = (
    *("/api/v1/usage", "/api/v1/usage/events", "/api/v1/invoices/<id>/pdf", "/api/v1/invoices/<id>/lines/<id>/events"),
    *("/api/v1/credit-notes/<id>/pdf", "/api/v1/exports/invoices"),
    *("/usage", "/usage/events", "/invoices/<id>/pdf", "/invoices/<id>/lines/<id>", "/credit-notes/<id>/pdf"),
    *("/exports/invoices", "/admin/metering/invoice/<id>/pdf", "/admin/metering/creditnote/<id>/pdf"),
    "/admin/metering/invoice/export",
)
EXPORT = {"kind": "invoices", "first": "2026-09", "last": "2026-10"}


@pytest.fixture(autouse=True)
def _slots(settings: Any) -> None:
    settings.DOWNLOADS_PER_CALLER, settings.DOWNLOADS_PER_WORKSPACE, settings.DOWNLOADS_PER_PROCESS = 1, 1, 1


class Asker:
    """Asks each address as who may ask for the most there."""

    def __init__(self, world: World) -> None:
        self.key = Client(headers=world.callers["admin key"])
        self.owner = browser_of("owner@acme.example")
        self.operator = browser_of("operator@omixa.example")

    def __call__(self, address: str) -> Any:
        path, _, body = address.partition(" ")
        client = self.operator if path.startswith("/admin/") else self.key if path.startswith("/api/") else self.owner
        return client.post(path, EXPORT) if body else client.get(path)


def is_file(path: str, answer: Any) -> bool:
    kind = answer.headers.get("Content-Type", "")
    return answer.status_code == 200 and path not in SMALL and (answer.streaming or not kind.startswith(NO_FILES))


def asked_for(world: World) -> list[str]:
    """Every address in every form in which a file may be asked for; the one whose form is sent ends in POST.

    Without DEEP those of which none is known are asked in one form, and the forms take turns.
    """
    paths = [path for path in every_address(world) if "logout" not in path]
    asked = [(path, QUERIES if without_ids(world, path) in FILES else some(QUERIES, at)) for at, path in enumerate(paths)]
    return [*(path + query for path, queries in asked for query in queries), "/admin/metering/invoice/export/ POST"]


def without_ids(world: World, address: str) -> str:
    """`/invoices/inv_123/pdf?format=csv` as `/invoices/<id>/pdf`."""
    parts = address.partition("?")[0].partition(" ")[0].rstrip("/").split("/")
    return "/".join("<id>" if part.isdigit() or part in world.ids.values() else part for part in parts)


def files_of(world: World, ask: Asker) -> list[str]:
    """Those of the addresses that answer with a file now."""
    found = []
    for address in asked_for(world):
        if without_ids(world, address) in FILES and is_file(address.partition("?")[0], answer := ask(address)):
            finished(answer)
            found.append(address)
    assert {without_ids(world, address) for address in found} == set(FILES)
    return found


def finished(answer: Any) -> None:
    if answer.streaming:
        b"".join(answer.streaming_content)


def test_no_address_answers_with_a_file_without_a_slot(world: World, settings: Any) -> None:
    ask = Asker(world)
    settings.DOWNLOADS_PER_PROCESS = 0
    refused = []
    for address in asked_for(world):
        answer = ask(address)
        assert not is_file(address.partition("?")[0], answer), f"{address} answers with a file and takes no slot"
        if answer.status_code == 429:
            refused.append(address)
            assert answer["Retry-After"] == "5", address
            if address.startswith("/api/"):
                assert answer.json()["error"]["code"] == "too_many_downloads", address
    assert {without_ids(world, address) for address in refused} >= set(FILES)


@pytest.mark.parametrize("bound", ["DOWNLOADS_PER_CALLER", "DOWNLOADS_PER_WORKSPACE"])
def test_each_file_is_refused_beyond_the_bound_and_given_within_it(world: World, settings: Any, bound: str) -> None:
    ask = Asker(world)
    for address in files_of(world, ask):
        if bound == "DOWNLOADS_PER_WORKSPACE" and address.startswith("/admin/"):
            continue  # an operator's file is of no one workspace
        setattr(settings, bound, 0)
        refused = ask(address)
        assert (refused.status_code, refused.headers.get("Retry-After")) == (429, "5"), address
        setattr(settings, bound, 1)
        answer = ask(address)
        assert is_file(address, answer), address
        finished(answer)
        assert not downloads._here, f"{address} keeps its slot"


def test_a_file_that_is_being_read_holds_its_slot(world: World) -> None:
    """For every one that streams. A PDF is whole before it is sent, and holds nothing but memory then."""
    ask, streamed = Asker(world), set()
    for address in files_of(world, ask):
        first = ask(address)
        if not first.streaming:
            continue
        streamed.add(without_ids(world, address))
        second = ask(address)
        assert (second.status_code, second["Retry-After"]) == (429, "5"), address
        finished(first)
        third = ask(address)
        assert third.status_code == 200, address
        finished(third)
    assert streamed == {path for path in FILES if not path.endswith("/pdf")}
