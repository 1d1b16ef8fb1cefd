"""The filters above usage and requests, as a person in a hurry or on a train uses them; and lists that grow."""

from datetime import timedelta

import pytest
from django.utils import timezone
from playwright.sync_api import Page, Route, expect

from tests.browser.conftest import Visit, World, sign_in
from tests.kit.factories import an_event, make_key, send

pytestmark = pytest.mark.browser


@pytest.fixture
def usage(visit: Visit, world: World) -> Page:
    key, now = make_key(world.workspace, name="server"), timezone.now()
    events = [an_event(key, request_id=f"r-{at}", occurred_at=(now - timedelta(seconds=at)).isoformat()) for at in range(120)]
    assert send(world.gateway, events, now=now).recorded == 120
    sign_in(visit)
    return visit.open("/usage")


def test_two_choices_in_quick_succession_both_count(usage: Page) -> None:
    """The first answer is held back until the second choice was made, as on a slow line."""
    held: list[Route] = []
    usage.route("**/usage?*group_by=key_id*bucket=day*", lambda route: held.append(route))
    usage.route("**/usage?*bucket=day*group_by=key_id*", lambda route: held.append(route))
    usage.get_by_label("Grouped by").select_option("key_id")
    usage.get_by_label("By", exact=True).select_option("hour")
    expect(usage.get_by_role("columnheader", name="Hour, UTC")).to_be_visible()
    assert len(held) == 1
    expect(usage.get_by_role("rowheader", name="server").first).to_be_visible()
    expect(usage.get_by_label("Grouped by")).to_have_value("key_id")
    expect(usage.get_by_label("By", exact=True)).to_have_value("hour")
    assert "group_by=key_id" in usage.url
    assert "bucket=hour" in usage.url


def test_the_focus_stays_where_it_was(usage: Page) -> None:
    grouped = usage.get_by_label("Grouped by")
    grouped.focus()
    grouped.select_option("key_id")
    expect(usage.get_by_role("rowheader", name="server").first).to_be_visible()
    expect(grouped).to_be_focused()


def test_the_days_follow_the_chosen_range(usage: Page) -> None:
    usage.get_by_label("Range", exact=True).select_option("7d")
    week_ago = (timezone.now() - timedelta(days=6)).strftime("%Y-%m-%d")
    expect(usage.get_by_label("First day")).to_have_value(week_ago)


def test_a_line_that_is_down_is_said_and_can_be_tried_again(usage: Page, visit: Visit) -> None:
    usage.context.set_offline(True)
    usage.get_by_label("Grouped by").select_option("key_id")
    expect(usage.get_by_role("alert")).to_contain_text("Nothing was loaded: the server cannot be reached.")
    usage.context.set_offline(False)
    usage.get_by_role("button", name="Apply").click()
    expect(usage.get_by_role("rowheader", name="server").first).to_be_visible()
    expect(usage.get_by_role("alert")).to_be_hidden()


def test_a_session_that_ended_is_said_and_leaves_the_figures(usage: Page) -> None:
    usage.context.clear_cookies()
    usage.get_by_label("Grouped by").select_option("key_id")
    expect(usage.get_by_role("alert")).to_contain_text("Nothing was loaded: your session has ended.")
    expect(usage.get_by_role("heading", name="Table")).to_be_visible()


def test_back_returns_to_the_question_before(usage: Page) -> None:
    usage.get_by_label("Grouped by").select_option("key_id")
    expect(usage.get_by_role("rowheader", name="server").first).to_be_visible()
    usage.go_back()
    expect(usage.get_by_label("Grouped by")).to_have_value("model")
    expect(usage.get_by_role("rowheader", name="codex-mini").first).to_be_visible()


def test_rows_that_were_loaded_are_there_again_on_the_way_back(usage: Page, visit: Visit) -> None:
    page = visit.open("/usage/events")
    rows = page.locator("#event-rows > tr")
    page.get_by_role("link", name="Load more").click()
    expect(rows).to_have_count(101)
    page.locator("#event-rows a.row-link").nth(80).click()
    expect(page.get_by_text("$0.002649")).to_be_visible()
    page.go_back()
    expect(rows).to_have_count(101)
    page.get_by_role("link", name="Load more").click()
    expect(rows).to_have_count(120)
