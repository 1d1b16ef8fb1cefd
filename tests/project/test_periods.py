"""Months and instants as people type them: what no calendar of ours has is refused in one sentence."""

from datetime import UTC, datetime

import pytest
from django.core.management import CommandError, call_command

from metering.catalogue.models import PriceVersion
from metering.periods import parse_month
from omixa_billing.instants import parse_instant
from tests.kit.factories import make_model

MONTH_COMMANDS = [["close_month"], ["reconcile", "--month"], ["rebuild_rollups", "--month"]]


@pytest.mark.parametrize("command", MONTH_COMMANDS, ids=lambda command: command[0])
@pytest.mark.parametrize("month", ["0000-01", "0001-01", "1969-12", "2200-01", "9999-12"])
def test_a_month_that_no_usage_can_fall_in_is_refused_in_one_sentence(command: list[str], month: str) -> None:
    with pytest.raises(CommandError, match=f"^'{month}' is not a month between 1970 and 2199: write it as 2026-10.$"):
        call_command(*command, month)


def test_the_first_and_the_last_month_are_whole() -> None:
    assert str(parse_month("1970-01")) == "1970-01-01 to 1970-01-31"
    assert str(parse_month("2199-12")) == "2199-12-01 to 2199-12-31"
    assert parse_month("2199-12").end == parse_instant("2200-01-01T00:00:00Z") == datetime(2200, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    "instant",
    [
        "0001-01-01T00:00:00Z",
        "0001-01-01T00:00:00+14:00",
        "1969-12-31T23:59:59Z",
        "2200-01-01T00:00:01Z",
        "9999-12-31T23:59:59Z",
    ],
)
@pytest.mark.django_db
def test_an_instant_outside_the_calendar_is_refused_in_one_sentence(instant: str) -> None:
    make_model()
    sentence = "is not between the years 1970 and 2200.$"
    with pytest.raises(CommandError, match=sentence):
        call_command("close_month", "2026-09", "--now", instant)
    with pytest.raises(CommandError, match=sentence):
        call_command("set_price", "codex-mini", "--input", "1", "--output", "1", "--effective-from", instant)
    assert not PriceVersion.objects.exists()


def test_a_day_alone_is_told_how_to_write_an_instant() -> None:
    with pytest.raises(ValueError, match="'2026-10-01' has no time zone: write it as 2026-10-01T00:00:00Z"):
        parse_instant("2026-10-01")
