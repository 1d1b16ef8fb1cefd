"""Events, the inbox and the quarantine, as an operator sees and settles them."""

import json
from datetime import timedelta
from urllib.parse import urlencode

from celery import current_app
from django.test import Client
from django.urls import reverse

from metering.ingest.models import Batch, QuarantinedEvent, UsageEvent
from tests.console.conftest import OPERATOR, World
from tests.kit.factories import NOW, an_event, send
from tests.kit.operator import acts_on, submit
from workspaces.models import AuditEntry

EVENTS = "admin:metering_usageevent_changelist"


def listed(console: Client, **given: object) -> list[str]:
    """The request ids on the list, in its order."""
    answer = console.get(reverse(EVENTS), given)
    assert answer.status_code == 200
    return [line["row"].request_id for line in answer.context.get("rows") or []]


def address(event: UsageEvent, **other: object) -> str:
    given = {"workspace": event.workspace_id, "at": event.occurred_at.isoformat(), "id": event.pk, **other}
    return f"{reverse('admin:metering_usageevent_one')}?{urlencode(given)}"


def test_without_a_workspace_no_event_is_shown(console: Client, world: World) -> None:
    page = console.get(reverse(EVENTS)).content.decode()
    assert "Choose a workspace" in page
    assert f'href="?workspace={world.acme.pk}">Acme</a>' in page
    assert "today-1" not in page


def test_the_last_week_is_shown_newest_first(console: Client, world: World) -> None:
    assert listed(console, workspace=world.acme.pk) == ["mystery", "today-2", "today-1", "yesterday"]
    assert listed(console, workspace=world.sandbox.pk) == ["sandboxed"]


def test_events_are_narrowed(console: Client, world: World) -> None:
    acme = world.acme.pk
    assert listed(console, workspace=acme, last_day="2026-10-14") == ["yesterday"]
    assert listed(console, workspace=acme, first_day="2026-09-01", last_day="2026-09-30") == ["september"]
    assert listed(console, workspace=acme, model="mystery-1") == ["mystery"]
    assert listed(console, workspace=acme, status="failed") == []
    assert listed(console, workspace=acme, request_id="september") == ["september"]
    assert listed(console, workspace=acme, key=world.key.public_id, model="codex-mini") == ["today-2", "today-1", "yesterday"]


def test_a_question_that_makes_no_sense_is_explained(console: Client, world: World) -> None:
    def page(**given: object) -> str:
        return console.get(reverse(EVENTS), {"workspace": world.acme.pk, **given}).content.decode()

    assert "This workspace has no such key." in page(key=world.test_key.public_id)
    assert "The last day is before the first." in page(first_day="2026-10-15", last_day="2026-10-01")
    assert "Enter a valid date." in page(first_day="yesterday")
    assert "There is no such request here." in page(request_id="sandboxed")
    assert "cursor" in page(cursor="nonsense")
    assert "Select a valid choice." in console.get(reverse(EVENTS), {"workspace": "0"}).content.decode()


def test_older_events_follow_page_by_page(console: Client, world: World) -> None:
    def sent(number: int) -> dict[str, object]:
        return an_event(world.key, request_id=f"n{number:03}", occurred_at=f"2026-10-15T10:{number // 60:02}:{number % 60:02}Z")

    send(world.gateway, [sent(number) for number in range(120)])
    seen: list[str] = []
    query = f"?workspace={world.acme.pk}"
    while query:
        context = console.get(reverse(EVENTS) + query).context
        seen += [line["row"].request_id for line in context["rows"]]
        query = context["older"]
    assert len(seen) == len(set(seen)) == 125
    assert seen[4:124] == [f"n{number:03}" for number in range(119, -1, -1)]


def test_an_event_explains_its_cost(console: Client, world: World) -> None:
    event = UsageEvent.objects.get(workspace=world.acme, request_id="today-1")
    page = console.get(address(event)).content.decode()
    # 86 uncached, 1,920 cached and 300 output tokens, each at its own rate
    for shown in ("$0.000129", "$0.00072", "$0.0018", "$0.002649", "86", "1,920", "0.375", "1,200 ms", "search", "azure"):
        assert shown in page
    assert world.batch.public_id in page


def test_an_event_without_a_price_says_what_to_do(console: Client, world: World) -> None:
    event = UsageEvent.objects.get(workspace=world.acme, request_id="mystery")
    page = console.get(address(event)).content.decode()
    assert "No price covers its model, service tier and time yet." in page


def test_an_event_is_found_only_where_it_lies(console: Client, world: World) -> None:
    event = UsageEvent.objects.get(workspace=world.acme, request_id="today-1")
    assert console.get(address(event)).status_code == 200
    assert console.get(address(event, workspace=world.sandbox.pk)).status_code == 404
    assert console.get(address(event, at=(event.occurred_at + timedelta(seconds=1)).isoformat())).status_code == 404
    assert console.get(address(event, id=event.pk + 10**6)).status_code == 404
    for nonsense in ({"workspace": "x"}, {"at": "today"}, {"at": "2026-10-15T11:55:00"}, {"id": ""}):
        assert console.get(address(event, **nonsense)).status_code == 404


def test_a_batch_shows_what_became_of_it(console: Client, world: World) -> None:
    page = console.get(reverse("admin:metering_batch_change", args=[world.batch.pk])).content.decode()
    for shown in (
        "identity_taken",
        "no_price",
        "negative",
        world.batch.public_id,
        "&quot;request_id&quot;: &quot;today-1&quot;",
    ):
        assert shown in page


def test_a_large_body_is_cut_off(console: Client, world: World) -> None:
    many = [an_event(world.key, request_id=f"x{number}", metadata={"note": "y" * 800}) for number in range(100)]
    batch = send(world.gateway, many)
    page = console.get(reverse("admin:metering_batch_change", args=[batch.pk])).content.decode()
    assert "bytes more" in page
    assert "&quot;x99&quot;" not in page


def test_failing_batches_are_found(console: Client, world: World) -> None:
    waiting = Batch.objects.get(status="pending")
    listing = reverse("admin:metering_batch_changelist")
    assert list(console.get(listing, {"trouble": "failing"}).context["cl"].result_list) == []
    Batch.objects.filter(pk=waiting.pk).update(failures=2, last_error="Something odd")
    assert list(console.get(listing, {"trouble": "failing"}).context["cl"].result_list) == [waiting]
    assert list(console.get(listing, {"q": world.batch.public_id}).context["cl"].result_list) == [world.batch]


def test_the_workers_are_reminded_of_what_waits(console: Client, world: World) -> None:
    page = reverse("admin:metering_batch_reprocess")
    with current_app.connection_for_write() as broker, broker.channel() as channel:

        def sweeps() -> int:
            """How often the sweep is on the queue, beside what the endpoint reminds of whenever it gets to it."""
            sent = [json.loads(each)["headers"]["task"] for each in channel.client.lrange("celery", 0, -1)]
            return sent.count("metering.sweep_inbox")

        channel.queue_purge("celery")
        console.get(page)
        assert sweeps() == 0
        assert submit(console, page).status_code == 302
        assert sweeps() == 1
        channel.queue_purge("celery")
    assert acts_on("waiting batches") == [(OPERATOR, "inbox.reminded")]


def test_a_quarantined_event_is_dismissed_once_and_kept(console: Client, world: World) -> None:
    event = QuarantinedEvent.objects.get(outcome="rejected")
    content = bytes(event.content)
    page = reverse("admin:metering_quarantinedevent_dismiss", args=[event.pk])
    assert b"This field is required" in submit(console, page, reason="").content
    assert submit(console, page, reason="a test of the gateway").status_code == 302
    event.refresh_from_db()
    assert (event.settled_at, event.settlement) == (NOW, "dismissed: a test of the gateway")
    assert bytes(event.content) == content
    assert b"it is settled already" in submit(console, page, reason="again").content
    event.refresh_from_db()
    assert event.settlement == "dismissed: a test of the gateway"
    assert acts_on(event.public_id) == [(OPERATOR, "quarantine.dismissed")]
    assert event.public_id not in console.get(reverse("admin:metering_quarantinedevent_changelist")).content.decode()


def test_an_event_whose_text_is_no_unicode_can_be_looked_at(console: Client, world: World) -> None:
    send(world.gateway, [an_event(world.key, request_id="half an emoji: \ud83d")])
    event = QuarantinedEvent.objects.latest("id")
    shown = console.get(reverse("admin:metering_quarantinedevent_change", args=[event.pk]))
    assert shown.status_code == 200
    assert "half an emoji: ?" in shown.content.decode()


def test_many_are_dismissed_with_one_reason(console: Client, world: World) -> None:
    listing = reverse("admin:metering_quarantinedevent_changelist")
    ids = list(QuarantinedEvent.objects.order_by("id").values_list("pk", flat=True))
    answer = console.post(listing, {"action": "dismiss_selected", "_selected_action": ids})
    assert QuarantinedEvent.objects.open().count() == 2
    assert submit(console, answer["Location"], reason="known").status_code == 302
    assert QuarantinedEvent.objects.filter(settled_at=NOW, settlement="dismissed: known").count() == 2
    assert AuditEntry.objects.filter(action="quarantine.dismissed").count() == 2


def test_the_quarantine_is_filtered(console: Client, world: World) -> None:
    listing = reverse("admin:metering_quarantinedevent_changelist")

    def found(**given: str) -> list[str]:
        return [event.code for event in console.get(listing, given).context["cl"].result_list]

    assert len(found()) == 2
    assert found(outcome__exact="conflict") == ["identity_taken"]
    assert found(code="identity_taken") == ["identity_taken"]
    assert found(code="no_such_code") == []
    assert found(state="settled") == []
