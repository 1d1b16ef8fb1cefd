"""Every address and every form of the product, found by asking it, and who asks."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from django.test import Client
from pytest_django.plugin import DjangoDbBlocker

from tests.every_address.addresses import every_address
from tests.fuzz.conduct import Answered, ask
from tests.fuzz.html_forms import Form, forms_of
from tests.fuzz.observed import observing
from tests.fuzz.population import populate
from tests.kit.days import fixed_day
from tests.kit.lasting import making
from tests.kit.world import World, browser_of, lasting_world, operator

__all__ = ["fixed_day", "lasting_world", "operator"]

OF_EVERY_LIST = {"q", "o", "p", "all", "e", "_popup", "_to_field", "_facets", "workspace__owner__password__startswith"}
SIGNS_OUT = "logout"


@dataclass(frozen=True)
class Page:
    """An address, who asks, the parameters that it looks up, and the forms on it."""

    who: str
    path: str
    names: list[str]
    forms: list[Form]


@dataclass(frozen=True)
class Product:
    """`pages` are all of them, each asked once."""

    world: World
    clients: dict[str, Client]
    pages: list[Page]

    def ask(self, who: str, method: str, path: str, data: object = None, **more: object) -> Answered:
        """As the client that was made: what an answer did to its session is taken back with the rest."""
        client = self.clients[who]
        cookies = copy.deepcopy(client.cookies)
        try:
            return ask(client, method, path, data, **more)
        finally:
            client.cookies = cookies

    def forms(self) -> Iterator[tuple[str, Form]]:
        """Each once, with who sends it: those that change something, and do not end the session."""
        seen = set()
        for page in self.pages:
            for form in page.forms:
                key = (page.who, form.action.partition("?")[0], tuple(sorted(form.fields)))
                if form.method == "post" and SIGNS_OUT not in form.action and key not in seen:
                    seen.add(key)
                    yield page.who, form


def callers_of(path: str) -> list[str]:
    if path.startswith("/admin"):
        return ["operator"]
    if path.startswith("/gateway"):
        return ["gateway"]
    if path.startswith(("/api", "/webhooks", "/metrics")):
        return ["key"]
    return ["owner", "stranger"] if path.startswith(("/accounts", "/models", "/invitations")) else ["owner"]


@pytest.fixture(scope="package")
def population(lasting_world: World, django_db_blocker: DjangoDbBlocker) -> dict[str, str]:
    with making(django_db_blocker):
        return populate()


@pytest.fixture
def world(lasting_world: World, population: dict[str, str], db: None) -> World:
    return lasting_world


@pytest.fixture(scope="package")
def lasting_product(lasting_world: World, population: dict[str, str], django_db_blocker: DjangoDbBlocker) -> Product:
    """Walked once: no request to it changes anything."""
    with making(django_db_blocker):
        return the_product(lasting_world, population)


@pytest.fixture
def product(lasting_product: Product, db: None) -> Product:
    return lasting_product


def the_product(world: World, known: dict[str, str]) -> Product:
    clients = {"owner": browser_of("owner@acme.example"), "operator": browser_of("operator@omixa.example")}
    clients |= {"stranger": browser_of(None)}
    for name, caller in (("key", "admin key"), ("gateway", "gateway")):
        clients[name] = Client(headers=world.callers[caller], raise_request_exception=False)
    paths = [_with_real_ids(path, known) for path in every_address(world) if SIGNS_OUT not in path]
    return Product(world, clients, [page_at(who, clients[who], path) for path in paths for who in callers_of(path)])


def page_at(who: str, client: Client, path: str) -> Page:
    with observing() as names:
        answer = ask(client, "GET", path)
    assert answer.faults == [], path
    found = forms_of(path, answer.content.decode()) if answer.is_page else []
    names |= {
        name for form in found if form.method == "get" and form.action.partition("?")[0] in (path, "") for name in form.fields
    }
    changelist = (getattr(answer.response, "context", None) or {}).get("cl")
    if changelist is not None:
        names |= OF_EVERY_LIST.union(*(each.expected_parameters() for each in changelist.filter_specs))
    return Page(who, path, sorted(names - {""}), found)


def _with_real_ids(path: str, known: dict[str, str]) -> str:
    path = path.replace("/settings/invitations/1/", f"/settings/invitations/{known['invitation_id']}/")
    path = path.replace("/settings/members/1/", f"/settings/members/{known['member_id']}/")
    return f"/invitations/{known['secret']}" if path == "/invitations/1" else path
