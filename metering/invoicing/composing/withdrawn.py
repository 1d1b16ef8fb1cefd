"""What was withdrawn after it was billed, by corrections and re-ratings, or by voiding the invoice that took it back: why
finalized invoices may bill more than was used.

Until the next invoice credits it, such a month is billed beyond its usage and nothing is wrong. The trail tells how much: by
no more than what it took from the same item since the invoice was finalized.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.db import connection

from metering.breakdown import displaced_by
from metering.catalogue.models import PriceVersion
from metering.components import COUNTED, REQUEST, rates_per_million

BilledItem = tuple[Any, ...]  # workspace, month, model, tier, price, component

# An entry carries the clock of its transaction's beginning, so one committed after an invoice may look a little older.
MARGIN = timedelta(minutes=10)


def _all(side: str) -> str:
    """All quantities of one side of an entry, by component."""
    columns = ", ".join(f"'{each.name}', entry.{side}_tokens[{at}]" for at, each in enumerate(COUNTED, 1))
    return f"jsonb_build_object({columns}, '{REQUEST}', 1) || coalesce(entry.{side}_others, '{{}}')"


# A price is of one tier, whichever its event has by now.
# Read from the newest entry back: at some moment since then this much more stood than stands now.
WITHDRAWN = f"""
WITH over AS (
    SELECT * FROM unnest(%s::int[], %s::timestamptz[], %s::int[], %s::text[], %s::text[], %s::text[],
                         %s::timestamptz[], %s::text[])
        AS over (workspace_id, month, model_id, service_tier, price, component, since, billed_apart)
), moved AS (
    SELECT over.workspace_id, over.month, over.model_id, over.service_tier, over.price, over.component, entry.id,
           side.sign * (coalesce((side.quantities ->> over.component)::bigint, 0) - coalesce((
               SELECT sum((side.quantities ->> part)::bigint) FROM unnest(string_to_array(over.billed_apart, ',')) AS part
           ), 0))::bigint AS tokens
    FROM over
    JOIN metering_priceversion price ON price.public_id = over.price
    JOIN metering_eventcorrection entry ON entry.workspace_id = over.workspace_id AND entry.occurred_at >= over.month
        AND entry.occurred_at < over.month + interval '1 month' AND entry.recorded_at >= over.since
    CROSS JOIN LATERAL (VALUES (entry.before_price_id, {_all("before")}, 1), (entry.after_price_id, {_all("after")}, -1))
        AS side (price_id, quantities, sign)
    JOIN metering_usageevent event ON event.workspace_id = entry.workspace_id AND event.occurred_at = entry.occurred_at
        AND event.id = entry.event_id AND event.model_id = over.model_id
    WHERE side.price_id = price.id
), since AS (
    SELECT *, sum(tokens) OVER (PARTITION BY workspace_id, month, model_id, service_tier, price, component ORDER BY id DESC)
        AS withdrawn
    FROM moved
)
SELECT workspace_id, month, model_id, service_tier, price, component, max(withdrawn) FROM since GROUP BY 1, 2, 3, 4, 5, 6
"""  # noqa: S608  # constants

# When an invoice, void or not, was last finalized with the item on it: it left the item billed as it was used. Of an item that
# only credit notes settled, the first of these. And what void invoices took back of it that came to nothing since, so that it
# stands billed once more.
LAST_BILLED = """
WITH item AS (
    SELECT * FROM unnest(%s::int[], %s::timestamptz[], %s::int[], %s::text[], %s::text[], %s::text[])
        AS item (workspace_id, month, model_id, service_tier, price, component)
), line AS (
    SELECT item.*, line.quantity, invoice.finalized_at, NULL::timestamptz AS settled_at, CASE
        WHEN invoice.status <> 'void' THEN NULL
        WHEN invoice.period_start = line.period_start THEN invoice.reissued_at
        ELSE invoice.voided_at END AS undone_at
    FROM item JOIN metering_invoiceline line ON line.period_start = item.month AND line.language_model_id = item.model_id
        AND line.service_tier = item.service_tier AND line.price = item.price AND line.component = item.component
        AND line.kind IN ('usage', 'adjustment')
    JOIN metering_invoice invoice ON invoice.id = line.invoice_id AND invoice.workspace_id = item.workspace_id
        AND invoice.finalized_at IS NOT NULL
    UNION ALL
    SELECT item.*, settled.quantity, NULL, note.issued_at, NULL
    FROM item JOIN metering_settledadjustment settled ON settled.month = item.month
        AND settled.language_model_id = item.model_id AND settled.service_tier = item.service_tier
        AND settled.price = item.price AND settled.component = item.component
        AND settled.kind IN ('usage', 'adjustment')
    JOIN metering_creditnote note ON note.id = settled.credit_note_id
    JOIN metering_invoice invoice ON invoice.id = note.invoice_id AND invoice.workspace_id = item.workspace_id
), last AS (
    SELECT *, coalesce(max(finalized_at) OVER of_item, min(settled_at) OVER of_item) AS since
    FROM line WINDOW of_item AS (PARTITION BY workspace_id, month, model_id, service_tier, price, component)
)
SELECT workspace_id, month, model_id, service_tier, price, component, since,
       coalesce(-sum(quantity) FILTER (WHERE quantity < 0 AND undone_at >= since - %s::interval), 0)
FROM last GROUP BY 1, 2, 3, 4, 5, 6, 7
"""


class LastBilled(NamedTuple):
    """When an item was billed last, and tokens whose taking back was undone since, by voiding."""

    at: datetime
    undone: int


def last_billed(items: Iterable[BilledItem]) -> dict[BilledItem, LastBilled]:
    """When those of the items that an invoice or a credit note ever billed were billed last."""
    rows = list(items)
    if not rows:
        return {}
    with connection.cursor() as cursor:
        cursor.execute(LAST_BILLED, [*map(list, zip(*rows, strict=True)), f"{MARGIN.total_seconds()} seconds"])
        return {tuple(item): LastBilled(at, int(undone)) for *item, at, undone in cursor.fetchall()}


def explained_tokens(items: Iterable[BilledItem]) -> dict[BilledItem, int]:
    """How much an item may be billed beyond its usage: what was withdrawn or undone since it was billed last."""
    last = last_billed(items)
    withdrawn = withdrawn_tokens((item, billed.at) for item, billed in last.items())
    return {item: withdrawn.get(item, 0) + billed.undone for item, billed in last.items()}


def withdrawn_tokens(billed: Iterable[tuple[BilledItem, datetime]]) -> dict[BilledItem, int]:
    """Tokens that stood at some time since the items were last billed, beyond those that stand now; only above zero."""
    over = list(billed)
    prices = PriceVersion.objects.in_bulk({item[-2] for item, _ in over}, field_name="public_id")
    rows = [
        (*item, since - MARGIN, ",".join(displaced_by(item[-1], rates_per_million(prices[item[-2]])))) for item, since in over
    ]
    if not rows:
        return {}
    with connection.cursor() as cursor:
        cursor.execute(WITHDRAWN, [*map(list, zip(*rows, strict=True))])
        return {tuple(item): int(withdrawn) for *item, withdrawn in cursor.fetchall() if withdrawn > 0}
