from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metering.periods import floor_day, floor_hour
from metering.usage.tiles import Grain, Tile, tiles
from tests.kit.billing import at

INSTANTS = st.integers(0, 65 * 86_400_000_000).map(
    lambda microseconds: datetime(2023, 12, 30, tzinfo=UTC) + timedelta(microseconds=microseconds)
)


def cut(start: str, end: str, **how: bool) -> list[tuple[str, str, str]]:
    return [
        (tile.grain.value, f"{tile.start:%m-%dT%H:%M}", f"{tile.end:%m-%dT%H:%M}") for tile in tiles(at(start), at(end), **how)
    ]


def test_a_month_is_its_days() -> None:
    assert cut("10-01T00:00", "11-01T00:00") == [("days", "10-01T00:00", "11-01T00:00")]


def test_edges_within_an_hour_come_from_events() -> None:
    assert cut("10-14T10:15", "10-14T13:20") == [
        ("events", "10-14T10:15", "10-14T11:00"),
        ("hours", "10-14T11:00", "10-14T13:00"),
        ("events", "10-14T13:00", "10-14T13:20"),
    ]


def test_a_long_stretch_goes_from_fine_to_coarse_and_back() -> None:
    assert cut("10-12T22:30", "10-15T01:45") == [
        ("events", "10-12T22:30", "10-12T23:00"),
        ("hours", "10-12T23:00", "10-13T00:00"),
        ("days", "10-13T00:00", "10-15T00:00"),
        ("hours", "10-15T00:00", "10-15T01:00"),
        ("events", "10-15T01:00", "10-15T01:45"),
    ]


def test_by_the_hour_no_day_is_taken_whole() -> None:
    assert cut("10-12T00:00", "10-15T00:00", whole_days=False) == [("hours", "10-12T00:00", "10-15T00:00")]


@pytest.mark.parametrize(("start", "end"), [("10-14T10:15", "10-14T10:45"), ("10-14T10:59", "10-14T11:00")])
def test_less_than_an_hour_is_events_alone(start: str, end: str) -> None:
    assert cut(start, end) == [("events", start, end)]


def test_midnight_between_two_part_hours_needs_no_rollup() -> None:
    assert cut("10-14T23:30", "10-15T00:30") == [
        ("events", "10-14T23:30", "10-15T00:00"),
        ("events", "10-15T00:00", "10-15T00:30"),
    ]


@given(INSTANTS, INSTANTS, st.booleans())
def test_tiles_cover_every_stretch_exactly_once(one: datetime, other: datetime, whole_days: bool) -> None:
    start, end = min(one, other), max(one, other) + timedelta(microseconds=1)
    cut = tiles(start, end, whole_days=whole_days)
    assert (cut[0].start, cut[-1].end) == (start, end)
    assert all(before.end == after.start for before, after in pairwise(cut))
    assert all(_whole(tile) for tile in cut)
    assert sum((tile.end - tile.start for tile in cut if tile.grain is Grain.EVENTS), timedelta()) < timedelta(hours=2)


def _whole(tile: Tile) -> bool:
    floor = {Grain.DAYS: floor_day, Grain.HOURS: floor_hour, Grain.EVENTS: lambda instant: instant}[tile.grain]
    return tile.start < tile.end and floor(tile.start) == tile.start and floor(tile.end) == tile.end
