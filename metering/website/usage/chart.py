"""A chart's figures as its script wants them, and the same as a table for those who cannot see it."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from metering.dollars import usd_exact
from metering.money import WIDE, exact_text
from metering.usage.spend import OTHER, SpendChart

LABELS = {"hour": "{0.day} {0:%b}, {0:%H}:00", "day": "{0.day} {0:%b}", "month": "{0:%b %Y}"}
COLOURS = 8


@dataclass(frozen=True)
class LegendEntry:
    """A series with its name for people, its colour's number, and its total in exact USD."""

    name: str
    colour: int
    total: Decimal


@dataclass(frozen=True)
class TableRow:
    """A bucket with its total in exact USD."""

    label: str
    total: Decimal


@dataclass(frozen=True)
class Chart:
    """`data` goes to the script as JSON; amounts in it are exact texts, for drawing and for tooltips."""

    data: dict[str, Any]
    legend: list[LegendEntry]
    rows: list[TableRow]

    @property
    def is_empty(self) -> bool:
        return not any(row.total for row in self.rows)


def chart(spend: SpendChart, bucket: str = "day", names: dict[str, str] | None = None) -> Chart:
    """`names` says what series are called where their own name is an id. What cost nothing is not drawn."""
    drawn = [series for series in spend.series if series.total]
    labels = [bucket_label(start, bucket) for start in spend.days]
    legend = [
        LegendEntry((names or {}).get(series.name, series.name or "unknown"), _colour(at, series.name), series.total)
        for at, series in enumerate(drawn)
    ]
    totals = [_sum([series.values[at] for series in drawn]) for at in range(len(spend.days))]
    data = {
        "labels": labels,
        "totals": [usd_exact(total) for total in totals],
        "series": [
            {
                "label": entry.name,
                "colour": entry.colour,
                "values": [exact_text(value) for value in series.values],
                "texts": [usd_exact(value) for value in series.values],
            }
            for entry, series in zip(legend, drawn, strict=True)
        ],
    }
    return Chart(data, legend, [TableRow(label, total) for label, total in zip(labels, totals, strict=True)])


def bucket_label(start: datetime, bucket: str) -> str:
    """15 Oct, or 15 Oct, 13:00, or Oct 2026."""
    return LABELS[bucket].format(start)


def _colour(at: int, name: str) -> int:
    return COLOURS if name == OTHER else at % COLOURS + 1


def _sum(amounts: list[Decimal]) -> Decimal:
    total = Decimal(0)
    for amount in amounts:
        total = WIDE.add(total, amount)
    return total
