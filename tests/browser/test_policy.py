"""The Content-Security-Policy lets in all that the pages need: Chromium reports what it keeps out, and there is nothing."""

import re
from collections import defaultdict

import pytest
from django.test import Client
from playwright.sync_api import Page, expect

from tests.browser.conftest import PASSWORD, Visit, sign_in
from tests.every_address.addresses import every_address
from tests.kit.depth import DEEP
from tests.kit.world import World as Everything
from tests.kit.world import a_world, browser_of
from workspaces.models import Membership, User, Workspace

pytestmark = pytest.mark.browser


@pytest.fixture
def world(transactional_db: None) -> Everything:
    """One of everything, in a workspace whose owner is an operator too."""
    found = a_world()
    owner = User.objects.create_user("owner@acme.example", PASSWORD, is_staff=True)
    Membership.objects.create(workspace=Workspace.objects.get(name="Acme"), user=owner, role="owner")
    return found


# Of each model the console has these pages, and others on which something is done to one row. Each kind has one template.
SHARE = 6
OF_EVERY_MODEL = {"add", "change", "history", "delete"}


def kind_of(path: str) -> str | None:
    """Which of the console's pages of every model this is, or None: `/admin/metering/invoice/1/change/` is `change`."""
    first, *parts = path.strip("/").split("/")
    if first != "admin" or len(parts) < 2:
        return None
    return parts[-1] if parts[-1] in OF_EVERY_MODEL else {2: "list", 4: "act"}.get(len(parts))


def walked(paths: list[str]) -> list[str]:
    """All of them, or without DEEP one in SHARE of each of these kinds."""
    if DEEP:
        return paths
    usual: dict[str, list[str]] = defaultdict(list)
    for path in paths:
        if (kind := kind_of(path)) is not None:
            usual[kind].append(path)
    left = {path for at, kind in enumerate(sorted(usual)) for path in usual[kind][at % SHARE :: SHARE]}
    return [path for path in paths if kind_of(path) is None or path in left]


def pages(world: Everything, client: Client) -> list[str]:
    """The addresses that are pages: a browser would download the others."""
    found = []
    for path in walked(every_address(world)):
        if "logout" in path:
            continue
        answer = client.get(path)
        if answer.status_code == 200 and answer.headers["Content-Type"].startswith("text/html"):
            found.append(path)
    return found


def opened(visit: Visit, path: str) -> Visit:
    """With the trouble of this page alone."""
    visit.trouble.clear()
    visit.open(path)
    return visit


def test_no_page_asks_for_what_its_policy_keeps_out(visit: Visit, world: Everything) -> None:
    paths = pages(world, browser_of("owner@acme.example"))
    sign_in(visit)
    trouble = {path: visit.trouble.copy() for path in paths if opened(visit, path).trouble}
    assert trouble == {}
    assert len([path for path in paths if path.startswith("/admin/")]) > (60 if DEEP else 20)


def test_the_apis_documentation_is_drawn(visit: Visit, world: Everything) -> None:
    page = visit.open("/api/v1/docs/")
    expect(page.get_by_role("heading", name="Omixa billing")).to_be_visible()
    expect(page.get_by_text("/api/v1/usage/events", exact=True)).to_be_visible()
    assert visit.trouble == []


def test_the_consoles_menus_open_and_its_theme_switches(visit: Visit, world: Everything) -> None:
    sign_in(visit)
    page = visit.open("/admin/metering/invoice/")
    the_theme_switches(page)
    page.keyboard.press("Control+k")
    page.get_by_placeholder("Type to search").first.press_sequentially("Acme")
    expect(page.get_by_role("link", name=re.compile("Acme")).first).to_be_visible()
    page.keyboard.press("Escape")
    assert visit.trouble == []


def the_theme_switches(page: Page) -> None:
    page.emulate_media(color_scheme="light")
    background = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(background)
    page.get_by_text("owner@acme.example").first.click()
    page.locator("[x-on\\:click=\"switchTheme('dark')\"]").first.click()
    expect(page.locator("html")).to_have_class(re.compile("dark"))
    page.reload()
    assert page.evaluate(background) != light
