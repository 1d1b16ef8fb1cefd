"""The quarantine as an operator works through it: figures, filters, one event, and acts on one or on all that match."""

import html
import json
import re
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from metering.console.backlog import unpriced_by_cause
from metering.console.quarantine import handling, totals
from metering.console.usage.nearest_price import guesses
from metering.ingest.models import Batch, QuarantinedEvent, UsageEvent
from metering.ingest.quarantine import estimate
from metering.ingest.quarantine.estimate import fill_estimates
from tests.console.conftest import OPERATOR, World
from tests.kit.factories import GOLDEN_COST, GOLDEN_USAGE, NOW, an_event, make_gateway, make_price, send, work
from tests.kit.operator import acts_on, submit
from workspaces.models import APIKey

LISTING = "admin:metering_quarantinedevent_changelist"
BAD = {**GOLDEN_USAGE, "total_tokens": 2307}
SK = "sk-proj-abcdefghijklmnopqrstuvwx"


@pytest.fixture(autouse=True)
def _from_the_beginning() -> None:
    estimate._after = 0


def page_of(event: QuarantinedEvent, name: str = "change") -> str:
    return reverse(f"admin:metering_quarantinedevent_{name}", args=[event.pk])


def shown(console: Client, url: str) -> str:
    """The page's text, one space between words."""
    answer = console.get(url)
    assert answer.status_code == 200
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", answer.content.decode())).split())


def listed(console: Client, **given: str) -> list[str | None]:
    return [event.request_id for event in console.get(reverse(LISTING), given).context["cl"].result_list]


def held_back(key: APIKey, request_id: str, **about: Any) -> QuarantinedEvent:
    send(make_gateway(), [an_event(key, request_id=request_id, **{"usage": BAD, **about})])
    return QuarantinedEvent.objects.latest("id")


def test_open_events_are_added_up_by_reason(console: Client, world: World) -> None:
    for number in range(3):
        held_back(world.key, f"bad-{number}")
    held_back(world.key, "unknown", model="mystery-1")
    QuarantinedEvent.objects.filter(request_id="bad-0").update(settled_at=NOW)
    fill_estimates()
    found = {each.code: (each.events, each.estimated, each.estimate) for each in totals.totals_by_reason()}
    assert found == {
        "identity_taken": (1, 1, Decimal("0.0000075")),
        "invalid_event": (1, 1, Decimal("0.000006")),
        "usage_inconsistent": (3, 2, GOLDEN_COST * 2),
    }
    page = shown(console, reverse(LISTING))
    for words in ("Open events 5", "of it $0.0000075 in conflicts, whose first is billed; 1 unknown", "Unpriced requests 1"):
        assert words in page
    assert "Its token counts contradict each other 3 <$0.01 1 unknown 0 s" in page


def test_the_estimate_is_in_no_sum_of_the_overview(console: Client, world: World) -> None:
    work()
    before = sums(console)
    held_back(world.key, "big", usage={"prompt_tokens": 10**9, "completion_tokens": 10**9, "total_tokens": 1})
    fill_estimates()
    assert QuarantinedEvent.objects.latest("id").estimated_cost == Decimal(7500)
    assert sums(console) == before


def sums(console: Client) -> Any:
    context = console.get(reverse("admin:index")).context
    return context["cards"], context["chart"], context["top_workspaces"], context["top_models"]


def test_reasons_are_counted_by_day_whether_open_or_settled(console: Client, world: World) -> None:
    for back in (1, 1, 3, 29, 30):
        event = held_back(world.key, f"r{back}")
        QuarantinedEvent.objects.filter(pk=event.pk).update(created_at=NOW - timedelta(days=back))
    QuarantinedEvent.objects.filter(request_id="r1").update(settled_at=NOW)
    found = totals.quarantined_by_day(timezone.now())
    assert list(found.series) == ["usage_inconsistent", "identity_taken", "invalid_event"]
    assert [(f"{day:%m-%d}", row, total) for day, row, total in found.rows()] == [
        ("10-15", [0, 1, 1], 2),
        ("10-14", [2, 0, 0], 2),
        ("10-12", [1, 0, 0], 1),
        ("09-16", [1, 0, 0], 1),
    ]
    assert "2026-10-14 2 0 0 2" in shown(console, reverse(LISTING))
    assert listed(console, state="all", created_at_from="2026-10-12", created_at_to="2026-10-14") == ["r3", "r1", "r1"]


def test_many_reasons_are_charted_as_the_commonest_and_the_rest(world: World) -> None:
    for number in range(8):
        event = held_back(world.key, f"r{number}")
        QuarantinedEvent.objects.filter(pk=event.pk).update(code=f"code_{number}")
    series = totals.quarantined_by_day(timezone.now()).series
    assert list(series) == ["code_0", "code_1", "code_2", "code_3", "code_4", "other reasons"]
    assert [values[-1] for values in series.values()] == [1, 1, 1, 1, 1, 5]


def test_a_batch_leads_to_what_of_it_is_in_the_quarantine(console: Client, world: World) -> None:
    held_back(world.key, "another batch")
    page = console.get(reverse("admin:metering_batch_change", args=[world.batch.pk])).content.decode()
    link = re.search(r'href="[^"]+(\?state=all[^"]+)"', page)
    assert link
    found = console.get(reverse(LISTING) + html.unescape(link[1])).context["cl"].result_list
    assert [event.request_id for event in found] == ["today-1", "negative"]


def test_the_list_is_narrowed_and_searched(console: Client, world: World) -> None:
    other = make_gateway("us-1")
    send(other, [an_event(world.test_key, request_id="elsewhere", usage=BAD)])
    event = QuarantinedEvent.objects.latest("id")
    assert listed(console, gateway__id__exact=str(other.pk)) == ["elsewhere"]
    assert listed(console, workspace__id__exact=str(world.sandbox.pk)) == ["elsewhere"]
    assert listed(console, kind__exact="corrections") == []
    assert listed(console, code="usage_inconsistent") == ["elsewhere"]
    assert listed(console, created_at_to="2026-10-14") == []
    assert listed(console, q="elsewhere") == listed(console, q=f" {event.public_id} ") == ["elsewhere"]
    assert listed(console, q="else") == []
    QuarantinedEvent.objects.filter(pk=event.pk).update(settled_at=NOW)
    assert listed(console, q="elsewhere") == listed(console, state="settled") == ["elsewhere"]
    assert listed(console, state="replayed") == listed(console, code="usage_inconsistent") == []


def test_an_event_says_why_it_is_here_and_what_to_do(console: Client, world: World) -> None:
    page = shown(console, page_of(held_back(world.key, "bad")))
    assert "Its token counts contradict each other. Find out from the provider which count is right" in page
    assert "total_tokens is 2307" in page
    assert "Would bill, an estimate $0.002649" in page
    conflict = QuarantinedEvent.objects.get(outcome="conflict")
    link = f"{reverse('admin:metering_usageevent_changelist')}?workspace={world.acme.pk}&amp;request_id=today-1"
    assert link in console.get(page_of(conflict)).content.decode()


def test_secrets_are_shown_nowhere(console: Client, world: World) -> None:
    event = held_back(world.key, SK, user=f"Bearer {SK}", metadata={"api_key": "hunter2", "note": f"key {SK}", "tokens": "12"})
    for url in (
        page_of(event),
        page_of(event, "edit_and_replay"),
        reverse("admin:metering_batch_change", args=[event.batch_id]),
    ):
        page = console.get(url).content.decode()
        assert "hunter2" not in page
        assert page.count(SK) <= page.count(f"request_id&quot;: &quot;{SK}&quot;") + 2
        assert "&quot;note&quot;: &quot;key [removed]&quot;" in page
        assert "&quot;tokens&quot;: &quot;12&quot;" in page


def test_content_that_is_no_json_is_shown_and_edited_as_text(console: Client, world: World) -> None:
    event = held_back(world.key, "text")
    QuarantinedEvent.objects.filter(pk=event.pk).update(content=b'{"token": "Bearer abcdefgh12345", \xff')
    assert '{"token": "[removed]", \N{REPLACEMENT CHARACTER}' in shown(console, page_of(event))
    assert '{"token": "[removed]"' in shown(console, page_of(event, "edit_and_replay"))
    assert "it would be refused again: This is not JSON" in shown(console, page_of(event, "replay"))


def test_large_and_deep_content_is_shown_without_secrets_too(console: Client, world: World) -> None:
    event = held_back(world.key, "large")
    deep = b'{"api_key": "hunter2", "a": ' + b'{"a": ' * 900 + b"1" + b"}" * 901
    for content in (b'{"api_key": "hunter2", "note": "%s"}' % (b"x" * 70_000), deep):
        QuarantinedEvent.objects.filter(pk=event.pk).update(content=content)
        for name in ("change", "edit_and_replay", "replay"):
            page = shown(console, page_of(event, name))
            assert "hunter2" not in page
        assert '"api_key": "[removed]"' in shown(console, page_of(event))


def test_an_event_is_replayed_once_its_key_is_there(console: Client, world: World) -> None:
    event = held_back(world.key, "early", key_id="key_of_tomorrow", usage=GOLDEN_USAGE)
    assert "it would be refused again: key_id is not the id of a key of any workspace." in shown(
        console, page_of(event, "replay")
    )
    APIKey.objects.create(workspace=world.acme, kind="live", name="tomorrow", public_id="key_of_tomorrow")
    assert "It would be accepted now" in shown(console, page_of(event, "replay"))
    assert submit(console, page_of(event, "replay"), reason="").status_code == 302
    assert "It waits for a worker." in shown(console, page_of(event))
    work()
    assert "It is recorded." in shown(console, page_of(event))
    assert UsageEvent.objects.get(request_id="early", workspace=world.acme).cost == GOLDEN_COST
    assert acts_on(event.public_id) == [(OPERATOR, "quarantine.replayed")]
    assert "settled already" in submit(console, page_of(event, "replay"), reason="").content.decode()
    assert Batch.objects.filter(source="replay").count() == 1


def test_an_edit_is_checked_before_it_is_sent(console: Client, world: World) -> None:
    event = held_back(world.key, "edited")
    page = page_of(event, "edit_and_replay")
    answer = submit(console, page, content="{", reason="x")
    assert "This is not JSON: Input data was truncated." in html.unescape(answer.content.decode())
    again = json.dumps(an_event(world.key, request_id="edited", usage={**BAD, "total_tokens": 7}))
    answer = submit(console, page, content=again, reason="x")
    assert "total_tokens is 7" in answer.content.decode()
    assert html.escape(again) in answer.content.decode()
    assert b"This field is required" in submit(console, page, content=again, reason="").content
    event.refresh_from_db()
    assert event.settled_at is None

    right = json.dumps(an_event(world.key, request_id="edited"), indent=2).replace("\n", "\r\n")
    assert submit(console, page, content=right, reason="off by one").status_code == 302
    work()
    page = shown(console, page_of(event))
    assert f"edited and replayed by {OPERATOR}: off by one" in page
    assert "usage.total_tokens : 2307 → 2306" in page
    assert UsageEvent.objects.get(request_id="edited").cost == GOLDEN_COST


def test_what_became_of_a_replay_is_read_from_its_batch(console: Client, world: World) -> None:
    first, second = held_back(world.key, "again"), held_back(world.key, "twice", key_id="key_of_tomorrow", usage=GOLDEN_USAGE)
    APIKey.objects.create(workspace=world.acme, kind="live", name="tomorrow", public_id="key_of_tomorrow")
    matching = f"{reverse('admin:metering_quarantinedevent_replay_matching')}?id__gte={first.pk}"
    assert submit(console, matching, reason="").status_code == 302
    send(world.gateway, [an_event(world.key, request_id="twice", key_id="key_of_tomorrow")])
    successor = QuarantinedEvent.objects.latest("id")
    assert (successor.request_id, successor.settled_at) == ("again", None)
    assert f"It was refused again: it is back in the quarantine. bat_{first_replay()} , {successor.public_id}" in shown(
        console, page_of(first)
    )
    assert f"a replay of {first.public_id}" in shown(console, page_of(successor))
    assert "It is recorded." in shown(console, page_of(second))


def first_replay() -> str:
    return Batch.objects.filter(source="replay").earliest("id").public_id.removeprefix("bat_")


def test_a_replay_of_something_recorded_since_is_a_duplicate(console: Client, world: World) -> None:
    event = held_back(world.key, "late")
    send(world.gateway, [an_event(world.key, request_id="late")])
    right = json.dumps(an_event(world.key, request_id="late"))
    submit(console, page_of(event, "edit_and_replay"), content=right, reason="off by one")
    work()
    assert "It was recorded already, with the same content: counted once." in shown(console, page_of(event))
    assert UsageEvent.objects.filter(request_id="late").count() == 1


def test_a_batch_that_is_no_longer_kept_leaves_the_event_readable(console: Client, world: World) -> None:
    event = held_back(world.key, "old")
    submit(console, page_of(event, "replay"), reason="")
    event.refresh_from_db()
    Batch.objects.exclude(pk=world.batch.pk).delete()
    page = shown(console, page_of(event))
    assert f"Replayed in {event.replayed_in}. The batch is no longer kept." in page


def test_all_that_match_are_replayed_and_nothing_that_comes_later(console: Client, world: World) -> None:
    for number in range(60):
        held_back(world.key, f"r{number}")
    listing = console.get(reverse(LISTING), {"code": "usage_inconsistent"})
    assert listing.context["cl"].open_events.events == 60
    link = re.search(r'href="([^"]+replay-matching/[^"]+)"', listing.content.decode())
    assert link
    held_back(world.key, "later")
    url = html.unescape(link[1])
    assert "Replay 60 events" in shown(console, url)
    assert submit(console, url, reason="all of them").status_code == 302
    messages = shown(console, reverse(LISTING))
    assert "60 events replayed in 60 batches. 60 of them were refused again: these are back as new ones." in messages
    assert QuarantinedEvent.objects.filter(settled_at=NOW).count() == 60
    assert QuarantinedEvent.objects.get(request_id="later").settled_at is None


def test_all_that_match_are_dismissed(console: Client, world: World) -> None:
    for number in range(3):
        held_back(world.key, f"r{number}")
    url = f"{reverse('admin:metering_quarantinedevent_dismiss_matching')}?code=usage_inconsistent"
    assert "Dismiss 3 events" in shown(console, url)
    assert b"This field is required" in submit(console, url, reason="").content
    assert submit(console, url, reason="a broken proxy").status_code == 302
    assert QuarantinedEvent.objects.filter(settlement="dismissed: a broken proxy").count() == 3
    assert QuarantinedEvent.objects.open().count() == 2
    assert "settled already" in submit(console, url, reason="again").content.decode()


def test_a_great_many_are_acted_on_in_parts(console: Client, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handling, "AT_ONCE", 2)
    for number in range(3):
        held_back(world.key, f"r{number}")
    last = QuarantinedEvent.objects.latest("id").pk
    url = f"{reverse('admin:metering_quarantinedevent_replay_matching')}?code=usage_inconsistent&id__lte={last}"
    assert submit(console, url, reason="")["Location"] == url
    assert "2 events replayed in 2 batches." in shown(console, url)
    assert submit(console, url, reason="")["Location"] == reverse(LISTING)
    assert QuarantinedEvent.objects.filter(settled_at=NOW, pk__lte=last).count() == 3

    url = url.replace("replay-", "dismiss-").replace(f"={last}", f"={last + 3}")
    assert submit(console, url, reason="known")["Location"] == url
    assert "2 events dismissed. Still open: 1 event. Send the form again for them." in shown(console, url)
    assert submit(console, url, reason="known")["Location"] == reverse(LISTING)
    assert QuarantinedEvent.objects.filter(settlement="dismissed: known").count() == 3


def test_a_full_inbox_keeps_what_was_replayed_before_it_filled(console: Client, world: World, settings: Any) -> None:
    work()
    for number in range(3):
        held_back(world.key, f"r{number}")
    settings.INGEST_MAX_WAITING_BATCHES = 2
    url = f"{reverse('admin:metering_quarantinedevent_replay_matching')}?code=usage_inconsistent"
    assert submit(console, url, reason="").status_code == 302
    page = shown(console, reverse(LISTING))
    assert "2 events replayed in 2 batches." in page
    assert "The inbox is full: the rest is still open." in page
    assert QuarantinedEvent.objects.get(request_id="r2").settled_at is None


def test_the_chosen_ones_are_replayed_together(console: Client, world: World) -> None:
    ids = [held_back(world.key, f"r{number}").pk for number in range(3)]
    answer = console.post(reverse(LISTING), {"action": "replay_selected", "_selected_action": ids[:2]})
    assert "Replay 2 events" in shown(console, answer["Location"])
    assert submit(console, answer["Location"], reason="").status_code == 302
    assert list(QuarantinedEvent.objects.filter(settled_at=NOW).order_by("pk").values_list("pk", flat=True)) == ids[:2]


def test_a_full_inbox_is_told(console: Client, world: World, settings: Any) -> None:
    event = held_back(world.key, "r")
    settings.INGEST_MAX_WAITING_BATCHES = 0
    url = reverse("admin:metering_quarantinedevent_replay_matching")
    answer = submit(console, url, reason="")
    assert answer.status_code == 200
    assert "Too many batches wait for the workers" in answer.content.decode()
    event.refresh_from_db()
    assert event.settled_at is None


def test_an_address_that_makes_no_sense_acts_on_nothing(console: Client, world: World) -> None:
    for verb in ("replay", "dismiss"):
        url = reverse(f"admin:metering_quarantinedevent_{verb}_matching")
        assert console.get(f"{url}?no_such_field=1").status_code == 302
        assert console.post(f"{url}?no_such_field=1", {"reason": "x"}).status_code == 302
    assert not QuarantinedEvent.objects.filter(settled_at__isnull=False).exists()


def test_looking_changes_nothing_and_a_form_needs_its_token(console: Client, world: World) -> None:
    event = held_back(world.key, "r")
    for name in ("edit_and_replay", "replay", "dismiss"):
        console.get(page_of(event, name))
        console.post(page_of(event, name), {"reason": "x", "content": json.dumps(an_event(world.key))})
    strict = Client(enforce_csrf_checks=True)
    strict.cookies = console.cookies
    assert strict.post(page_of(event, "dismiss"), {"reason": "x"}).status_code == 403
    event.refresh_from_db()
    assert event.settled_at is None
    assert not Batch.objects.filter(source="replay").exists()


def test_one_event_costs_a_fixed_number_of_statements(console: Client, world: World) -> None:
    event = held_back(world.key, "r")
    submit(console, page_of(event, "replay"), reason="")
    console.get(page_of(event))  # what a process asks once
    for each in (event, QuarantinedEvent.objects.latest("id")):
        with CaptureQueriesContext(connection) as captured:
            console.get(page_of(each))
        assert len(captured) <= 29  # seven of them for the entry that an operator looked


def test_unpriced_usage_is_estimated_by_the_nearest_price(console: Client, world: World) -> None:
    """The tier first, then the default tier, then the time."""
    make_price("later-1", input="3", cached_input="0.75", output="12", effective_from=NOW + timedelta(days=1))
    make_price("later-1", input="9", output="9", effective_from=NOW + timedelta(days=9))
    make_price("later-1", input="9", output="9", tier="priority")
    events = [
        an_event(world.key, request_id="a", model="later-1"),
        an_event(world.key, request_id="b", model="codex-mini", service_tier="priority"),
    ]
    send(world.gateway, events)
    causes = unpriced_by_cause()
    found = {each["model__slug"]: guess for each, guess in zip(causes, guesses(causes), strict=True)}
    assert {slug: guess and guess.cost for slug, guess in found.items()} == {
        "later-1": GOLDEN_COST * 2,
        "codex-mini": GOLDEN_COST,
        "mystery-1": None,
    }
    page = shown(console, reverse("admin:metering_usageevent_unpriced"))
    assert "they might cost $0.007947; the cost of 1 request cannot be estimated" in page
    assert UsageEvent.objects.filter(cost__isnull=True).count() == 3
