"""A rule says what a number is: it sets free what waits, holds by the time of receipt, has versions, and can be ended."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from metering.errors import RuleExists
from metering.ingest.intake.inbox import claim_fresh
from metering.ingest.models import QuarantinedEvent, UsageEvent
from metering.ingest.quarantine.estimate import fill_estimates
from metering.ingest.quarantine.not_understood import count_held, held_paths, release_held, set_free, waiting_for
from metering.ingest.understanding.decide import LAST_READS, end_rule, make_rule
from metering.ingest.understanding.models import UnknownPath, UsageRule
from omixa_billing.api.errors import InvalidParameter
from tests.kit.factories import GOLDEN_COST, GOLDEN_USAGE, NOW, an_event, make_gateway, send, work
from workspaces.models import APIKey, AuditEntry, Gateway

pytestmark = pytest.mark.django_db

WHO = "operator@omixa.example"
LATER = NOW + timedelta(hours=1)
STRANGE = {**GOLDEN_USAGE, "tool_tokens": 7}
TWICE_STRANGE = {**STRANGE, "audio_seconds": 3}
CHAT = "openai.chat"


def rule(path: str = "tool_tokens", meaning: str = "information", of: str = "", now: Any = LATER) -> UsageRule:
    return make_rule(CHAT, path, meaning, of, "the provider's documentation", WHO, now)


def released(made: UsageRule, now: Any = LATER) -> int:
    sent = sum(batch.event_count for batch in release_held(made, WHO, now, 1_000)) if set_free(CHAT, made.path, now) else 0
    work(now)
    return sent


def test_an_event_is_held_with_every_path_that_nobody_knows(gateway: Gateway, key: APIKey) -> None:
    batch = send(gateway, [an_event(key, usage=TWICE_STRANGE), an_event(key, request_id="plain")])
    held = QuarantinedEvent.objects.get()
    assert (held.code, held.index, batch.recorded) == ("usage_not_understood", 0, 1)
    assert held.message == (
        "usage.audio_seconds, usage.tool_tokens are numbers that are not understood in openai.chat's usage."
    )
    rows = UnknownPath.objects.order_by("path").values_list("event_id", "dialect", "path", "model")
    assert list(rows) == [(held.pk, CHAT, "audio_seconds", "codex-mini"), (held.pk, CHAT, "tool_tokens", "codex-mini")]


def test_what_waits_is_added_up_by_path(gateway: Gateway, key: APIKey) -> None:
    send(gateway, [an_event(key, request_id=f"a{at}", usage=STRANGE) for at in range(3)])
    send(make_gateway("us-1"), [an_event(key, request_id="b", usage=TWICE_STRANGE, model="grok-3")], LATER)
    fill_estimates()
    tools, audio = held_paths()
    assert (tools.dialect, tools.path, tools.events, tools.last_seen) == (CHAT, "tool_tokens", 4, LATER)
    assert (tools.estimated, tools.estimate) == (3, GOLDEN_COST * 3)
    assert (sorted(tools.gateways), sorted(tools.models)) == (sorted([gateway.name, "us-1"]), ["codex-mini", "grok-3"])
    assert (audio.path, audio.events, audio.estimated) == ("audio_seconds", 1, 0)
    assert count_held() == (2, 4)


def test_one_rule_releases_all_events_of_its_path_and_is_remembered(gateway: Gateway, key: APIKey) -> None:
    send(gateway, [an_event(key, request_id=f"a{at}", usage=STRANGE) for at in range(3)])
    assert released(rule()) == 3
    assert set(UsageEvent.objects.values_list("cost", flat=True)) == {GOLDEN_COST}
    assert UsageEvent.objects.count() == 3
    assert (held_paths(), QuarantinedEvent.objects.open().count()) == ([], 0)
    send(gateway, [an_event(key, request_id="next", usage=STRANGE)], LATER)
    assert UsageEvent.objects.get(request_id="next").cost == GOLDEN_COST
    assert UsageEvent.objects.get(request_id="next").usage is not None


def test_an_event_with_another_unknown_number_waits_for_that_one(gateway: Gateway, key: APIKey) -> None:
    send(gateway, [an_event(key, usage=STRANGE), an_event(key, request_id="b", usage=TWICE_STRANGE)])
    assert released(rule()) == 1
    assert waiting_for(CHAT, "tool_tokens").get().request_id == "b"
    assert released(rule("audio_seconds")) == 1
    assert UsageEvent.objects.count() == 2


def test_a_component_is_counted_and_billed(gateway: Gateway, key: APIKey) -> None:
    send(gateway, [an_event(key, usage=STRANGE)])
    assert released(rule(meaning="component", of="output")) == 1
    event = UsageEvent.objects.get()
    assert (event.output_tokens, event.cost) == (307, GOLDEN_COST + Decimal("0.000042"))


@pytest.mark.parametrize(
    ("dialect", "path", "usage", "component", "others", "tokens"),
    [
        (
            "mistral",
            "pages_processed",
            {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15, "pages_processed": 3},
            "page",
            {"page": 3},
            (10, 5),
        ),
        (
            "xai",
            "num_server_side_tools_used",
            {"prompt_tokens": 10, "completion_tokens": 5, "num_server_side_tools_used": 2},
            "",
            None,
            (10, 5),
        ),
    ],
)
def test_a_number_that_a_dialect_did_not_look_at_is_released_by_a_rule(
    gateway: Gateway,
    key: APIKey,
    dialect: str,
    path: str,
    usage: dict[str, Any],
    component: str,
    others: dict[str, int] | None,
    tokens: tuple[int, int],
) -> None:
    send(gateway, [an_event(key, usage=usage)])
    assert UnknownPath.objects.values_list("dialect", "path").get() == (dialect, path)
    meaning = "component" if component else "information"
    made = make_rule(dialect, path, meaning, component, "the provider's documentation", WHO, LATER)
    assert sum(batch.event_count for batch in release_held(made, WHO, LATER, 1_000)) == 1
    work(LATER)
    event = UsageEvent.objects.get()
    assert (event.input_tokens, event.output_tokens, event.others) == (*tokens, others)
    assert not QuarantinedEvent.objects.open().exists()
    end_rule(made.pk, WHO, LATER)
    with pytest.raises(InvalidParameter, match="by itself"):
        make_rule(dialect, path, meaning, component, "again", WHO, LATER + timedelta(days=1))


def test_all_numbers_that_hold_an_event_are_named_together(gateway: Gateway, key: APIKey) -> None:
    usage = {"prompt_tokens": 10, "completion_tokens": 5, "pages_processed": 3, "tool_tokens": 7}
    send(gateway, [an_event(key, usage=usage)])
    assert list(UnknownPath.objects.order_by("path").values_list("path", flat=True)) == ["pages_processed", "tool_tokens"]


def test_a_part_is_counted_by_its_whole(gateway: Gateway, key: APIKey) -> None:
    send(gateway, [an_event(key, usage=STRANGE)])
    assert released(rule(meaning="part", of="completion_tokens")) == 1
    assert UsageEvent.objects.get().cost == GOLDEN_COST


def test_a_rule_holds_by_the_time_of_receipt_for_the_endpoint_and_the_worker(gateway: Gateway, key: APIKey) -> None:
    made = rule(now=NOW)
    waiting = send(gateway, [an_event(key, usage=STRANGE)], process=False)
    end_rule(made.pk, WHO, NOW)
    assert (waiting.rejected, len(claim_fresh("events")[0].open())) == (0, 1)
    work(LATER)
    assert UsageEvent.objects.get().cost == GOLDEN_COST
    before = send(gateway, [an_event(key, request_id="b", usage=STRANGE)], NOW + LAST_READS - timedelta(microseconds=1))
    after = send(gateway, [an_event(key, request_id="c", usage=STRANGE)], NOW + LAST_READS)
    assert (before.recorded, after.rejected) == (1, 1)


def test_a_rule_that_was_ended_is_succeeded_by_its_next_version(gateway: Gateway, key: APIKey) -> None:
    first = rule(now=NOW)
    with pytest.raises(RuleExists):
        rule(now=LATER)
    end_rule(first.pk, WHO, NOW)
    with pytest.raises(RuleExists):
        rule(now=NOW)
    with pytest.raises(InvalidParameter):
        end_rule(first.pk, WHO, LATER)
    second = rule(meaning="component", of="output", now=LATER)
    assert (first.version, second.version) == (1, 2)
    assert list(UsageRule.objects.current()) == [second]
    trail = AuditEntry.objects.filter(target__in=[first.public_id, second.public_id]).order_by("id")
    assert [(entry.actor, entry.action) for entry in trail] == [
        (WHO, "usage_rule.made"),
        (WHO, "usage_rule.ended"),
        (WHO, "usage_rule.made"),
    ]


@pytest.mark.parametrize(
    ("dialect", "path", "meaning", "of", "reason"),
    [
        ("nobody", "tool_tokens", "information", "", "why"),
        (CHAT, "", "information", "", "why"),
        (CHAT, "prompt_tokens", "information", "", "why"),
        (CHAT, "tool_tokens", "whatever", "", "why"),
        (CHAT, "tool_tokens", "part", "", "why"),
        (CHAT, "tool_tokens", "part", "tool_tokens", "why"),
        (CHAT, "tool_tokens", "component", "gold", "why"),
        (CHAT, "tool_tokens", "component", "request", "why"),
        (CHAT, "tool_tokens", "information", "", " "),
    ],
)
def test_a_rule_that_says_nothing_is_refused(dialect: str, path: str, meaning: str, of: str, reason: str) -> None:
    with pytest.raises(InvalidParameter):
        make_rule(dialect, path, meaning, of, reason, WHO, NOW)
    assert not UsageRule.objects.exists()


def test_plain_usage_asks_for_no_rule(gateway: Gateway, key: APIKey) -> None:
    rule(now=NOW)
    with CaptureQueriesContext(connection) as queries:
        send(gateway, [an_event(key)])
    assert not [query for query in queries if "usagerule" in query["sql"]]


def test_a_path_is_kept_within_bounds(gateway: Gateway, key: APIKey) -> None:
    many = {f"strange_{at}": 1 for at in range(80)} | {"x" * 300: 1, "nul\x00": 1}
    send(gateway, [an_event(key, usage=GOLDEN_USAGE | many)])
    assert UnknownPath.objects.count() == 50
    assert QuarantinedEvent.objects.get().code == "usage_not_understood"
