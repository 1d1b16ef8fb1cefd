"""Proof that events, rollups, invoices, payments, credits and the journal agree. Writes nothing; with_stripe.py asks Stripe."""

from decimal import Decimal
from typing import Any

from django.utils import timezone

from metering.jobs.progress import Progress, unheard
from metering.limits.budgets.compare import limit_differences
from metering.money import cents_text, exact_text
from metering.periods import Period
from metering.reconcile import invoices
from metering.reconcile.corrections import correction_differences
from metering.reconcile.events import event_differences
from metering.reconcile.journal import journal_differences
from metering.reconcile.query import fetch_rows
from metering.reconcile.settled_usage import settled_differences
from metering.rollups.compare import GRAINS, event_totals, months_with_usage, quantity_differences, rollup_totals
from metering.rollups.compare import rollup_differences as rollup_differences
from metering.rollups.fold import SUMS
from metering.rollups.margins import margin_differences

# Each finalized invoice beside its payments, and beside what it used of credits.
PAID = """
SELECT i.public_id, i.number, i.amount_paid, coalesce(sum(p.amount), 0)
FROM metering_invoice i LEFT JOIN metering_payment p ON p.invoice_id = i.id
WHERE i.status <> 'draft' AND (%(start)s::timestamptz IS NULL OR i.period_start = %(start)s)
GROUP BY i.id HAVING coalesce(sum(p.amount), 0) <> i.amount_paid ORDER BY i.id
"""
USED = """
SELECT * FROM (
SELECT i.public_id, i.number, CASE WHEN i.status = 'void' THEN 0 ELSE i.promotional + i.credits_applied END AS said,
       -coalesce(sum(e.amount), 0) AS used
FROM metering_invoice i LEFT JOIN metering_creditentry e ON e.invoice_id = i.id
WHERE i.status <> 'draft' AND (%(start)s::timestamptz IS NULL OR i.period_start = %(start)s)
GROUP BY i.id ORDER BY i.id
) AS invoice WHERE said <> used
"""
OVERDRAWN = """
SELECT g.public_id, g.amount, sum(e.amount) FROM metering_creditgrant g JOIN metering_creditentry e ON e.grant_id = g.id
GROUP BY g.id HAVING sum(e.amount) < 0 OR sum(e.amount) > g.amount ORDER BY g.id
"""
REFUNDED = """
SELECT p.public_id, p.refunded, coalesce(sum(r.amount), 0) FROM metering_payment p
LEFT JOIN metering_refund r ON r.payment_id = p.id AND r.status = 'succeeded'
GROUP BY p.id HAVING coalesce(sum(r.amount), 0) <> p.refunded ORDER BY p.id
"""

# What is owed again on each invoice, and what went back of each payment otherwise than by refunds.
REOPENED = """
SELECT i.public_id, i.number, i.charged_back, coalesce(sum(o.amount - o.lifted), 0)
FROM metering_invoice i LEFT JOIN metering_reopenedamount o ON o.invoice_id = i.id
GROUP BY i.id HAVING coalesce(sum(o.amount - o.lifted), 0) <> i.charged_back ORDER BY i.id
"""
KEPT = """
SELECT p.public_id, p.kept, coalesce(sum(k.amount - k.returned), 0) FROM metering_payment p
LEFT JOIN metering_keptpayment k ON k.payment_id = p.id
GROUP BY p.id HAVING coalesce(sum(k.amount - k.returned), 0) <> p.kept ORDER BY p.id
"""
CHARGED_BACK = """
SELECT p.public_id, p.charged_back, coalesce(sum(d.charged_back), 0) FROM metering_payment p
LEFT JOIN metering_dispute d ON d.payment_id = p.id AND d.lost_at IS NOT NULL AND d.reinstated_at IS NULL
GROUP BY p.id HAVING coalesce(sum(d.charged_back), 0) <> p.charged_back ORDER BY p.id
"""
OF_INVOICES = {
    "payments_are_what_was_paid": PAID,
    "credits_used_are_what_was_applied": USED,
    "reopened_amounts_were_charged_back": REOPENED,
}
OF_PAYMENTS = {
    "refunds_are_what_was_given_back": REFUNDED,
    "what_was_kept_as_credit_adds_up": KEPT,
    "lost_disputes_are_what_was_charged_back": CHARGED_BACK,
}


def everything(period: Period | None = None, progress: Progress = unheard) -> dict[str, Any]:
    """`{"ok", "differences", "events", "rollups", "invoiced"}` of the month, or of all months; Stripe is not asked.

    `progress` hears of each month, which are what takes long.
    """
    months = [period] if period else months_with_usage()
    found, events, rollups = [], [], []
    for done, month in enumerate(months):
        progress(done, len(months))
        found += [each for grain in GRAINS for each in rollup_differences(grain, month).first]
        found += [each for grain in GRAINS for each in quantity_differences(grain, month).first]
        found += event_differences(month)
        found += margin_differences(month)
        events.append(event_totals(month))
        rollups.append(rollup_totals(month))
    progress(len(months), len(months))
    found += correction_differences(period)
    billed = invoices.check_invoices(period)
    found += billed.differences
    found += money_differences(period)
    found += journal_differences()
    found += limit_differences(timezone.now(), period)
    found += settled_differences()
    return {
        "ok": not found,
        "differences": found,
        "events": summed(events),
        "rollups": summed(rollups),
        "invoiced": billed.invoiced,
    }


def money_differences(period: Period | None = None) -> list[dict[str, Any]]:
    """Where invoices, payments, refunds and credits contradict each other."""
    scope = {"start": period and period.start}
    found = []
    for check, sql in OF_INVOICES.items():
        for public_id, number, expected, sums in fetch_rows(sql, scope):
            amounts = {"expected": cents_text(expected), "found": cents_text(sums)}
            found.append({"check": check, "invoice_id": public_id, "number": number, **amounts})
    for grant, amount, left in fetch_rows(OVERDRAWN, {}):
        amounts = {"expected": f"0.00 to {cents_text(amount)}", "found": cents_text(left)}
        found.append({"check": "credit_left_is_within_its_grant", "credit_id": grant, **amounts})
    for check, sql in OF_PAYMENTS.items():
        for payment, said, sums in fetch_rows(sql, {}):
            amounts = {"expected": cents_text(sums), "found": cents_text(said)}
            found.append({"check": check, "payment_id": payment, **amounts})
    return found


def summed(totals: list[dict[str, Any]]) -> dict[str, Any]:
    """Monthly sums added up, with the cost as text."""
    counts = {name: sum(each[name] for each in totals) for name in SUMS if name != "cost"}
    return {**counts, "cost": exact_text(sum((each["cost"] for each in totals), Decimal(0)))}
