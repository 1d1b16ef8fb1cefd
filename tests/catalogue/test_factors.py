"""A tier at so many times the default tier's price: explicit rates, made again whenever the default tier's change."""

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from metering.catalogue.models import PriceVersion
from metering.catalogue.set_price import set_factor, set_price
from metering.catalogue.withdraw_price import withdraw_price
from metering.errors import InvalidPrice
from metering.ingest.models import UsageEvent
from tests.kit.factories import GOLDEN_USAGE, LONG_AGO, NOW, an_event, make_workspace, send
from workspaces.models import APIKey, AuditEntry, Gateway, Workspace

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)
HALF = Decimal("0.5")


def base(input: str = "1", since: datetime = LONG_AGO, above: int = 0, **more: Any) -> PriceVersion:
    return set_price(
        "omni",
        input=Decimal(input),
        output=Decimal(6),
        cached_input=Decimal("0.333333"),
        effective_from=since,
        above_input_tokens=above,
        actor="a test",
        now=NOW,
        **more,
    )


def half(tier: str = "batch", since: datetime | None = LONG_AGO, **more: Any) -> list[PriceVersion]:
    return set_factor("omni", tier, more.pop("factor", HALF), effective_from=since, actor="a test", now=NOW, **more)


def of_tier(tier: str = "batch", workspace: Workspace | None = None) -> list[tuple[Any, ...]]:
    """(from, threshold, input, factor), those that hold of each beginning."""
    versions = PriceVersion.objects.filter(service_tier=tier, workspace=workspace).order_by(
        "effective_from", "above_input_tokens", "-revision"
    )
    found = {}
    for each in versions.order_by("effective_from", "above_input_tokens", "-revision"):
        found.setdefault((each.effective_from, each.above_input_tokens), (f"{each.input_rate.normalize():f}", each.factor))
    return [(*key, *value) for key, value in found.items()]


def test_a_factor_becomes_explicit_rates_that_remember_it() -> None:
    standard = base(cache_write=None, web_search=Decimal("0.01"), reasoning=Decimal("0.000001"))
    (batch,) = half()
    assert (batch.input_rate, batch.output_rate, batch.cache_write_rate) == (HALF, Decimal(3), None)
    assert batch.cached_input_rate == Decimal("0.166667"), "rounded half up to what can be billed exactly"
    assert batch.open_rates == {"reasoning": "0.000001", "web_search": "0.005000000000"}
    assert (batch.base, batch.factor) == (standard, HALF)
    (entry,) = AuditEntry.objects.filter(target=batch.public_id)
    assert (entry.action, entry.detail["factor"]) == ("price.set", "0.5")


def test_an_event_of_the_tier_is_billed_by_it(gateway: Gateway, key: APIKey) -> None:
    base()
    half()
    send(gateway, [an_event(key, model="omni", service_tier="batch", usage=GOLDEN_USAGE)])
    # 86 x 0.5 + 1920 x 0.166667 + 300 x 3 per million
    assert f"{UsageEvent.objects.get().cost:.12f}" == "0.001263000640"


def test_a_new_price_of_the_default_tier_is_followed_in_the_same_act() -> None:
    base()
    half()
    base("2", NOW + DAY)
    base("3", NOW + 2 * DAY)
    assert of_tier() == [
        (LONG_AGO, 0, "0.5", HALF),
        (NOW + DAY, 0, "1", HALF),
        (NOW + 2 * DAY, 0, "1.5", HALF),
    ]


def test_what_is_set_for_later_already_is_followed_too() -> None:
    base()
    base("2", NOW + DAY)
    half(since=NOW)
    assert of_tier() == [(NOW, 0, "0.5", HALF), (NOW + DAY, 0, "1", HALF)]


def test_a_correction_of_the_base_corrects_what_follows() -> None:
    base()
    half()
    base("4", correct=True)
    assert of_tier() == [(LONG_AGO, 0, "2", HALF)]
    assert PriceVersion.objects.filter(service_tier="batch").count() == 2


def test_a_base_that_begins_between_corrects_the_version_that_was_built_on_the_one_before() -> None:
    base()
    half(since=NOW)
    base("4", NOW - DAY)
    assert of_tier() == [(NOW, 0, "2", HALF)]


def test_each_threshold_is_followed_and_a_new_one_as_well() -> None:
    base()
    base("2", above=200_000)
    half()
    base("8", NOW + DAY, above=400_000)
    assert of_tier() == [
        (LONG_AGO, 0, "0.5", HALF),
        (LONG_AGO, 200_000, "1", HALF),
        (NOW + DAY, 400_000, "4", HALF),
    ]


def test_explicit_rates_end_it() -> None:
    base()
    half()
    set_price("omni", input=Decimal(7), output=Decimal(7), service_tier="batch", effective_from=NOW, actor="a test", now=NOW)
    base("2", NOW + DAY)
    assert of_tier() == [(LONG_AGO, 0, "0.5", HALF), (NOW, 0, "7", None)]


def test_a_workspaces_own_prices_have_tiers_of_their_own() -> None:
    acme = make_workspace()
    base()
    base("10", workspace=acme)
    half()
    half("flex", workspace=acme, factor=Decimal("0.25"))
    base("20", NOW + DAY, workspace=acme)
    assert of_tier() == [(LONG_AGO, 0, "0.5", HALF)]
    assert of_tier("flex", acme) == [(LONG_AGO, 0, "2.5", Decimal("0.25")), (NOW + DAY, 0, "5", Decimal("0.25"))]


def test_withdrawing_the_base_withdraws_what_follows_it() -> None:
    base()
    half()
    withdraw_price(base("2", datetime(2127, 1, 1, tzinfo=UTC)), "a test", NOW)  # far ahead of the database's own clock
    assert of_tier() == [(LONG_AGO, 0, "0.5", HALF)]
    assert AuditEntry.objects.filter(action="price.withdrawn").count() == 2


@pytest.mark.parametrize("factor", ["-0.5", "100.000001", "0.0000001", "NaN", "Infinity"])
def test_a_factor_that_cannot_be_is_refused(factor: str) -> None:
    base()
    with pytest.raises(InvalidPrice, match="The factor must be 0 to 100"):
        half(factor=Decimal(factor))


def test_a_factor_of_nothing_or_of_itself_is_refused() -> None:
    with pytest.raises(InvalidPrice, match="has no default price at that time"):
        half()
    base()
    with pytest.raises(InvalidPrice, match="choose another tier"):
        half("standard")


def test_the_command_sets_a_factor() -> None:
    base()
    out = StringIO()
    call_command("set_price", "omni", "--tier", "batch", "--factor", "0.5", stdout=out, stderr=StringIO())
    printed = json.loads(out.getvalue())
    assert (printed["service_tier"], printed["input"], printed["factor"]) == ("batch", "0.500000", "0.5")
    with pytest.raises(CommandError, match="--factor stands for all rates: leave out --input"):
        call_command("set_price", "omni", "--tier", "batch", "--factor", "0.5", "--input", "1", stdout=out, stderr=StringIO())
