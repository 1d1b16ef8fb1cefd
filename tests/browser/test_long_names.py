"""Names and ids as long as they may be push no other column out of sight."""

from datetime import timedelta

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect

from tests.browser.conftest import PASSWORD, Visit, World, sign_in
from tests.kit.factories import an_event, make_key, make_price, make_workspace, send
from workspaces.models import User

pytestmark = pytest.mark.browser
LONG = "Wide" * 50


def right_edge(page: Page, selector: str) -> float:
    return float(page.locator(selector).first.evaluate("each => each.getBoundingClientRect().right"))


@pytest.mark.parametrize("width", [1280, 1024, 760])
def test_the_cost_of_a_request_is_in_sight(visit: Visit, world: World, width: int) -> None:
    key, now = make_key(world.workspace, name=LONG), timezone.now()
    model = "m" * 200
    make_price(model)
    event = an_event(key, request_id="r" * 500, model=model, occurred_at=(now - timedelta(minutes=1)).isoformat())
    assert send(world.gateway, [event], now=now).recorded == 1
    sign_in(visit)
    visit.page.set_viewport_size({"width": width, "height": 860})
    page = visit.open("/usage/events")
    expect(page.get_by_text("$0.002649")).to_be_visible()
    assert right_edge(page, "#event-rows .cell-cost") <= right_edge(page, "main .card")


def test_every_column_of_the_consoles_workspaces_is_in_sight(visit: Visit, world: World) -> None:
    User.objects.create_superuser("operator@omixa.example", PASSWORD)
    make_workspace(LONG, email="bills@acme.example")
    page = visit.open("/accounts/login/")
    page.get_by_label("Email").fill("operator@omixa.example")
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()
    page.wait_for_url(f"{visit.base}/")
    page = visit.open("/admin/workspaces/workspace/")
    expect(page.get_by_text("WideWide").first).to_be_visible()
    assert right_edge(page, "#result_list thead th:last-child") <= 1280
    assert visit.width() <= 1280
