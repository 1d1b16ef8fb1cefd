"""A link to a request leads to that request, whatever its id holds: browsers change paths on their way, and not queries."""

import pytest
from django.utils import timezone
from playwright.sync_api import expect

from metering.usage.events.events import request_attempts
from tests.browser.conftest import Visit, World, sign_in
from tests.kit.factories import an_event, make_key, send

pytestmark = pytest.mark.browser
IDS = [
    *("a/../b", "/../../admin/", "a//b", "//evil.example/x", "a?b=c", "a#b", "a%2Fb", "%2e%2e/x", "a;b=1", "a&id=b", "a+b c"),
    *(".", "..", "...", "ü/日本/🙂", " spaces ", "line\nend", "\\..\\x", '"><b>', "'", "javascript:alert(1)", "x" * 512),
]


def test_every_link_to_a_request_opens_it(visit: Visit, world: World) -> None:
    key = make_key(world.workspace)
    now = timezone.now()
    events = [an_event(key, request_id=each, occurred_at=now.isoformat()) for each in IDS]
    assert send(world.gateway, events, now=now).recorded == len(IDS)
    sign_in(visit)
    page = visit.open("/usage/events?rows=100")
    links = page.locator("#event-rows a.row-link")
    expect(links).to_have_count(len(IDS))
    found = []
    for at in range(len(IDS)):
        links.nth(at).click()
        page.wait_for_url("**/usage/request?id=*")
        found.append(page.locator("[data-copy]").first.get_attribute("data-copy"))
        expect(page.get_by_text("$0.002649").first).to_be_visible()
        page.go_back()
    assert sorted(map(str, found)) == sorted(IDS)
    assert visit.trouble == []


def test_the_api_finds_each_by_its_query_in_a_browser(visit: Visit, world: World) -> None:
    key = make_key(world.workspace)
    now = timezone.now()
    send(world.gateway, [an_event(key, request_id=each, occurred_at=now.isoformat()) for each in IDS], now=now)
    sign_in(visit)
    ask = """async (id) => {
        const answer = await fetch(`/api/v1/usage/request?request_id=${encodeURIComponent(id)}`);
        return (await answer.json()).request_id;
    }"""
    assert [visit.page.evaluate(ask, each) for each in IDS] == IDS
    assert len(request_attempts(world.workspace, "..")) == 1
