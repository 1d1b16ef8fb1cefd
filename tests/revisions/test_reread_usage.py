"""What is learnt of usage later is read from what was kept, and corrected once, on the way on which every event changes."""

import json
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from metering.ingest.models import Batch, EventCorrection, QuarantinedEvent, UsageEvent
from metering.ingest.quarantine.not_understood import release_held
from metering.ingest.understanding.decide import LAST_READS, end_rule, make_rule
from metering.ingest.understanding.models import UsageRule
from metering.reconcile.everything import everything
from metering.worker.corrections import sweep_corrections
from tests.kit.corrections import SMALL_COST, SMALL_USAGE, correct, hand_in, replace, state, trail
from tests.kit.factories import GOLDEN_COST, GOLDEN_USAGE, NOW, an_event, make_price, send, work
from tests.kit.spoiled import spoil
from workspaces.models import APIKey, AuditEntry, Gateway

pytestmark = pytest.mark.django_db

SEARCHED = GOLDEN_USAGE | {"searches": 3}
FROM = "2026-10-01T00:00:00Z"
WHY = "searches were counted as nothing"


@pytest.fixture(autouse=True)
def a_day(time_machine: Any) -> None:
    time_machine.move_to(NOW + timedelta(hours=2), tick=False)


def run(*arguments: str) -> dict[str, Any]:
    out: list[str] = []

    class Out:
        def write(self, text: str) -> None:
            out.append(text)

    call_command("reread_usage", *arguments, stdout=Out())
    return dict(json.loads("".join(out)))


def rule(meaning: str, of: str = "", minutes: int = 0) -> UsageRule:
    return make_rule("openai.chat", "searches", meaning, of, "documentation", "ops@a.example", NOW + timedelta(minutes=minutes))


@pytest.fixture
def learnt(gateway: Gateway, key: APIKey) -> Decimal:
    """Events whose searches were said to be informational, and then to be searches. What one costs then."""
    made = rule("information")
    send(gateway, [an_event(key, request_id=f"r{at}", usage=SEARCHED) for at in range(2)])
    send(gateway, [an_event(key, request_id="plain")])
    assert set(UsageEvent.objects.values_list("cost", flat=True)) == {GOLDEN_COST}
    end_rule(made.pk, "ops@a.example", NOW + timedelta(minutes=1))
    rule("component", "web_search", 2)
    make_price("codex-mini", effective_from=NOW - timedelta(days=1), web_search="0.01")
    return GOLDEN_COST + Decimal("0.03")


def costs() -> list[Decimal | None]:
    return list(UsageEvent.objects.order_by("request_id").values_list("cost", flat=True))


def test_a_dry_run_says_what_would_change_and_changes_nothing(learnt: Decimal) -> None:
    answer = run("--from", FROM)
    before, after = f"{GOLDEN_COST * 2:.12f}", f"{learnt * 2:.12f}"
    assert (answer["applied"], answer["examined"], answer["changed"], answer["batches"]) == (False, 2, 2, [])
    assert answer["models"] == [{"model": "codex-mini", "requests": 2, "cost_before": before, "cost_after": after}]
    assert answer["refused"] == {}
    work()
    assert set(costs()) == {GOLDEN_COST}
    assert not EventCorrection.objects.exists()


def test_what_was_learnt_is_corrected_once_and_audited(learnt: Decimal) -> None:
    answer = run("--from", FROM, "--apply", "--reason", WHY)
    again = run("--from", FROM, "--apply", "--reason", WHY)  # before the workers came to it
    work()
    assert costs() == [GOLDEN_COST, learnt, learnt]
    assert (answer["changed"], len(answer["batches"]), again["changed"]) == (2, 1, 2)
    trail = EventCorrection.objects.values_list("action", "reason", "before_cost", "after_cost", "after_others")
    assert list(trail) == [("replace", WHY, GOLDEN_COST, learnt, {"web_search": 3})] * 2
    after = run("--from", FROM, "--apply", "--reason", WHY)
    assert (after["examined"], after["changed"], after["batches"]) == (2, 0, [])
    audited = AuditEntry.objects.filter(action="usage.reread").order_by("id")
    assert [(entry.detail["from"], entry.detail["reason"]) for entry in audited] == [(FROM, WHY)] * 3
    assert everything()["differences"] == []


def test_who_had_it_read_is_known_also_where_it_ends_early(learnt: Decimal, monkeypatch: pytest.MonkeyPatch) -> None:
    def dies(*_: Any) -> None:
        raise SystemExit

    monkeypatch.setattr("metering.management.commands.reread_usage.reread_usage", dies)
    with pytest.raises(SystemExit):
        run("--from", FROM, "--apply", "--reason", WHY)
    assert AuditEntry.objects.get(action="usage.reread").detail["reason"] == WHY


def test_only_what_is_asked_for_is_read(learnt: Decimal, key: APIKey) -> None:
    assert run("codex-mini", "--from", FROM)["changed"] == 2
    assert run("--from", FROM, "--workspace", key.workspace.public_id)["changed"] == 2
    assert run("--from", FROM, "--to", "2026-10-02T00:00:00Z")["examined"] == 0
    make_price("grok-3")
    assert run("grok-3", "--from", FROM)["examined"] == 0


def test_an_event_is_read_by_the_dialect_that_it_named(gateway: Gateway, key: APIKey) -> None:
    """Without a total, only a gateway that says xAI has reasoning beside the completion."""
    usage = {"prompt_tokens": 10, "completion_tokens": 20, "cost": 0.5, "completion_tokens_details": {"reasoning_tokens": 5}}
    send(gateway, [an_event(key, usage=usage, dialect="xai")])
    assert UsageEvent.objects.get().output_tokens == 25
    answer = run("--from", FROM)
    assert (answer["examined"], answer["changed"]) == (1, 0)


def test_what_was_corrected_is_read_from_the_correction(gateway: Gateway, key: APIKey) -> None:
    send(gateway, [an_event(key, usage=GOLDEN_USAGE | {"cost": 0.5})])
    correct(gateway, replace(key, {"prompt_tokens": 7, "completion_tokens": 1, "cost": 0.1}))
    answer = run("--from", FROM)
    assert (answer["examined"], answer["changed"]) == (1, 0)


def test_what_nobody_understands_any_more_is_said_and_stays(gateway: Gateway, key: APIKey) -> None:
    made = rule("information")
    send(gateway, [an_event(key, usage=SEARCHED)])
    end_rule(made.pk, "ops@a.example", NOW)
    answer = run("--from", FROM, "--apply", "--reason", WHY)
    assert (answer["changed"], answer["refused"], answer["batches"]) == (0, {"usage_not_understood": 1}, [])
    assert costs() == [GOLDEN_COST]


def test_what_a_gateway_estimated_and_what_failed_is_left_alone(gateway: Gateway, key: APIKey) -> None:
    usage = GOLDEN_USAGE | {"cost": 0.5}
    events = [
        an_event(key, request_id="a", usage=usage, usage_source="estimated"),
        an_event(key, request_id="b", usage=usage, status="failed"),
    ]
    send(gateway, events)
    assert run("--from", FROM)["examined"] == 0


@pytest.mark.parametrize("arguments", [["--apply"], ["--apply", "--reason", " "], ["--to", FROM], ["nobody-1"]])
def test_what_makes_no_sense_is_refused(arguments: list[str]) -> None:
    with pytest.raises(CommandError):
        run("--from", FROM, *arguments)


def test_many_events_are_read_in_portions(learnt: Decimal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("metering.revisions.reread_usage.AT_ONCE", 1)
    answer = run("--from", FROM, "--apply", "--reason", WHY)
    work()
    assert (answer["examined"], answer["changed"], len(answer["batches"])) == (2, 2, 2)
    assert costs() == [GOLDEN_COST, learnt, learnt]


def test_what_a_rule_set_free_keeps_its_usage_too(gateway: Gateway, key: APIKey) -> None:
    send(gateway, [an_event(key, usage=SEARCHED)])
    assert QuarantinedEvent.objects.open().exists()
    made = rule("information", minutes=1)
    list(release_held(made, "ops@a.example", NOW + timedelta(minutes=2), 10))
    work(NOW + timedelta(minutes=2))
    end_rule(made.pk, "ops@a.example", NOW + timedelta(minutes=3) - LAST_READS)
    rule("component", "web_search", 4)
    assert run("--from", FROM)["changed"] == 1


OLD = {"kept_before_dialects": 1}
STATED = {"prompt_tokens": 10, "completion_tokens": 20, "cost": 0.5, "completion_tokens_details": {"reasoning_tokens": 5}}


def test_what_was_kept_without_its_dialect_stays(gateway: Gateway, key: APIKey) -> None:
    send(gateway, [an_event(key, usage=STATED, dialect="xai")])
    UsageEvent.objects.update(usage=json.dumps(STATED).encode())
    answer = run("--from", FROM, "--apply", "--reason", WHY)
    assert (answer["examined"], answer["changed"], answer["refused"], answer["batches"]) == (1, 0, OLD, [])


def test_what_a_correction_did_not_bring_up_to_date_stays_until_one_does(gateway: Gateway, key: APIKey) -> None:
    send(gateway, [an_event(key, usage=STATED)])
    correct(gateway, replace(key, {"prompt_tokens": 7, "completion_tokens": 1, "cost": 0.1}))
    spoil("UPDATE metering_eventcorrection SET before_tier_id = NULL, after_tier_id = NULL")
    UsageEvent.objects.update(usage=b"-" + json.dumps(STATED).encode())
    answer = run("--from", FROM, "--apply", "--reason", WHY)
    assert (answer["examined"], answer["changed"], answer["refused"]) == (1, 0, OLD)
    correct(gateway, replace(key, {"prompt_tokens": 8, "completion_tokens": 1, "cost": 0.1}))
    assert run("--from", FROM)["refused"] == {}


def test_what_a_gateway_replaced_meanwhile_stays(learnt: Decimal, gateway: Gateway, key: APIKey) -> None:
    """It said so after the usage was read again, or before and its correction is processed first."""
    hand_in(gateway, replace(key, SMALL_USAGE, "r0"), now=NOW + timedelta(hours=2))
    run("--from", FROM, "--apply", "--reason", WHY)
    work()
    assert state("r0")[-1] == SMALL_COST
    assert state("r1")[-1] == f"{learnt:.12f}"
    assert [took_effect for _, took_effect, *_ in trail("r0")] == [True, False]
    assert run("--from", FROM)["changed"] == 0
    assert everything()["differences"] == []


def test_what_a_gateway_replaced_before_counts_though_its_batch_failed_at_first(
    learnt: Decimal, gateway: Gateway, key: APIKey
) -> None:
    """Processed after the usage was read again, it still is what the gateway said of the response, and that is not."""
    first = hand_in(gateway, replace(key, SMALL_USAGE, "r0"), now=NOW + timedelta(hours=2))
    Batch.objects.filter(pk=first.pk).update(failures=1)
    run("--from", FROM, "--apply", "--reason", WHY)
    work()
    assert state("r0")[-1] == f"{learnt:.12f}"
    sweep_corrections(timezone.now)
    assert [took_effect for _, took_effect, *_ in trail("r0")] == [True, True]
    assert state("r0")[-1] == SMALL_COST
    assert state("r1")[-1] == f"{learnt:.12f}"
    assert run("--from", FROM)["changed"] == 0
    assert everything()["differences"] == []


def test_of_two_replacements_of_a_gateway_the_later_one_counts_whatever_was_read_again_between(
    learnt: Decimal, gateway: Gateway, key: APIKey
) -> None:
    later = NOW + timedelta(hours=2)
    failed = hand_in(gateway, replace(key, GOLDEN_USAGE, "r0"), now=later)
    Batch.objects.filter(pk=failed.pk).update(failures=1)
    hand_in(gateway, replace(key, SEARCHED | {"completion_tokens": 10, "completion_tokens_details": None}, "r0"), now=later)
    work()
    standing = state("r0")[-1]
    run("--from", FROM, "--apply", "--reason", WHY)
    work()
    sweep_corrections(timezone.now)
    assert state("r0")[-1] == standing
    assert everything()["differences"] == []


def test_of_two_readings_the_later_one_counts_though_its_batch_was_processed_first(learnt: Decimal, time_machine: Any) -> None:
    run("--from", FROM, "--apply", "--reason", WHY)
    Batch.objects.filter(status="pending").update(failures=1)
    at = NOW + timedelta(hours=3)
    end_rule(UsageRule.objects.latest("id").pk, "ops@a.example", at)
    time_machine.move_to(at + timedelta(minutes=10), tick=False)
    rule("component", "file_search_call", 190)
    make_price("codex-mini", effective_from=NOW - timedelta(hours=12), file_search_call="0.02")
    assert run("--from", FROM, "--apply", "--reason", WHY)["changed"] == 2
    work()
    assert costs()[1:] == [GOLDEN_COST + Decimal("0.06")] * 2
    sweep_corrections(timezone.now)
    assert costs()[1:] == [GOLDEN_COST + Decimal("0.06")] * 2
    assert [took_effect for _, took_effect, *_ in trail("r0")] == [True, False]


def test_a_correction_that_changed_nothing_stands_in_no_ones_way(learnt: Decimal, gateway: Gateway, key: APIKey) -> None:
    later, usage = NOW + timedelta(hours=2), SMALL_USAGE | {"cost": 0.5}
    hand_in(gateway, replace(key, usage, "r0"), now=later)
    run("--from", FROM, "--apply", "--reason", WHY)
    hand_in(gateway, replace(key, GOLDEN_USAGE, "r0"), now=later)
    work()
    assert [took_effect for _, took_effect, *_ in trail("r0")] == [True, False, True]
    assert state("r0")[-1] == f"{GOLDEN_COST:.12f}"


def test_what_goes_back_and_forth_is_read_again_each_time(learnt: Decimal, time_machine: Any) -> None:
    """With one reason, which customers read."""
    for times, (ended, begun) in enumerate([("", ""), ("component", "information"), ("information", "component")]):
        if ended:
            at = NOW + timedelta(hours=2 + times)
            time_machine.move_to(at, tick=False)
            end_rule(UsageRule.objects.latest("id").pk, "ops@a.example", at)
            time_machine.move_to(at + timedelta(minutes=5), tick=False)
            rule(begun, "web_search" if begun == "component" else "", 125 + times * 60)
        assert run("--from", FROM, "--apply", "--reason", WHY)["changed"] == 2
        work()
        assert costs()[1:] == [GOLDEN_COST if begun == "information" else learnt] * 2


def test_a_gateway_does_not_say_what_its_correction_was_read_from(learnt: Decimal, gateway: Gateway, key: APIKey) -> None:
    for request_id in ("r0", "late"):
        correct(gateway, replace(key, SMALL_USAGE, request_id, read_from="another.0"))
    send(gateway, [an_event(key, request_id="late", usage=GOLDEN_USAGE)])
    work()
    assert (state("r0")[-1], state("late")[-1]) == (SMALL_COST, SMALL_COST)
    assert correct(gateway, replace(key, SMALL_USAGE, "late")).duplicate == 1
