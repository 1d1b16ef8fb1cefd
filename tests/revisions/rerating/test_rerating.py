"""A corrected price reaches what was rated before it, by an order that leaves the old cost on the trail."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
import time_machine
from django.core.management import CommandError

from metering.errors import PriceAlreadySet
from metering.ingest.models import EventCorrection, UsageEvent
from metering.periods import month_of
from metering.revisions.rerating import jobs
from metering.revisions.rerating.jobs import continue_orders, continue_rerating
from metering.revisions.rerating.reprice import price_waiting
from metering.rollups.compare import event_totals
from metering.rollups.models import HourlyRollup, Rerating
from omixa_billing.api.errors import InvalidParameter
from tests.kit.corrections import correct, replace, void
from tests.kit.factories import GOLDEN_COST, NOW, an_event, make_key, make_model, make_price, make_workspace, send
from tests.kit.rerating import MILLION, OCTOBER_FIRST, correct_price, everything_agrees, ordered, planned, run, short
from workspaces.models import APIKey, AuditEntry, Gateway

pytestmark = pytest.mark.django_db


def costs() -> dict[str, str | None]:
    found = UsageEvent.objects.values_list("request_id", "cost")
    return {name: None if cost is None else f"{cost.normalize():f}" for name, cost in found}


def test_a_price_from_the_past_reaches_rated_usage_only_by_order(gateway: Gateway, key: APIKey) -> None:
    """86 x 2 + 1920 x 0.375 + 300 x 6 per million is 0.002692."""
    send(gateway, [an_event(key, request_id="new"), an_event(key, request_id="old", occurred_at="2026-09-30T23:59:59Z")])
    first = UsageEvent.objects.get(request_id="new").price_id
    right = correct_price()
    assert costs() == {"new": "0.002649", "old": "0.002649"}
    assert planned() == [("2026-10", 1, "0.002649", "0.002692")]

    order = ordered()
    assert continue_orders(NOW) == 1
    order.refresh_from_db()
    assert (order.status, order.finished_at, order.changed, order.priced) == ("finished", NOW, 1, 0)
    assert (order.cost_before, order.cost_after) == (GOLDEN_COST, Decimal("0.002692"))
    assert costs() == {"new": "0.002692", "old": "0.002649"}
    entry = EventCorrection.objects.get()
    assert (entry.action, entry.reason, entry.actor, entry.rerating) == ("rerate", "a wrong price", "op@omixa.example", order)
    assert (entry.before_price_id, entry.before_cost) == (first, GOLDEN_COST)
    assert (entry.after_price_id, entry.after_cost) == (right.pk, Decimal("0.002692"))
    assert set(HourlyRollup.objects.filter(hour__gte=OCTOBER_FIRST).values_list("price_id", flat=True)) == {right.pk}
    assert everything_agrees()
    assert planned() == []


def test_the_order_is_audited_and_needs_a_reason(gateway: Gateway, key: APIKey) -> None:
    send(gateway, [an_event(key)])
    correct_price()
    order = ordered(model="codex-mini", workspace=key.workspace)
    entry = AuditEntry.objects.get(action="rerating.ordered")
    assert (entry.actor, entry.target, entry.workspace) == ("op@omixa.example", order.public_id, key.workspace)
    assert entry.detail["model"] == "codex-mini"
    assert order.plan == [
        {
            "workspace_id": key.workspace.public_id,
            "month": "2026-10",
            "requests": 1,
            "first_priced": 0,
            "cost_before": "0.002649000000",
            "cost_after": "0.002692000000",
            "difference": "0.000043000000",
            "invoiced": False,
        }
    ]
    with pytest.raises(InvalidParameter, match="Say why"):
        jobs.order_rerating(
            None, None, jobs.scope_for(None, None, OCTOBER_FIRST, None, NOW), reason=" ", plan=[], actor="x", now=NOW
        )


def test_running_it_again_changes_nothing(gateway: Gateway, key: APIKey) -> None:
    send(gateway, [an_event(key, request_id=f"r{at}") for at in range(5)])
    correct_price()
    first, heard = ordered(), []
    assert continue_orders(NOW, lambda done, total: heard.append((done, total))) == 5
    assert heard == [(5, 5)]
    assert continue_orders(NOW) == 0
    second = ordered()
    assert continue_orders(NOW) == 0
    second.refresh_from_db()
    assert (second.status, second.plan, second.changed, second.examined) == ("finished", [], 0, 0)
    Rerating.objects.filter(pk=first.pk).update(status="running", at_workspace=None, at_time=None, at_event=None)
    assert continue_orders(NOW) == 0
    assert EventCorrection.objects.count() == 5


def test_killed_half_way_it_goes_on_from_its_last_commit(
    gateway: Gateway, key: APIKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("metering.revisions.rerating.rerate_events.EVENTS_PER_TRANSACTION", 4)
    send(
        gateway,
        [an_event(key, request_id=f"r{at}", occurred_at=(NOW - timedelta(hours=at)).isoformat()) for at in range(10)],
    )
    correct_price()
    order = ordered()
    planned_before = planned()

    class Killed(BaseException):
        """Not an Exception, as a signal is none."""

    calls = []

    def die(*arguments: Any) -> None:
        calls.append(1)
        if len(calls) == 2:
            raise Killed
        real(*arguments)

    real = jobs._move_on
    with monkeypatch.context() as patched:
        patched.setattr(jobs, "_move_on", die)
        with pytest.raises(Killed):
            continue_rerating(order.pk, NOW)
    order.refresh_from_db()
    assert (order.status, order.changed, EventCorrection.objects.count()) == ("running", 4, 4)
    assert everything_agrees()

    assert continue_rerating(order.pk, NOW) == 6
    order.refresh_from_db()
    assert (order.status, order.changed, order.examined, EventCorrection.objects.count()) == ("finished", 10, 10, 10)
    assert planned_before == [("2026-10", 10, short(str(order.cost_before)), short(str(order.cost_after)))]
    assert set(costs().values()) == {"0.002692"}
    assert everything_agrees()


def test_the_dry_run_is_what_the_order_then_does(gateway: Gateway, key: APIKey) -> None:
    """Overrides, aliases, thresholds, tiers, an unpriced model, two months and two workspaces at once."""
    model = make_price("codex-mini", tier="priority").model
    make_model("codex-mini-latest", alias_of=model)
    rival = make_key(make_workspace("Rival"))
    make_price(input="1", workspace=rival.workspace)
    events = [
        an_event(owner, request_id=f"{name}-{day}", occurred_at=f"2026-{day}T10:00:00Z", **extra)
        for owner in (key, rival)
        for day in ("09-29", "10-02", "10-14")
        for name, extra in {
            "plain": {},
            "alias": {"model": "codex-mini-latest"},
            "tier": {"service_tier": "priority"},
            "long": {"usage": MILLION},
            "unpriced": {"model": "late"},
            "failed": {"status": "failed"},
        }.items()
    ]
    send(gateway, events)
    correct_price(effective_from=datetime(2026, 9, 1, tzinfo=UTC))
    correct_price(input="4", above_input_tokens=200_000)
    correct_price("late", effective_from=datetime(2026, 10, 10, tzinfo=UTC))
    correct(gateway, void(key, "plain-10-14"), replace(key, MILLION, "plain-09-29"))
    september = datetime(2026, 9, 1, tzinfo=UTC)

    def sums() -> dict[tuple[str, str], Decimal]:
        found: dict[tuple[str, str], Decimal] = {}
        for workspace, at, cost in UsageEvent.objects.values_list("workspace__public_id", "occurred_at", "cost"):
            where = (workspace, f"{at:%Y-%m}")
            found[where] = found.get(where, Decimal(0)) + (cost or 0)
        return found

    before = sums()
    order = ordered(september)
    continue_orders(NOW)
    order.refresh_from_db()
    after = sums()
    differences = {where: after[where] - before[where] for where in after if after[where] != before[where]}
    assert differences == {(row["workspace_id"], row["month"]): Decimal(row["difference"]) for row in order.plan}
    # Acme, September: the plain one was replaced when the price stood already; alias and long change. October: alias, long
    # above the threshold, and late is priced for the first time. The rival has a price of its own for all but late.
    assert [(row["month"], row["requests"], row["first_priced"], short(row["difference"])) for row in order.plan] == [
        ("2026-09", 2, 0, "0.500043"),
        ("2026-10", 6, 1, "5.002821"),
        ("2026-10", 1, 1, "0.002692"),
    ]
    assert (order.changed, order.priced) == (9, 2)
    assert order.cost_after - order.cost_before == sum(differences.values())
    assert EventCorrection.objects.filter(action="rerate").count() == 7
    assert planned(september) == []
    assert everything_agrees()


def test_voided_and_failed_events_are_left_alone(gateway: Gateway, key: APIKey) -> None:
    send(gateway, [an_event(key, request_id="void"), an_event(key, request_id="failed", status="failed"), an_event(key)])
    correct(gateway, void(key, "void"))
    correct_price()
    ordered()
    assert continue_orders(NOW) == 1
    assert costs() == {"void": "0", "failed": "0", "req_1": "0.002692"}
    assert everything_agrees()


def test_only_the_scope_is_rated_again(gateway: Gateway, key: APIKey) -> None:
    other = make_key(make_workspace("Other"))
    make_price("grok-3")
    send(
        gateway,
        [
            an_event(key, request_id="in"),
            an_event(other, request_id="other"),
            an_event(key, request_id="before", occurred_at="2026-10-15T11:29:59.999999Z"),
            an_event(key, request_id="model", model="grok-3"),
        ],
    )
    correct_price()
    correct_price("grok-3")
    ordered(datetime(2026, 10, 15, 11, 30, tzinfo=UTC), "codex-mini", key.workspace)
    continue_orders(NOW)
    assert costs() == {"in": "0.002692", "other": "0.002649", "before": "0.002649", "model": "0.002649"}
    assert everything_agrees()


def test_what_no_price_covers_any_more_keeps_the_one_it_has(gateway: Gateway, key: APIKey) -> None:
    """The model became an alias of one that has no price."""
    send(gateway, [an_event(key)])
    model = UsageEvent.objects.get().model
    model.alias_of = make_model("unpriced")
    model.save()
    ordered()
    assert continue_orders(NOW) == 0
    assert costs() == {"req_1": "0.002649"}


def test_a_correction_after_a_rerating_begins_where_it_ended(gateway: Gateway, key: APIKey) -> None:
    send(gateway, [an_event(key)])
    correct_price()
    ordered()
    continue_orders(NOW)
    correct(gateway, void(key))
    rows = EventCorrection.objects.order_by("id").values_list("action", "before_cost", "after_cost")
    assert list(rows) == [
        ("rerate", Decimal("0.002649"), Decimal("0.002692")),
        ("void", Decimal("0.002692"), Decimal(0)),
    ]
    assert event_totals(month_of(NOW))["requests"] == 0
    assert everything_agrees()


def test_hours_whose_price_stands_are_not_read(gateway: Gateway, key: APIKey) -> None:
    """Ten days of usage, of which the last three fall under the new price."""
    send(gateway, [an_event(key, request_id=f"r{day}", occurred_at=f"2026-10-{day:02}T10:00:00Z") for day in range(1, 11)])
    correct_price(effective_from=datetime(2026, 10, 8, tzinfo=UTC))
    order = ordered()
    continue_orders(NOW)
    order.refresh_from_db()
    assert (order.examined, order.changed) == (3, 3)


def test_a_price_of_the_same_beginning_is_corrected_only_when_asked_to(gateway: Gateway, key: APIKey) -> None:
    send(gateway, [an_event(key)])
    wrong = correct_price(input="1")
    with pytest.raises(PriceAlreadySet, match="ask for it to be corrected"):
        correct_price(input="2")
    right = correct_price(input="2", correct=True)
    assert (wrong.revision, right.revision, right.pk != wrong.pk) == (0, 1, True)
    assert correct_price(input="2", correct=True) == right
    assert correct_price(input="2") == right
    with pytest.raises(PriceAlreadySet):
        correct_price(input="1")
    back = correct_price(input="1", correct=True)
    assert back.revision == 2
    assert correct_price(input="2", correct=True).revision == 3

    ordered()
    continue_orders(NOW)
    assert costs() == {"req_1": "0.002692"}
    assert UsageEvent.objects.get().price.revision == 3  # type: ignore[union-attr]
    send(gateway, [an_event(key, request_id="later")])
    assert costs()["later"] == "0.002692"
    assert AuditEntry.objects.filter(action="price.set").count() == 4


def test_first_prices_leave_no_trail(gateway: Gateway, key: APIKey) -> None:
    send(gateway, [an_event(key, model="late")])
    correct_price("late")
    assert price_waiting() == 1
    assert not EventCorrection.objects.exists()
    assert everything_agrees()


@time_machine.travel(NOW, tick=False)
def test_the_command_tells_and_then_does(gateway: Gateway, key: APIKey) -> None:
    send(gateway, [an_event(key)])
    correct_price()
    arguments = ["rerate", "codex-mini", "--from", "2026-10-01T00:00:00Z"]
    months = [
        {
            "workspace_id": key.workspace.public_id,
            "month": "2026-10",
            "requests": 1,
            "first_priced": 0,
            "cost_before": "0.002649000000",
            "cost_after": "0.002692000000",
            "difference": "0.000043000000",
            "invoiced": False,
        }
    ]
    reported = {
        "applied": False,
        "model": "codex-mini",
        "workspace_id": None,
        "from": "2026-10-01T00:00:00Z",
        "to": "2026-10-15T12:10:00Z",
        "months": months,
        "total": {name: months[0][name] for name in ("requests", "first_priced", "cost_before", "cost_after", "difference")},
    }
    assert run(*arguments) == reported
    assert not Rerating.objects.exists()
    with pytest.raises(CommandError, match="Say why"):
        run(*arguments, "--apply")
    done = run(*arguments, "--apply", "--reason", "a wrong price")
    order = Rerating.objects.get()
    assert done == reported | {
        "applied": True,
        "rerating_id": order.public_id,
        "status": "finished",
        "changed": 1,
        "cost_before": "0.002649000000",
        "cost_after": "0.002692000000",
    }
    assert run(*arguments)["months"] == []
    for wrong in (["no such model"], ["codex-mini", "--workspace", "ws_nobody"]):
        with pytest.raises(CommandError, match="There is no"):
            run("rerate", *wrong, "--from", "2026-10-01T00:00:00Z")
    with pytest.raises(CommandError, match="--to is not after --from"):
        run(*arguments, "--to", "2026-10-01T00:00:00Z")
