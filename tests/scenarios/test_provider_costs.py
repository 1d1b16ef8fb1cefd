"""What a request costs us is kept with it, follows what changes it, and is unknown where no card says it."""

import json
from datetime import datetime, timedelta
from decimal import Decimal
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from metering.catalogue.providers.models import ProviderPrice
from metering.catalogue.providers.set_provider_price import set_provider_price
from metering.errors import InvalidPrice, PriceAlreadySet
from metering.ingest.models import UsageEvent
from metering.periods import month_of
from metering.reconcile.everything import everything
from metering.reports.margins import margin_json, margins, total_of
from metering.revisions.rerating.reprice import price_waiting
from metering.rollups.models import DailyMargin
from metering.rollups.rebuild import rebuild
from omixa_billing.api.errors import InvalidParameter
from tests.kit.corrections import correct, replace, void
from tests.kit.factories import (
    GOLDEN_COST,
    LONG_AGO,
    NOW,
    an_event,
    make_gateway,
    make_key,
    make_model,
    make_price,
    make_workspace,
    send,
)

pytestmark = pytest.mark.django_db

OCTOBER = month_of(NOW)
# 86 x 1 + 1920 x 0.25 + 300 x 4 per million
OUR_COST = Decimal("0.001766000000")


def card(provider: str = "azure", model: str = "codex-mini", **extra: Any) -> ProviderPrice:
    rates = {"input": Decimal(1), "cached_input": Decimal("0.25"), "output": Decimal(4)}
    return set_provider_price(provider, model, **{**rates, "actor": "test", "now": NOW, "effective_from": LONG_AGO, **extra})


def recorded(**overrides: Any) -> UsageEvent:
    key = make_key(make_workspace())
    make_price()
    send(make_gateway(), [an_event(key, **{"provider": "azure", **overrides})])
    return UsageEvent.objects.get()


def differences() -> list[dict[str, Any]]:
    return list(everything(OCTOBER)["differences"])


def test_an_event_keeps_what_its_provider_charges_beside_what_its_customer_pays() -> None:
    version = card()
    event = recorded()
    assert (event.cost, event.provider_cost, event.provider_price) == (GOLDEN_COST, OUR_COST, version)
    margin = DailyMargin.objects.get()
    assert (margin.requests, margin.unpriced_requests, margin.cost, margin.provider_cost) == (1, 0, GOLDEN_COST, OUR_COST)
    assert (margin.day, margin.route) == (datetime(2026, 10, 15, tzinfo=NOW.tzinfo), "")
    assert differences() == []


@pytest.mark.parametrize(
    "other",
    [
        {"provider": "openai"},
        {"provider": None},
        {"service_tier": "priority"},
        {"occurred_at": "2024-12-31T23:59:59Z"},
    ],
)
def test_what_no_card_covers_is_unknown_and_never_nothing(other: dict[str, Any]) -> None:
    card(effective_from=LONG_AGO)
    key = make_key(make_workspace())
    make_price(effective_from=datetime(2024, 1, 1, tzinfo=NOW.tzinfo))
    make_price(tier="priority")
    send(
        make_gateway(),
        [an_event(key, **{"provider": "azure"} | other)],
        now=NOW if "occurred_at" not in other else at_that(other),
    )
    event = UsageEvent.objects.get()
    assert (event.provider_cost, event.provider_price_id) == (None, None)
    assert event.cost is not None
    assert not DailyMargin.objects.exists()


def at_that(other: dict[str, Any]) -> datetime:
    return datetime.fromisoformat(other["occurred_at"]) + timedelta(minutes=1)


def test_without_any_card_an_event_is_written_as_ever() -> None:
    event = recorded()
    assert (event.provider_cost, event.provider_price_id) == (None, None)
    assert differences() == []


def test_a_card_for_the_route_comes_before_one_for_every_route() -> None:
    card()
    mine = card(route="eu-2", input=Decimal(2))
    event = recorded(route="eu-2")
    assert event.provider_price == mine
    assert event.provider_cost == OUR_COST + Decimal("0.000086")
    assert DailyMargin.objects.get().route == "eu-2"
    assert differences() == []


def test_an_alias_costs_what_its_model_costs() -> None:
    version = card()
    make_model("codex", alias_of=make_model("codex-mini"))
    assert recorded(model="codex").provider_price == version


def test_a_correction_takes_what_it_cost_us_along_and_a_void_takes_it_away() -> None:
    card()
    key, gateway = make_key(make_workspace()), make_gateway()
    make_price()
    send(gateway, [an_event(key, provider="azure", route="r")])
    usage = {"prompt_tokens": 1_000_000, "completion_tokens": 0, "total_tokens": 1_000_000}
    correct(gateway, replace(key, usage))
    event = UsageEvent.objects.get()
    assert (event.cost, event.provider_cost) == (Decimal("1.5"), Decimal(1))
    assert DailyMargin.objects.get().provider_cost == Decimal(1)
    assert differences() == []
    correct(gateway, void(key))
    event.refresh_from_db()
    assert (event.status, event.provider_cost, event.provider_price_id) == (3, None, None)
    assert not DailyMargin.objects.exists()
    assert differences() == []


def test_what_is_set_for_the_past_is_worked_out_when_it_is_asked_for() -> None:
    event = recorded()
    card()
    assert run("rerate_provider_costs", "--from", "2026-10-01T00:00:00Z") == {"events": 1, "changed": 1}
    event.refresh_from_db()
    assert event.provider_cost == OUR_COST
    assert run("rerate_provider_costs", "codex-mini", "--from", "2026-10-01T00:00:00Z") == {"events": 1, "changed": 0}
    card(input=Decimal(9), effective_from=NOW - timedelta(days=3))
    assert run("rerate_provider_costs", "--from", "2026-10-01T00:00:00Z")["changed"] == 1
    assert DailyMargin.objects.get().provider_cost == OUR_COST + 8 * Decimal("0.000086")
    assert differences() == []


def run(*arguments: str) -> Any:
    out = StringIO()
    call_command(*arguments, stdout=out)
    return json.loads(out.getvalue())


def test_a_price_that_comes_late_is_in_the_margin_too() -> None:
    card()
    key = make_key(make_workspace())
    send(make_gateway(), [an_event(key, provider="azure")])
    margin = DailyMargin.objects.get()
    assert (margin.unpriced_requests, margin.cost, margin.provider_cost) == (1, Decimal(0), OUR_COST)
    make_price()

    assert price_waiting() == 1
    margin.refresh_from_db()
    assert (margin.unpriced_requests, margin.cost, margin.provider_cost) == (0, GOLDEN_COST, OUR_COST)
    assert differences() == []


def test_reconcile_finds_a_cost_that_its_card_does_not_say_and_a_sum_that_events_do_not() -> None:
    card()
    recorded()
    with connection.cursor() as cursor:
        cursor.execute("UPDATE metering_usageevent SET provider_cost = provider_cost + 1")
    found = {each["check"] for each in differences()}
    assert found == {"provider_cost_is_what_its_card_says", "provider_costs_by_day_are_those_of_events"}
    assert rebuild(OCTOBER)["changed"] == 1
    assert {each["check"] for each in differences()} == {"provider_cost_is_what_its_card_says"}


def test_margins_add_up_by_any_group_and_count_what_is_unknown_beside_it() -> None:
    card()
    card(route="eu", input=Decimal(2))
    acme, other = make_workspace("Acme"), make_workspace("Other")
    keys = [make_key(acme), make_key(other)]
    make_price()
    events = [
        an_event(keys[0], request_id="a", provider="azure"),
        an_event(keys[0], request_id="b", provider="azure", route="eu"),
        an_event(keys[1], request_id="c", provider="openai"),
        an_event(keys[1], request_id="d", provider="azure", status="failed", usage=None),
    ]
    send(make_gateway(), events)
    (total,) = margins(OCTOBER)
    assert margin_json(total) == {
        "requests": 3,
        "unknown_requests": 1,
        "unpriced_requests": 0,
        "revenue": "0.007947000000",
        "unknown_revenue": "0.002649000000",
        "provider_cost": "0.003618000000",
        "margin": "0.001680000000",
        "margin_percent": "31.7",
        "currency": "USD",
    }
    by_route = {row.groups["route"]: (row.known_requests, row.unknown_requests) for row in margins(OCTOBER, ["route"])}
    assert by_route == {"": (1, 0), "eu": (1, 0), None: (0, 1)}
    by_workspace = {row.groups["workspace"]: row.margin for row in margins(OCTOBER, ["workspace"])}
    assert by_workspace == {acme.public_id: Decimal("0.00168"), other.public_id: None}
    for groups in (["model"], ["provider"], ["key_id"], ["provider", "route", "workspace", "key_id", "model"]):
        assert total_of(margins(OCTOBER, groups)) == total
    with pytest.raises(InvalidParameter, match=r"moon is not one of"):
        margins(OCTOBER, ["moon"])


def test_a_sandbox_is_no_revenue_and_no_cost() -> None:
    card()
    make_price()
    send(make_gateway(), [an_event(make_key(make_workspace(sandbox=True), kind="test"), provider="azure")])
    assert margins(OCTOBER) == []


def test_the_command_prints_margins_of_a_month() -> None:
    card()
    recorded()
    said = run("margins", "--month=2026-10", "--by=provider,route")
    assert said["rows"][0]["provider"] == "azure"
    assert said["total"]["margin"] == "0.000883000000"
    with pytest.raises(CommandError, match="planet is not one of"):
        run("margins", "--by=planet")


def test_a_card_names_its_provider_and_has_one_price_at_a_time() -> None:
    first = card()
    assert card() == first
    with pytest.raises(PriceAlreadySet, match="codex-mini at azure has another price from 2025-01-01T00:00:00Z"):
        card(input=Decimal(5))
    with pytest.raises(InvalidPrice, match="The provider must be 1 to 100 characters"):
        card(provider="")


def test_a_corrected_card_reaches_what_was_recorded_once_it_is_worked_out_again() -> None:
    card(effective_from=LONG_AGO)
    event = recorded()
    out, err = StringIO(), StringIO()
    given = ["azure", "codex-mini", "--input=2", "--output=4", "--cached-input=0.25", "--effective-from=2025-01-01T00:00:00Z"]
    with pytest.raises(CommandError, match="or ask for it to be corrected"):
        call_command("set_provider_cost", *given, stdout=out, stderr=err)
    call_command("set_provider_cost", *given, "--correct", stdout=out, stderr=err)
    said = json.loads(out.getvalue())
    assert (said["revision"], said["input"], said["provider"]) == (1, "2.000000", "azure")
    command = "manage.py rerate_provider_costs codex-mini --from 2025-01-01T00:00:00Z"
    assert command in err.getvalue()
    event.refresh_from_db()
    assert event.provider_cost == OUR_COST, "what was recorded keeps its cost until it is worked out again"
    assert differences() == []
    call_command("rerate_provider_costs", "codex-mini", "--from", "2025-01-01T00:00:00Z", stdout=StringIO())
    event.refresh_from_db()
    assert event.provider_cost == OUR_COST + Decimal("0.000086")
    assert event.provider_price.public_id == said["provider_price_id"]
    assert DailyMargin.objects.get().provider_cost == event.provider_cost
    assert differences() == []


def test_new_requests_have_the_cost_of_the_correction() -> None:
    card(input=Decimal(7))
    card(correct=True)
    assert recorded().provider_cost == OUR_COST


def test_the_command_says_what_it_lacks() -> None:
    with pytest.raises(CommandError, match="the following arguments are required: --input, --output"):
        call_command("set_provider_cost", "azure", "codex-mini")


def test_a_request_that_waits_for_a_price_is_counted_beside_the_margin_that_its_cost_lowers() -> None:
    card(effective_from=LONG_AGO)
    send(make_gateway(), [an_event(make_key(make_workspace()), provider="azure")])
    (row,) = margins(OCTOBER, ["model"])
    assert (row.requests, row.unknown_requests, row.unpriced_requests) == (1, 0, 1)
    assert (row.known_revenue, row.margin, row.margin_percent) == (0, -OUR_COST, None)
    make_price()
    assert price_waiting() == 1
    (row,) = margins(OCTOBER, ["model"])
    assert (row.unpriced_requests, row.margin) == (0, GOLDEN_COST - OUR_COST)
    assert total_of([row, row]).unpriced_requests == 0
