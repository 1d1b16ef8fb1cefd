"""Rollups are the events, added up: live, moved by a late price, rebuilt, or compared."""

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection

from metering.catalogue.set_price import set_price
from metering.ingest.models import UsageEvent
from metering.periods import month_of
from metering.revisions.rerating.reprice import price_waiting
from metering.rollups.compare import rollup_differences
from metering.rollups.models import DailyRollup, HourlyRollup
from tests.kit.factories import GOLDEN_COST, NOW, an_event, make_gateway, make_price, send
from workspaces.models import APIKey

pytestmark = pytest.mark.django_db
OCTOBER = month_of(NOW)


def rows(table: Any) -> list[tuple[Any, ...]]:
    names = [field.name for field in table._meta.local_fields if field.name != "pk"]
    return sorted(table.objects.values_list(*names), key=str)


def no_differences() -> bool:
    return all(rollup_differences(grain, OCTOBER).count == 0 for grain in ("hour", "day"))


def traffic(key: APIKey, gateway: Any) -> None:
    """40 events over several hours and days, of two models, three tiers, two providers and all statuses."""
    make_price("grok-3", input="3", cached_input=None, output="15")
    send(
        gateway,
        [
            an_event(
                key,
                request_id=f"r{at}",
                model=("codex-mini", "grok-3", "unknown")[at % 3],
                service_tier=("default", "priority")[at % 5 == 0],
                provider=(None, "azure-openai")[at % 2],
                status=("succeeded", "aborted", "failed")[at % 7 % 3],
                occurred_at=(NOW - timedelta(hours=at * 2.5)).isoformat(),
            )
            for at in range(40)
        ],
    )


def test_hours_and_days_hold_the_same_sums(key: APIKey) -> None:
    traffic(key, make_gateway())
    assert sum(HourlyRollup.objects.values_list("cost", flat=True)) == sum(DailyRollup.objects.values_list("cost", flat=True))
    assert sum(HourlyRollup.objects.values_list("requests", flat=True)) == 40
    assert sum(DailyRollup.objects.values_list("requests", flat=True)) == 40
    costs = UsageEvent.objects.filter(cost__isnull=False).values_list("cost", flat=True)
    assert sum(DailyRollup.objects.values_list("cost", flat=True)) == sum(costs)
    assert no_differences()


def test_a_rebuilt_rollup_is_the_live_one(key: APIKey) -> None:
    traffic(key, make_gateway())
    live = rows(HourlyRollup), rows(DailyRollup)
    out = StringIO()
    call_command("rebuild_rollups", stdout=out)
    assert json.loads(out.getvalue()) == {"hours": len(live[0]), "changed": 0}
    assert (rows(HourlyRollup), rows(DailyRollup)) == live


def test_a_spoilt_rollup_is_found_and_repaired(key: APIKey) -> None:
    traffic(key, make_gateway())
    sound = rows(HourlyRollup), rows(DailyRollup)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE metering_dailyrollup SET cost = cost + 0.000000000001 WHERE cost > 0")
        spoilt = cursor.rowcount
        cursor.execute("DELETE FROM metering_hourlyrollup WHERE status = 2")
        spoilt += cursor.rowcount
    assert rollup_differences("day", OCTOBER).count + rollup_differences("hour", OCTOBER).count == spoilt

    out = StringIO()
    with pytest.raises(SystemExit) as stopped:
        call_command("reconcile", "--month", "2026-10", stdout=out)
    assert stopped.value.code == 1
    report = json.loads(out.getvalue())
    assert report["ok"] is False
    found = [each for each in report["differences"] if each["check"].startswith("rollup_by_")]
    assert len(found) == spoilt
    assert {each["workspace_id"] for each in found} == {key.workspace.public_id}

    out = StringIO()
    call_command("rebuild_rollups", "--month", "2026-10", stdout=out)
    assert json.loads(out.getvalue())["changed"] == spoilt
    assert (rows(HourlyRollup), rows(DailyRollup)) == sound


def test_reconcile_says_what_it_counted(key: APIKey) -> None:
    send(make_gateway(), [an_event(key), an_event(key, request_id="b")])
    out = StringIO()
    call_command("reconcile", stdout=out)
    report = json.loads(out.getvalue())
    assert (report["ok"], report["differences"]) == (True, [])
    assert report["events"] == {
        "requests": 2,
        "input_tokens": 4012,
        "cached_input_tokens": 3840,
        "cache_write_tokens": 0,
        "output_tokens": 600,
        "reasoning_tokens": 384,
        "cost": "0.005298000000",
    }
    assert report["rollups"] == report["events"]


def test_without_any_usage_everything_agrees() -> None:
    out = StringIO()
    call_command("reconcile", stdout=out)
    assert json.loads(out.getvalue())["ok"] is True


def late_price(**extra: Any) -> None:
    given = {"input": Decimal("1.5"), "cached_input": Decimal("0.375"), "output": Decimal(6)} | extra
    set_price("late", **given, actor="test", now=NOW)


def test_an_event_is_priced_by_itself_once_a_price_covers_its_time(key: APIKey) -> None:
    gateway = make_gateway()
    send(
        gateway,
        [
            an_event(key, model="late", request_id="covered"),
            an_event(key, model="late", request_id="before", occurred_at="2026-10-01T00:00:00Z"),
            an_event(key, model="late", request_id="dear", service_tier="priority"),
            an_event(key, model="late", request_id="failed", status="failed"),
        ],
    )
    assert price_waiting() == 0

    late_price(effective_from=datetime(2026, 10, 2, tzinfo=UTC))
    assert price_waiting() == 1
    assert price_waiting() == 0

    costs = dict(UsageEvent.objects.values_list("request_id", "cost"))
    assert costs == {"covered": GOLDEN_COST, "before": None, "dear": None, "failed": Decimal(0)}
    assert no_differences()
    waiting = HourlyRollup.objects.filter(price_id=0, status__lt=2)
    assert sum(waiting.values_list("requests", flat=True)) == 2

    late_price(effective_from=datetime(2026, 10, 1, tzinfo=UTC))
    late_price(effective_from=datetime(2026, 10, 1, tzinfo=UTC), service_tier="priority", input=Decimal(3))
    assert price_waiting() == 2
    assert not HourlyRollup.objects.filter(price_id=0, status__lt=2).exists()
    assert no_differences()


def test_what_is_priced_keeps_its_version_when_an_earlier_one_is_added(key: APIKey) -> None:
    send(make_gateway(), [an_event(key)])
    first = UsageEvent.objects.get()
    set_price(
        "codex-mini",
        input=Decimal(9),
        output=Decimal(9),
        effective_from=datetime(2026, 10, 2, tzinfo=UTC),
        actor="test",
        now=NOW,
    )
    assert price_waiting() == 0
    assert (UsageEvent.objects.get().price_id, UsageEvent.objects.get().cost) == (first.price_id, GOLDEN_COST)


def test_more_waiting_events_than_one_transaction_takes_are_all_priced(key: APIKey, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("metering.revisions.rerating.rerate_events.EVENTS_PER_TRANSACTION", 7)
    send(
        make_gateway(),
        [
            an_event(
                key,
                model="late",
                request_id=f"r{at}",
                service_tier=("default", "priority")[at % 2],
                occurred_at=(NOW - timedelta(minutes=at // 3)).isoformat(),
            )
            for at in range(60)
        ],
    )
    late_price(effective_from=datetime(2026, 10, 1, tzinfo=UTC))
    assert price_waiting() == 30
    assert UsageEvent.objects.filter(cost=GOLDEN_COST).count() == 30
    assert no_differences()
