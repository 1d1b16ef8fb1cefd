"""One Chromium for the whole run, and a served product with a workspace in it."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from django.db import connections
from playwright.sync_api import Browser, Page, expect, sync_playwright

from metering.catalogue.seeds import load_catalogue
from tests.kit.factories import make_gateway, make_workspace
from workspaces.models import Gateway, Membership, User, Workspace

# Playwright's synchronous API keeps an event loop in this thread, in which Django would refuse every query of the tests
# themselves. Nothing here awaits anything, so they are safe.
os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"

CHROMIUM = next((path for path in ("/usr/bin/chromium", "/usr/bin/chromium-browser") if Path(path).exists()), None)
QUIET = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-background-networking"]
PASSWORD = "a long password"
expect.set_options(timeout=60_000)


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        yield browser
        browser.close()


@dataclass
class Visit:
    """A page, and everything about it that no visitor should meet: script errors, failed and foreign requests."""

    page: Page
    base: str
    trouble: list[str]

    def open(self, path: str) -> Page:
        self.page.goto(f"{self.base}{path}")
        return self.page

    def width(self) -> int:
        return int(self.page.evaluate("document.documentElement.scrollWidth"))


@dataclass
class World:
    workspace: Workspace
    gateway: Gateway


@pytest.fixture
def world(transactional_db: None) -> World:
    """A workspace with an owner, a gateway, and the seed catalogue."""
    load_catalogue()
    workspace = make_workspace("Acme", email="bills@acme.example")
    owner = User.objects.create_user("owner@acme.example", PASSWORD)
    Membership.objects.create(workspace=workspace, user=owner, role="owner")
    return World(workspace, make_gateway())


@pytest.fixture(autouse=True)
def _no_connection_outlives_its_request(monkeypatch: pytest.MonkeyPatch) -> None:
    """The server's threads would keep theirs, and the test database could not be dropped at the end."""
    monkeypatch.setitem(connections.settings["default"], "CONN_MAX_AGE", 0)


@pytest.fixture
def visit(chromium: Browser, live_server: Any, world: World) -> Iterator[Visit]:
    context = chromium.new_context(viewport={"width": 1280, "height": 860})
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    found = Visit(context.new_page(), live_server.url, [])
    watch(found)
    yield found
    context.close()


def watch(visit: Visit) -> None:
    def request_made(request: Any) -> None:
        if not request.url.startswith((visit.base, "data:")):
            visit.trouble.append(f"foreign request: {request.url}")

    def answered(response: Any) -> None:
        if response.status >= 400:
            visit.trouble.append(f"{response.status} from {response.url}")

    def failed(request: Any) -> None:
        if request.failure != "net::ERR_ABORTED":  # aborted by us: the next page was opened meanwhile
            visit.trouble.append(f"failed: {request.url}")

    page = visit.page
    page.set_default_timeout(60_000)  # a busy machine decides no test
    page.on("request", request_made)
    page.on("response", answered)
    page.on("requestfailed", failed)
    page.on("pageerror", lambda error: visit.trouble.append(f"error: {error}"))
    page.on("console", lambda said: visit.trouble.append(said.text) if said.type in ("error", "warning") else None)


def sign_in(visit: Visit) -> None:
    page = visit.open("/accounts/login/")
    page.get_by_label("Email").fill("owner@acme.example")
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()
    page.wait_for_url(f"{visit.base}/")


def confirm_identity(page: Page) -> None:
    """What an act asks for that moves money, changes prices or makes keys."""
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Confirm and continue").click()
