"""Rates of components beside the common four: stated by name, exact, and as immutable as their version."""

import json
from decimal import Decimal
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import IntegrityError, connection, transaction

from metering.catalogue.models import PriceVersion
from metering.catalogue.set_price import parse_open_rates, set_price
from metering.errors import InvalidPrice, PriceAlreadySet
from metering.pricing.rates import version_rates
from tests.kit.factories import NOW
from workspaces.models import AuditEntry

pytestmark = pytest.mark.django_db
TEXT = {"input": Decimal(1), "output": Decimal(2), "actor": "a test", "now": NOW}


def command(*arguments: str) -> dict[str, Any]:
    out = StringIO()
    call_command("set_price", *arguments, stdout=out, stderr=StringIO())
    found: dict[str, Any] = json.loads(out.getvalue())
    return found


def test_a_version_has_rates_by_name_with_the_decimals_of_each() -> None:
    rates = {"web_search": Decimal("0.01"), "audio_input": Decimal(40), "image/high/1024x1024": Decimal("0.167")}
    version = set_price("omni", **TEXT, **rates, audio_duration=Decimal("0.0001"))
    assert version.open_rates == {
        "audio_input": "40.000000",
        "cached_audio_input": "40.000000",
        "web_search": "0.010000000000",
        "image/high/1024x1024": "0.167000000000",
        "audio_duration": "0.000100000",
    }
    assert version_rates(version).open == {
        "audio_input": 40_000_000,
        "cached_audio_input": 40_000_000,
        "web_search": 10_000_000_000,
        "image/high/1024x1024": 167_000_000_000,
        "audio_duration": 100_000,
    }


def test_the_same_rates_are_the_same_version_and_others_need_a_correction() -> None:
    version = set_price("omni", **TEXT, page=Decimal("0.001"))
    assert set_price("omni", **TEXT, page=Decimal("0.001000")) == version
    with pytest.raises(PriceAlreadySet):
        set_price("omni", **TEXT, page=Decimal("0.002"))
    with pytest.raises(PriceAlreadySet):
        set_price("omni", **TEXT)
    assert set_price("omni", **TEXT, correct=True).revision == 1


@pytest.mark.parametrize(
    ("name", "rate", "why"),
    [
        ("imagine", "1", "imagine is not a component: choose input, cached_input"),
        ("image/High", "1", "image/High is not a component"),
        ("web_search", "-0.01", "web_search -0.01 is not a rate: it must be 0 or more."),
        ("web_search", "1000.000001", "web_search 1000.000001 is more than 1000 USD per search."),
        ("audio_input", "1000001", "audio_input 1000001 is more than 1000000 USD per million tokens."),
        ("web_search", "0.0000000000001", "has more than 12 decimals"),
        ("audio_duration", "0.0000000001", "has more than 9 decimals"),
        ("character", "0.0000001", "has more than six decimals"),
        ("web_search", "NaN", "web_search NaN is not a rate"),
        ("web_search", "cheap", "web_search 'cheap' is not a number"),
    ],
)
def test_a_rate_that_cannot_be_is_refused_with_the_reason(name: str, rate: str, why: str) -> None:
    with pytest.raises(InvalidPrice, match=why.replace("(", r"\(")):
        parse_open_rates([f"{name}={rate}"])
    assert not PriceVersion.objects.exists()


@pytest.mark.parametrize("stated", [["web_search"], ["page=1", "page=2"], ["input=1"], ["=1"]])
def test_what_is_not_one_rate_of_one_component_is_refused(stated: list[str]) -> None:
    with pytest.raises(InvalidPrice):
        parse_open_rates(stated)


def test_the_database_keeps_them_as_they_were() -> None:
    version = set_price("omni", **TEXT, page=Decimal("0.001"))
    with pytest.raises(IntegrityError, match="never changed"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("UPDATE metering_priceversion SET open_rates = '{}'")
    version.refresh_from_db()
    assert version.open_rates == {"page": "0.001000000000"}


def test_the_command_takes_and_prints_them_and_the_trail_says_so() -> None:
    printed = command("omni", "--input", "1", "--output", "2", "--rate", "web_search=0.01", "--rate", "audio_input = 40")
    assert {name: printed[name] for name in ("input", "cached_input", "output", "audio_input", "web_search")} == {
        "input": "1.000000",
        "cached_input": None,
        "output": "2.000000",
        "audio_input": "40.000000",
        "web_search": "0.010000000000",
    }
    assert AuditEntry.objects.get(action="price.set").detail["web_search"] == "0.010000000000"


def test_the_command_still_asks_for_input_and_output() -> None:
    with pytest.raises(CommandError, match="the following arguments are required: --output"):
        command("omni", "--input", "1")
