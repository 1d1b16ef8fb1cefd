"""Corrections of what was used beside the common components: event, sums and trail follow, and go back."""

from decimal import Decimal

import pytest

from metering.catalogue.set_price import set_price
from metering.ingest.models import EventCorrection, UsageEvent
from metering.reconcile.everything import everything
from metering.revisions.rerating.jobs import continue_orders, order_rerating
from metering.revisions.rerating.plan import scope_for
from metering.rollups.models import DailyQuantity, HourlyQuantity
from tests.kit.corrections import correct, replace, void
from tests.kit.factories import LONG_AGO, NOW, an_event, send
from tests.kit.searched import COST, OTHERS, SEARCHED, make_claude, searched, searched_times
from workspaces.models import APIKey, Gateway

pytestmark = pytest.mark.django_db


def event() -> tuple[dict[str, int] | None, str]:
    row = UsageEvent.objects.get()
    return row.others, f"{row.cost:.12f}"


def days() -> dict[str, int]:
    return dict(DailyQuantity.objects.values_list("component", "quantity"))


def trail() -> list[tuple[dict[str, int] | None, dict[str, int] | None]]:
    return list(EventCorrection.objects.order_by("id").values_list("before_others", "after_others"))


def test_a_replacement_counts_other_components_anew(gateway: Gateway, key: APIKey) -> None:
    make_claude()
    send(gateway, [an_event(key, **searched())])
    correct(gateway, replace(key, searched_times(3, one_hour=424), dialect="anthropic"))
    fewer = {"cache_write_1h": 424, "web_search": 3}
    # 3 x 3 + 5000 x 3.75 + 424 x 6 + 12 x 15 per million, and 3 x 0.01
    assert event() == (fewer, "0.051483000000")
    assert days() == fewer
    assert trail() == [(OTHERS, fewer)]
    assert everything()["differences"] == []


def test_a_replacement_that_costs_the_same_still_moves_the_sums(gateway: Gateway, key: APIKey) -> None:
    make_claude(web_search="0", cache_write_1h=None)
    send(gateway, [an_event(key, **searched())])
    cost = event()[1]
    correct(gateway, replace(key, searched_times(0, one_hour=0), dialect="anthropic"))
    assert event() == (None, cost)
    assert (days(), HourlyQuantity.objects.count()) == ({}, 0)
    correct(gateway, replace(key, SEARCHED, dialect="anthropic", reason="after all"))
    assert (event(), days()) == ((OTHERS, cost), OTHERS)
    assert trail() == [(OTHERS, None), (None, OTHERS)]
    assert everything()["differences"] == []


def test_other_components_tell_one_replacement_from_another(gateway: Gateway, key: APIKey) -> None:
    make_claude()
    send(gateway, [an_event(key, **searched())])
    batch = correct(gateway, *(replace(key, searched_times(searches), dialect="anthropic") for searches in (3, 4, 3)))
    assert (batch.recorded, batch.duplicate) == (2, 1)
    assert days()["web_search"] == 4


def test_a_void_takes_them_back(gateway: Gateway, key: APIKey) -> None:
    make_claude()
    send(gateway, [an_event(key, **searched())])
    correct(gateway, void(key))
    assert event() == (None, "0.000000000000")
    assert not DailyQuantity.objects.exists()
    assert not HourlyQuantity.objects.exists()
    assert trail() == [(OTHERS, None)]
    assert everything()["differences"] == []


def test_other_components_tell_one_event_from_another(gateway: Gateway, key: APIKey) -> None:
    make_claude()
    send(gateway, [an_event(key, **searched())])
    again = send(gateway, [an_event(key, **searched())])
    other = send(gateway, [an_event(key, **searched(usage=searched_times(3)))])
    assert (again.duplicate, other.conflict) == (1, 1)
    assert event() == (OTHERS, COST)


def test_a_rerating_follows_the_rates_of_other_components(gateway: Gateway, key: APIKey) -> None:
    before = make_claude()
    send(gateway, [an_event(key, **searched())])
    after = set_price(
        "claude",
        input=Decimal(3),
        cached_input=Decimal("0.3"),
        cache_write=Decimal("3.75"),
        output=Decimal(15),
        cache_write_1h=Decimal(6),
        web_search=Decimal("0.000000000001"),
        effective_from=LONG_AGO,
        correct=True,
        actor="a test",
        now=NOW,
    )
    assert (before.revision, after.revision) == (0, 1)
    scope = scope_for(None, None, LONG_AGO, None, NOW)
    order_rerating(None, None, scope, reason="a test", plan=[], actor="a test", now=NOW)
    assert continue_orders(NOW) == 1
    assert event() == (OTHERS, "0.032733000002")
    assert trail() == [(OTHERS, OTHERS)]
    assert list(DailyQuantity.objects.values_list("price_id", "component", "quantity").order_by("component")) == [
        (after.pk, name, quantity) for name, quantity in OTHERS.items()
    ]
    assert everything()["differences"] == []
