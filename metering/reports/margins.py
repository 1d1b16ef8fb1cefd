"""What is left of what customers pay after what providers charge, for operators: by model, provider, route, workspace, key.

Revenue is what requests cost customers, before invoices change it. Margin is only of requests whose provider cost is known;
the others are counted beside it, with their revenue. A request of unknown cost is never one that cost nothing. What requests
that still wait for a price bring is not known either: of those whose cost is known they are counted.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from django.db import connection

from metering.ingest.models import IS_BILLED
from metering.money import exact_text
from metering.periods import Period
from metering.usage.query import WITHOUT_SANDBOXES
from metering.usage.statement import GROUP_COLUMNS
from omixa_billing.api.errors import InvalidParameter

ROUTE = "route"
MARGIN_GROUPS = ("model", "provider", ROUTE, "workspace", "key_id")
NAMED = {group: GROUP_COLUMNS[group] for group in MARGIN_GROUPS if group != ROUTE}
CSV_COLUMNS = (
    *MARGIN_GROUPS,
    "requests",
    "unknown_requests",
    "unpriced_requests",
    "revenue",
    "unknown_revenue",
    "provider_cost",
    "margin",
    "margin_percent",
)

# Every billed request, and those of them whose cost is known. A route is known of the latter only.
STATEMENT = """
WITH total AS (
    SELECT {columns}, sum(requests)::bigint AS requests, sum(cost) AS revenue
    FROM (SELECT *, true AS every FROM metering_dailyrollup) s
    WHERE day >= %(start)s AND day < %(end)s AND {is_billed} AND {without_sandboxes}
    GROUP BY {places}
), known AS (
    SELECT {columns}{route}, sum(requests)::bigint AS requests, sum(unpriced_requests)::bigint AS unpriced,
        sum(cost) AS revenue, sum(provider_cost) AS provider_cost
    FROM (SELECT *, true AS every FROM metering_dailymargin) s
    WHERE day >= %(start)s AND day < %(end)s AND {without_sandboxes}
    GROUP BY {known_places}
), s AS (
    SELECT {columns}{route}, requests, unpriced, revenue, provider_cost FROM known
    UNION ALL
    SELECT {columns}{no_route}, total.requests - coalesce(costed.requests, 0), 0,
        total.revenue - coalesce(costed.revenue, 0), NULL
    FROM total LEFT JOIN (
        SELECT {columns}, sum(requests)::bigint AS requests, sum(revenue) AS revenue FROM known GROUP BY {places}
    ) costed USING ({columns})
    WHERE total.requests > coalesce(costed.requests, 0)
)
SELECT {names}, coalesce(sum(s.requests) FILTER (WHERE s.provider_cost IS NOT NULL), 0)::bigint,
    coalesce(sum(s.requests) FILTER (WHERE s.provider_cost IS NULL), 0)::bigint, sum(s.unpriced)::bigint,
    coalesce(sum(s.revenue) FILTER (WHERE s.provider_cost IS NOT NULL), 0),
    coalesce(sum(s.revenue) FILTER (WHERE s.provider_cost IS NULL), 0), sum(s.provider_cost)
FROM s {joins} GROUP BY {name_places}
"""


@dataclass(frozen=True, slots=True)
class MarginRow:
    """Exact USD. `provider_cost` is None where no request's is known; a route is None where it is not known.

    `unpriced_requests` are those of the known ones that have no price yet: they cost us, and bring nothing so far.
    """

    known_requests: int
    unknown_requests: int
    unpriced_requests: int
    known_revenue: Decimal
    unknown_revenue: Decimal
    provider_cost: Decimal | None
    groups: dict[str, str | None] = field(default_factory=dict)

    @property
    def requests(self) -> int:
        return self.known_requests + self.unknown_requests

    @property
    def revenue(self) -> Decimal:
        return self.known_revenue + self.unknown_revenue

    @property
    def margin(self) -> Decimal | None:
        return None if self.provider_cost is None else self.known_revenue - self.provider_cost

    @property
    def margin_percent(self) -> Decimal | None:
        """Of the revenue of requests whose cost is known."""
        if self.margin is None or not self.known_revenue:
            return None
        return (self.margin * 100 / self.known_revenue).quantize(Decimal("0.1"), rounding=ROUND_HALF_UP)


def margins(period: Period, group_by: Sequence[str] = ()) -> list[MarginRow]:
    """Of whole days, without sandboxes: the most revenue first. Raises InvalidParameter."""
    if unknown := set(group_by) - set(MARGIN_GROUPS):
        raise InvalidParameter(f"{min(unknown)} is not one of {', '.join(MARGIN_GROUPS)}.", param="group_by")
    with connection.cursor() as cursor:
        cursor.execute(_statement(group_by), {"start": period.start, "end": period.end})
        rows = [_row(group_by, columns) for columns in cursor.fetchall()]
    return sorted(rows, key=lambda row: (-row.revenue, [each or "" for each in row.groups.values()]))


def _row(group_by: Sequence[str], columns: Sequence[Any]) -> MarginRow:
    names, sums = columns[1 : len(group_by) + 1], columns[len(group_by) + 1 :]
    known, unknown, unpriced, known_revenue, unknown_revenue, cost = sums
    groups = dict(zip(group_by, names, strict=True))
    return MarginRow(known, unknown, unpriced, known_revenue, unknown_revenue, cost, groups)


def _statement(group_by: Sequence[str]) -> str:
    """Only constants of this module and of `statement` go into the text."""
    named = [group for group in group_by if group != ROUTE]
    columns = list(dict.fromkeys(["every", *(column for group in named for column in NAMED[group][0])]))
    by_route = ROUTE in group_by
    names = ["s.every", *(f"s.{ROUTE}" if group == ROUTE else NAMED[group][2] for group in group_by)]
    return STATEMENT.format(
        columns=", ".join(columns),
        route=f", {ROUTE}" if by_route else "",
        no_route=f", NULL::text AS {ROUTE}" if by_route else "",
        places=_places(len(columns)),
        known_places=_places(len(columns) + by_route),
        names=", ".join(names),
        name_places=_places(len(names)),
        joins=" ".join(NAMED[group][1] for group in named),
        is_billed=IS_BILLED,
        without_sandboxes=WITHOUT_SANDBOXES,
    )


def _places(count: int) -> str:
    return ", ".join(str(at) for at in range(1, count + 1))


def total_of(rows: Sequence[MarginRow]) -> MarginRow:
    """All rows as one."""
    known = [row.provider_cost for row in rows if row.provider_cost is not None]
    return MarginRow(
        sum(row.known_requests for row in rows),
        sum(row.unknown_requests for row in rows),
        sum(row.unpriced_requests for row in rows),
        sum((row.known_revenue for row in rows), Decimal(0)),
        sum((row.unknown_revenue for row in rows), Decimal(0)),
        sum(known, Decimal(0)) if known else None,
    )


def margin_json(row: MarginRow) -> dict[str, Any]:
    """As the API, the command and the CSV have it."""
    return {
        **row.groups,
        "requests": row.requests,
        "unknown_requests": row.unknown_requests,
        "unpriced_requests": row.unpriced_requests,
        "revenue": exact_text(row.revenue),
        "unknown_revenue": exact_text(row.unknown_revenue),
        "provider_cost": None if row.provider_cost is None else exact_text(row.provider_cost),
        "margin": None if row.margin is None else exact_text(row.margin),
        "margin_percent": None if row.margin_percent is None else f"{row.margin_percent:f}",
        "currency": "USD",
    }
