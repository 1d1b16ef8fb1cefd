"""Each event by itself, where sums could hide two errors in each other: its cost, and that a void took back what is voided."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from django.db import connection

from metering.ingest.models import EventStatus
from metering.money import exact_text
from metering.periods import Period
from metering.reconcile.rule import QUANTITIES_ALONE, RATES, difference_sql

# Compared per million tokens. Materialized, so that no plan walks a key for the sake of the order: little is found.
RATED = " + ".join(
    [*(f"({tokens}) * {name}_rate" for name, tokens in QUANTITIES_ALONE.items()), difference_sql("used.others", "1")]
)


def wrong_sql(versions: str, price: str, cost: str) -> str:
    """Events of which this cost is not what the version says that this column names."""
    rates = ", ".join(f"{rate} AS {name}_rate" for name, rate in RATES.items())
    return f"""
WITH price AS MATERIALIZED (
    SELECT id, {rates}, open_rates FROM {versions}
), wrong AS MATERIALIZED (
    SELECT used.workspace_id, used.occurred_at, used.id, used.request_id, used.attempt, ({RATED}) * 0.000001 AS rated,
        used.{cost} AS cost
    FROM metering_usageevent used LEFT JOIN price ON price.id = used.{price}
    WHERE used.occurred_at >= %(start)s AND used.occurred_at < %(end)s
      AND used.{price} IS NOT NULL AND used.status < {int(EventStatus.VOIDED)}
      AND ({RATED}) IS DISTINCT FROM used.{cost} * 1000000
)
SELECT workspace.public_id, request_id, attempt, rated, cost
FROM wrong JOIN workspaces_workspace workspace ON workspace.id = workspace_id
ORDER BY workspace_id, occurred_at, wrong.id LIMIT %(limit)s
"""  # noqa: S608  # constants of this module only


# What a customer pays, by the versions of prices; what a provider charges us, by its cards.
WRONG = {
    "event_costs_its_tokens_times_rates": wrong_sql("metering_priceversion", "price_id", "cost"),
    "provider_cost_is_what_its_card_says": wrong_sql("metering_providerprice", "provider_price_id", "provider_cost"),
}
UNVOIDED = f"""
WITH unvoided AS MATERIALIZED (
    SELECT event.workspace_id, event.occurred_at, event.id, event.request_id, event.attempt
    FROM metering_usageevent event LEFT JOIN metering_eventcorrection entry
      ON entry.workspace_id = event.workspace_id AND entry.request_id = event.request_id
      AND entry.attempt = event.attempt AND entry.action = 'void'
    WHERE event.occurred_at >= %(start)s AND event.occurred_at < %(end)s
      AND event.status = {int(EventStatus.VOIDED)} AND entry.id IS NULL
)
SELECT workspace.public_id, request_id, attempt
FROM unvoided JOIN workspaces_workspace workspace ON workspace.id = workspace_id
ORDER BY workspace_id, occurred_at, unvoided.id LIMIT %(limit)s
"""  # noqa: S608  # constants of this module only


def event_differences(period: Period, limit: int = 100) -> list[dict[str, Any]]:
    """The first events of a month whose cost is not their tokens times their version's rates, and those that nobody voided."""
    scope: dict[str, Any] = {"start": period.start, "end": period.end, "limit": limit}
    with connection.cursor() as cursor:
        wrong = []
        for check, statement in WRONG.items():
            cursor.execute(statement, scope)
            wrong += [_difference(check, event, _exact(rated), exact_text(cost)) for *event, rated, cost in cursor.fetchall()]
        cursor.execute(UNVOIDED, scope)
        return wrong + [_difference("voided_by_a_correction", event, "a void", "none") for event in cursor.fetchall()]


def _difference(check: str, event: Sequence[Any], expected: str | None, found: str) -> dict[str, Any]:
    workspace, request_id, attempt = event
    which = {"workspace_id": workspace, "request_id": request_id, "attempt": attempt}
    return {"check": check, **which, "expected": expected, "found": found}


def _exact(rated: Decimal | None) -> str | None:
    return None if rated is None else exact_text(rated)
