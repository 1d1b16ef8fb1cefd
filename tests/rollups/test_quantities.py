"""Components without a column: kept with their event, summed up by hour and day with it, and followed wherever it moves."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection

from metering.catalogue.set_price import set_price
from metering.ingest.models import UsageEvent
from metering.periods import month_of
from metering.reconcile.everything import everything
from metering.revisions.rerating.reprice import price_waiting
from metering.rollups.models import DailyQuantity, HourlyQuantity
from metering.rollups.rebuild import rebuild
from tests.kit.factories import GOLDEN_USAGE, LONG_AGO, NOW, an_event, make_price, send
from tests.kit.searched import COST, OTHERS, make_claude, searched
from workspaces.models import APIKey, Gateway

pytestmark = pytest.mark.django_db
OCTOBER = month_of(NOW)
FREE = {"input": Decimal("3"), "output": Decimal("15")}


def sums(table: Any, instant: str) -> list[tuple[Any, ...]]:
    rows = table.objects.order_by(instant, "price_id", "component")
    return list(rows.values_list(instant, "price_id", "component", "quantity"))


def test_an_event_keeps_what_it_used_and_is_billed_for_it(gateway: Gateway, key: APIKey) -> None:
    price = make_claude()
    send(gateway, [an_event(key, **searched())])
    event = UsageEvent.objects.get()
    assert (event.others, f"{event.cost:.12f}", event.price_id) == (OTHERS, COST, price.pk)
    assert (event.input_tokens, event.cache_write_tokens, event.output_tokens) == (5427, 5424, 12)
    assert everything()["differences"] == []


def test_hours_and_days_sum_up_each_component(gateway: Gateway, key: APIKey) -> None:
    price = make_claude()
    at = ("2026-10-14T09:59:59Z", "2026-10-14T10:00:00Z", "2026-10-15T00:00:00Z")
    send(gateway, [an_event(key, request_id=f"r{n}", occurred_at=each, **searched()) for n, each in enumerate(at)])
    send(gateway, [an_event(key, request_id="again", occurred_at=at[0], **searched())])
    nine, ten, midnight = (datetime(2026, 10, day, hour, tzinfo=UTC) for day, hour in ((14, 9), (14, 10), (15, 0)))
    assert sums(HourlyQuantity, "hour") == [
        (start, price.pk, name, times * OTHERS[name])
        for start, times in ((nine, 2), (ten, 1), (midnight, 1))
        for name in OTHERS
    ]
    assert sums(DailyQuantity, "day") == [
        (start, price.pk, name, times * OTHERS[name])
        for start, times in ((nine.replace(hour=0), 3), (midnight, 1))
        for name in OTHERS
    ]


def test_plain_traffic_writes_none_of_it(gateway: Gateway, key: APIKey) -> None:
    send(gateway, [an_event(key, usage=GOLDEN_USAGE)])
    assert UsageEvent.objects.get().others is None
    assert not HourlyQuantity.objects.exists()
    assert not DailyQuantity.objects.exists()


def test_what_no_rate_covers_waits_for_a_price_and_moves_to_it(gateway: Gateway, key: APIKey) -> None:
    make_claude(web_search=None)
    send(gateway, [an_event(key, **searched()), an_event(key, request_id="other", **searched())])
    assert list(UsageEvent.objects.values_list("cost", "price_id")) == [(None, None)] * 2
    assert {row[1] for row in sums(DailyQuantity, "day")} == {0}
    price = set_price(
        "claude",
        **FREE,
        cache_write_1h=Decimal(6),
        web_search=Decimal(0),
        effective_from=LONG_AGO,
        correct=True,
        actor="a test",
        now=NOW,
    )
    assert price_waiting() == 2
    assert [f"{event.cost:.12f}" for event in UsageEvent.objects.all()] == ["0.032733000000"] * 2
    assert sums(DailyQuantity, "day") == [
        (datetime(2026, 10, 15, tzinfo=UTC), price.pk, name, 2 * quantity) for name, quantity in OTHERS.items()
    ]
    assert everything()["differences"] == []


def test_a_request_has_a_charge_of_its_own_where_the_card_says_so(gateway: Gateway, key: APIKey) -> None:
    make_price("asked", request="0.005")
    failed = an_event(key, request_id="failed", model="asked", status="failed", usage=None)
    send(gateway, [an_event(key, model="asked"), failed])
    assert sorted(f"{event.cost:.12f}" for event in UsageEvent.objects.all()) == ["0.000000000000", "0.007649000000"]
    assert everything()["differences"] == []


def test_rebuilt_sums_are_those_that_were_kept(gateway: Gateway, key: APIKey) -> None:
    make_claude()
    send(gateway, [an_event(key, request_id=f"r{n}", **searched()) for n in range(3)])
    kept = sums(HourlyQuantity, "hour"), sums(DailyQuantity, "day")
    assert rebuild(OCTOBER) == {"hours": 1, "changed": 0}
    assert (sums(HourlyQuantity, "hour"), sums(DailyQuantity, "day")) == kept


SPOILED = {
    "UPDATE metering_hourlyquantity SET quantity = quantity + 1 WHERE component = 'web_search'": (
        ["other_components_by_hour_are_those_of_events"],
        1,
    ),
    "DELETE FROM metering_dailyquantity WHERE component = 'cache_write_1h'": (
        ["other_components_by_day_are_those_of_events", "rollup_cost_is_tokens_times_rates"],
        1,
    ),
    "UPDATE metering_usageevent SET others = jsonb_set(others, '{web_search}', '3')": (
        [
            "other_components_by_hour_are_those_of_events",
            "other_components_by_day_are_those_of_events",
            "event_costs_its_tokens_times_rates",
        ],
        2,
    ),
}


@pytest.mark.parametrize("spoil", SPOILED)
def test_reconcile_sees_a_sum_or_a_quantity_that_is_wrong(gateway: Gateway, key: APIKey, spoil: str) -> None:
    make_claude()
    send(gateway, [an_event(key, **searched())])
    with connection.cursor() as cursor:
        cursor.execute(spoil)
    checks, rebuilt = SPOILED[spoil]
    assert [each["check"] for each in everything()["differences"]] == checks
    assert rebuild(OCTOBER)["changed"] == rebuilt


def test_reconcile_sees_a_price_that_does_not_cover_what_was_used(gateway: Gateway, key: APIKey) -> None:
    make_claude()
    send(gateway, [an_event(key, **searched())])
    with connection.cursor() as cursor:
        cursor.execute("UPDATE metering_usageevent SET others = others || '{\"page\": 1}'")
    found = [each for each in everything()["differences"] if each["check"] == "event_costs_its_tokens_times_rates"]
    assert [(each["expected"], each["found"]) for each in found] == [(None, COST)]
