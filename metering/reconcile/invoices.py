"""Proof that finalized invoices agree with themselves, their numbers' sequence and the ledger. Writes nothing."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from metering.invoicing.composing.withdrawn import explained_tokens
from metering.invoicing.models import Invoice
from metering.money import cents_text, exact_text, round_to_cents
from metering.periods import Period
from metering.reconcile.credit_notes import credit_note_differences
from metering.reconcile.query import fetch_rows
from metering.reconcile.rule import COUNTED, RATED, alone_sql, difference_sql

# Each finalized invoice beside the sums of its lines.
INVOICES = """
SELECT i.public_id, i.number, i.status, i.subtotal_exact, i.subtotal, i.promotional, i.tax, i.total,
       i.credits_applied + i.amount_paid + i.credited - i.charged_back, i.amount_due,
       coalesce((SELECT sum((tax ->> 'amount')::numeric) FROM jsonb_array_elements(i.taxes) AS each (tax)), 0),
       coalesce(sum(l.amount_exact), 0), coalesce(sum(l.amount), 0),
       count(*) FILTER (WHERE l.kind IN ('usage', 'adjustment')
                               AND l.amount_exact <> l.quantity * l.rate_per_million * 0.000001
                           OR abs(l.amount - l.amount_exact) >= 0.01)
FROM metering_invoice i LEFT JOIN metering_invoiceline l ON l.invoice_id = i.id
WHERE i.status <> 'draft' AND (%(start)s::timestamptz IS NULL OR i.period_start = %(start)s)
GROUP BY i.id ORDER BY i.id
"""

# Billable rollups whose cost is not their tokens times the rates of their price version.
OF_A_DAY = "workspace_id, day, model_id, key_id, service_tier_id, provider_id, status, price_id"
MISPRICED = f"""
WITH used AS (
    SELECT {OF_A_DAY}, jsonb_object_agg(component, quantity) AS others FROM metering_dailyquantity
    WHERE price_id > 0 AND (%(start)s::timestamptz IS NULL OR day >= %(start)s AND day < %(end)s) GROUP BY {OF_A_DAY}
)
SELECT * FROM (
SELECT w.public_id, r.day, coalesce(p.public_id, r.price_id::text), r.cost,
       ({RATED} + {difference_sql("used.others", "r.requests")}) * 0.000001 AS rated
FROM metering_dailyrollup r JOIN workspaces_workspace w ON w.id = r.workspace_id
LEFT JOIN metering_priceversion p ON p.id = r.price_id
LEFT JOIN used ON {" AND ".join(f"used.{name} = r.{name}" for name in OF_A_DAY.split(", "))}
WHERE r.price_id > 0 AND (%(start)s::timestamptz IS NULL OR r.day >= %(start)s AND r.day < %(end)s)
) AS billable WHERE rated IS DISTINCT FROM cost ORDER BY public_id, day
"""  # noqa: S608  # constants

# Exact USD of billable usage, and of what finalized invoices bill for the same months.
LEDGER = """
SELECT coalesce(sum(r.cost), 0) FROM metering_dailyrollup r
JOIN workspaces_workspace w ON w.id = r.workspace_id AND NOT w.sandbox
WHERE r.price_id > 0 AND (%(start)s::timestamptz IS NULL OR r.day >= %(start)s AND r.day < %(end)s)
"""
BILLED = """
SELECT coalesce(sum(l.amount_exact), 0), count(DISTINCT i.id) FROM metering_invoiceline l
JOIN metering_invoice i ON i.id = l.invoice_id
WHERE i.status IN ('open', 'paid', 'uncollectible') AND l.kind IN ('usage', 'adjustment')
  AND (%(start)s::timestamptz IS NULL OR l.period_start = %(start)s)
"""

# Tokens that finalized invoices bill beyond those in the rollups: twice, never used, or taken back since (withdrawn.py). What
# they bill less is not yet billed, and no difference. What a void invoice billed of its month is left to its reissue.
WAITS = """(i.status = 'void' AND i.reissued_at IS NULL AND l.period_start = i.period_start AND NOT EXISTS (
    SELECT FROM metering_invoice other WHERE other.workspace_id = i.workspace_id AND other.period_start = i.period_start
      AND (other.status <> 'void' OR other.id > i.id)))"""
RIGHT = """(CASE WHEN billed.waiting > 0 THEN greatest(coalesce(used.tokens, 0) - billed.waiting, 0)
    ELSE coalesce(used.tokens, 0) - billed.waiting END)"""
OVERBILLED = f"""
WITH said AS (
    SELECT i.workspace_id, l.period_start AS month, l.language_model_id AS model_id, l.service_tier, l.price, l.component,
           l.quantity, i.status = 'void' AS waits
    FROM metering_invoiceline l JOIN metering_invoice i ON i.id = l.invoice_id
    WHERE (i.status IN ('open', 'paid', 'uncollectible') OR {WAITS}) AND l.kind IN ('usage', 'adjustment')
    UNION ALL
    SELECT i.workspace_id, s.month, s.language_model_id, s.service_tier, s.price, s.component, s.quantity, false
    FROM metering_settledadjustment s JOIN metering_creditnote n ON n.id = s.credit_note_id
    JOIN metering_invoice i ON i.id = n.invoice_id WHERE s.kind IN ('usage', 'adjustment')
), billed AS (
    SELECT workspace_id, month, model_id, service_tier, price, component,
           coalesce(sum(quantity) FILTER (WHERE NOT waits), 0) AS tokens,
           coalesce(sum(quantity) FILTER (WHERE waits), 0) AS waiting
    FROM said WHERE %(start)s::timestamptz IS NULL OR month = %(start)s GROUP BY 1, 2, 3, 4, 5, 6
), months AS (
    SELECT workspace_id, date_trunc('month', day, 'UTC') AS month, model_id, service_tier_id, price_id,
           {", ".join(f"sum({name}) AS {name}" for name in COUNTED)}
    FROM metering_dailyrollup
    WHERE price_id > 0 AND (%(start)s::timestamptz IS NULL OR day >= %(start)s AND day < %(end)s)
    GROUP BY 1, 2, 3, 4, 5
), quantities AS (
    SELECT workspace_id, month, model_id, service_tier_id, price_id, jsonb_object_agg(component, quantity) AS others FROM (
        SELECT workspace_id, date_trunc('month', day, 'UTC') AS month, model_id, service_tier_id, price_id, component,
               sum(quantity) AS quantity
        FROM metering_dailyquantity
        WHERE price_id > 0 AND (%(start)s::timestamptz IS NULL OR day >= %(start)s AND day < %(end)s)
        GROUP BY 1, 2, 3, 4, 5, 6
    ) AS summed GROUP BY 1, 2, 3, 4, 5
), used AS (
    SELECT months.workspace_id, month, months.model_id, t.name AS service_tier, p.public_id AS price, component, tokens
    FROM months LEFT JOIN quantities USING (workspace_id, month, model_id, service_tier_id, price_id)
    JOIN metering_servicetier t ON t.id = service_tier_id JOIN metering_priceversion p ON p.id = price_id,
    LATERAL ({alone_sql("others", "requests")}) AS part (component, tokens)
)
SELECT w.public_id, m.slug, {RIGHT}, billed.tokens,
       workspace_id, month, model_id, service_tier, price, component
FROM billed LEFT JOIN used USING (workspace_id, month, model_id, service_tier, price, component)
JOIN workspaces_workspace w ON w.id = workspace_id JOIN metering_languagemodel m ON m.id = model_id
WHERE billed.tokens > {RIGHT} ORDER BY w.public_id, month, m.slug, service_tier, price, component
"""  # noqa: S608  # constants

# Sequences whose last number is not the count of the numbers given. A number without its last digits names its sequence
# exactly: compared as a pattern or a beginning, "A-2026-..." would take in those of a prefix "A-2026" too.
GAPS = """
SELECT s.prefix, s.year, s.last, count(given.number) FROM metering_invoicesequence s
LEFT JOIN (SELECT number FROM metering_invoice UNION ALL SELECT number FROM metering_creditnote) AS given
ON rtrim(given.number, '0123456789') = s.prefix || '-' || s.year || '-'
GROUP BY s.id HAVING s.last <> count(given.number) ORDER BY s.prefix, s.year
"""


@dataclass(frozen=True, slots=True)
class InvoiceCheck:
    """`invoice_differences` are what should not be. `invoiced` says what is billed, and what is not yet: late usage,
    unfinalized months and the running one, which later invoices bill.
    """

    differences: list[dict[str, Any]] = field(default_factory=list)
    invoiced: dict[str, Any] = field(default_factory=dict)


def check_invoices(period: Period | None = None) -> InvoiceCheck:
    """Finalized invoices of the month, or of all months, against their lines, and what they bill against the usage.

    `invoiced` is {"invoices", "usage", "billed", "not_yet_billed"}: how many invoices bill usage of these months, then
    exact USD texts, of which the last two add up to the first. Set-based: reads rollups and lines, never events.
    """
    scope = {"start": period and period.start, "end": period and period.end}
    ((used,),) = fetch_rows(LEDGER, scope)
    ((billed, invoices),) = fetch_rows(BILLED, scope)
    return InvoiceCheck(
        differences=invoice_differences(period),
        invoiced={
            "invoices": invoices,
            "usage": exact_text(used),
            "billed": exact_text(billed),
            "not_yet_billed": exact_text(used - billed),
        },
    )


def invoice_differences(period: Period | None = None) -> list[dict[str, Any]]:
    """What contradicts itself, one object each: {"check", whose it is, "expected", "found"}. Empty when all is well."""
    scope = {"start": period and period.start, "end": period and period.end}
    found = [problem for row in fetch_rows(INVOICES, scope) for problem in of_invoice(*row)]
    for workspace, day, price, cost, rated in fetch_rows(MISPRICED, scope):
        where = {"workspace_id": workspace, "day": f"{day:%Y-%m-%d}", "price_id": price}
        expected = None if rated is None else exact_text(rated)
        found.append({"check": "rollup_cost_is_tokens_times_rates", **where, "expected": expected, "found": exact_text(cost)})
    found += overbilled(scope)
    found += credit_note_differences(period)
    for prefix, year, last, given in fetch_rows(GAPS, {}):
        found.append(
            {
                "check": "numbers_have_no_gaps",
                "sequence": f"{prefix}-{year}",
                "expected": str(last),
                "found": str(given),
            }
        )
    return found


def overbilled(scope: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """What is billed beyond the ledger and beyond what was taken back since, in tokens."""
    found = fetch_rows(OVERBILLED, scope)
    explained = explained_tokens(tuple(item) for _, _, _, _, *item in found)
    for workspace, slug, right, billed, *item in found:
        most = right + explained.get(tuple(item), 0)
        if billed > most:
            _, month, _, tier, price, component = item
            what = {"workspace_id": workspace, "month": f"{month:%Y-%m}", "model": slug, "service_tier": tier}
            which = {"price_id": price, "component": component}
            yield {"check": "billed_tokens_were_used", **what, **which, "expected": f"at most {most}", "found": str(billed)}


def of_invoice(
    public_id: str,
    number: str,
    status: str,
    subtotal_exact: Decimal,
    subtotal: Decimal,
    promotional: Decimal,
    tax: Decimal,
    total: Decimal,
    settled: Decimal,
    amount_due: Decimal,
    taxes: Decimal,
    lines_exact: Decimal,
    lines_displayed: Decimal,
    wrong_lines: int,
) -> Iterator[dict[str, Any]]:
    """What one finalized invoice contradicts itself in."""
    checks = [
        ("exact_lines_add_up", exact_text(lines_exact), exact_text(subtotal_exact)),
        ("subtotal_is_rounded_once", cents_text(round_to_cents(subtotal_exact)), cents_text(subtotal)),
        ("displayed_lines_add_up", cents_text(subtotal), cents_text(lines_displayed)),
        ("tax_is_the_sum_of_taxes", cents_text(taxes), cents_text(tax)),
        ("total_is_subtotal_and_tax", cents_text(subtotal - promotional + tax), cents_text(total)),
        ("due_is_total_less_settled", cents_text(total - settled), cents_text(amount_due)),
        (
            "nothing_is_due_on_a_paid_invoice",
            cents_text(Decimal(0) if status == Invoice.Status.PAID else amount_due),
            cents_text(amount_due),
        ),
        ("lines_are_quantity_times_rate", "0 wrong lines", f"{wrong_lines} wrong lines"),
    ]
    for name, expected, found in checks:
        if expected != found:
            yield {"check": name, "invoice_id": public_id, "number": number, "expected": expected, "found": found}
