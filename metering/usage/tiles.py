"""Which tables answer for an interval: whole days and hours from rollups, edges within an hour from events."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum

from metering.periods import DAY, HOUR, floor_day, floor_hour


class Grain(Enum):
    """A table that holds usage, from the coarsest to the finest."""

    DAYS = "days"
    HOURS = "hours"
    EVENTS = "events"


@dataclass(frozen=True, slots=True)
class Tile:
    """The part [start, end) of an interval that one table answers for."""

    grain: Grain
    start: datetime
    end: datetime


def tiles(start: datetime, end: datetime, *, whole_days: bool = True) -> list[Tile]:
    """[start, end) cut into at most five tiles that cover it exactly, in order of time.

    Both instants are UTC. `whole_days` False keeps to hours, for an answer that is itself by the hour.
    """
    first_hour, last_hour = _ceil(start, floor_hour(start), HOUR), floor_hour(end)
    if first_hour > last_hour:
        return [Tile(Grain.EVENTS, start, end)]
    cut = [Tile(Grain.EVENTS, start, first_hour)]
    first_day, last_day = _ceil(first_hour, floor_day(first_hour), DAY), floor_day(last_hour)
    if whole_days and first_day < last_day:
        cut.append(Tile(Grain.HOURS, first_hour, first_day))
        cut.append(Tile(Grain.DAYS, first_day, last_day))
        cut.append(Tile(Grain.HOURS, last_day, last_hour))
    else:
        cut.append(Tile(Grain.HOURS, first_hour, last_hour))
    cut.append(Tile(Grain.EVENTS, last_hour, end))
    return [tile for tile in cut if tile.start < tile.end]


def _ceil(instant: datetime, floor: datetime, step: timedelta) -> datetime:
    return floor if floor == instant else floor + step
