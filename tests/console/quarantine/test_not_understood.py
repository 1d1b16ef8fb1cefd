"""Numbers that nobody knows, as an operator sees them and says what they are."""

import html
import re
from urllib.parse import urlencode

from django.test import Client
from django.urls import reverse

from metering.ingest.models import QuarantinedEvent, UsageEvent
from metering.ingest.quarantine.estimate import fill_estimates
from metering.ingest.understanding.models import UsageRule
from tests.console.conftest import OPERATOR, World
from tests.kit.factories import GOLDEN_USAGE, NOW, an_event, send, work
from tests.kit.operator import acts_on, submit

LISTING = reverse("admin:metering_usagerule_changelist")
STRANGE = {**GOLDEN_USAGE, "tool_tokens": 7}
DECIDE = f"{reverse('admin:metering_usagerule_decide')}?{urlencode({'dialect': 'openai.chat', 'path': 'tool_tokens'})}"


def shown(console: Client, url: str) -> str:
    """The page's text, one space between words."""
    answer = console.get(url)
    assert answer.status_code == 200
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", answer.content.decode())).split())


def strange_events(world: World, number: int) -> None:
    send(world.gateway, [an_event(world.key, request_id=f"strange-{at}", usage=STRANGE) for at in range(number)])


def test_a_path_is_listed_with_what_waits_for_it(console: Client, world: World) -> None:
    assert "Every number is understood" in shown(console, LISTING)
    strange_events(world, 3)
    fill_estimates()
    page = shown(console, LISTING)
    assert "1 number that is not understood" in page
    assert f"tool_tokens openai.chat 3 <$0.01 {world.gateway.name} codex-mini 2026-10-15 12:00:00" in page
    assert html.escape(DECIDE) in console.get(LISTING).content.decode()


def test_saying_what_it_is_releases_all_of_it_and_is_kept(console: Client, world: World) -> None:
    strange_events(world, 3)
    said = {"meaning": "information", "reason": "documented"}
    answer = submit(console, DECIDE, **said)
    assert (answer.status_code, answer["Location"]) == (302, LISTING)
    work()
    assert UsageEvent.objects.filter(request_id__startswith="strange-").count() == 3
    assert not QuarantinedEvent.objects.open().filter(code="usage_not_understood").exists()
    rule = UsageRule.objects.get()
    assert (rule.words, rule.reason, rule.made_by, rule.begins_at) == ("informational", "documented", OPERATOR, NOW)
    assert acts_on(rule.public_id) == [(OPERATOR, "usage_rule.made")]
    assert "tool_tokens openai.chat informational 1" in shown(console, LISTING)


def test_a_component_and_a_part_have_to_be_named(console: Client, world: World) -> None:
    for meaning in ("component", "part"):
        answer = submit(console, DECIDE, meaning=meaning, reason="documented")
        assert answer.status_code == 200
    assert not UsageRule.objects.exists()
    submit(console, DECIDE, meaning="component", component="output", part="prompt_tokens", reason="documented")
    assert UsageRule.objects.get().words == "component output"


def test_a_rule_is_ended_and_what_waits_since_is_released_by_the_next(console: Client, world: World) -> None:
    submit(console, DECIDE, meaning="information", reason="documented")
    rule = UsageRule.objects.get()
    answer = submit(console, reverse("admin:metering_usagerule_end", args=[rule.pk]))
    assert answer.status_code == 302
    assert acts_on(rule.public_id) == [(OPERATOR, "usage_rule.made"), (OPERATOR, "usage_rule.ended")]
    again = submit(console, DECIDE, meaning="information", reason="documented")
    assert "end it first" in again.content.decode()


def test_without_a_number_the_page_leads_to_the_list(console: Client) -> None:
    assert console.get(reverse("admin:metering_usagerule_decide"))["Location"] == LISTING
    assert console.get(DECIDE.replace("openai.chat", "nobody"))["Location"] == LISTING
