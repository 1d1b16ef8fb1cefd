"""Proof that events, rollups, invoices, payments, credits and the journal agree, here and with Stripe. Writes nothing."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.utils import timezone

from metering.jobs.progress import Progress, unheard
from metering.limits.budgets.compare import limit_differences
from metering.money import cents_text, exact_text
from metering.payments.models import Payment, Refund
from metering.payments.provider.current import is_configured, provider
from metering.payments.provider.errors import ProviderRefused, ProviderUnavailable
from metering.payments.provider.objects import Intent
from metering.payments.refunds.refunds import refund_status
from metering.periods import Period
from metering.reconcile import invoices
from metering.reconcile.corrections import correction_differences
from metering.reconcile.events import event_differences
from metering.reconcile.journal import journal_differences
from metering.reconcile.query import fetch_rows
from metering.rollups.compare import GRAINS, event_totals, months_with_usage, rollup_totals
from metering.rollups.compare import rollup_differences as rollup_differences
from metering.rollups.fold import SUMS

DAYS_COMPARED_WITH_STRIPE = 35
# What a job may still be about to record.
IN_FLIGHT = timedelta(minutes=30)

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


def everything(period: Period | None = None, progress: Progress = unheard) -> dict[str, Any]:
    """`{"ok", "differences", "events", "rollups", "invoiced"}` of the month, or of all months; Stripe is not asked.

    `progress` hears of each month, which are what takes long.
    """
    months = [period] if period else months_with_usage()
    found, events, rollups = [], [], []
    for done, month in enumerate(months):
        progress(done, len(months))
        found += [each for grain in GRAINS for each in rollup_differences(grain, month).first]
        found += event_differences(month)
        events.append(event_totals(month))
        rollups.append(rollup_totals(month))
    progress(len(months), len(months))
    found += correction_differences(period)
    billed = invoices.check_invoices(period)
    found += billed.differences
    found += money_differences(period)
    found += journal_differences()
    found += limit_differences(timezone.now(), period)
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
    for check, sql in (("payments_are_what_was_paid", PAID), ("credits_used_are_what_was_applied", USED)):
        for public_id, number, expected, sums in fetch_rows(sql, scope):
            amounts = {"expected": cents_text(expected), "found": cents_text(sums)}
            found.append({"check": check, "invoice_id": public_id, "number": number, **amounts})
    for grant, amount, left in fetch_rows(OVERDRAWN, {}):
        amounts = {"expected": f"0.00 to {cents_text(amount)}", "found": cents_text(left)}
        found.append({"check": "credit_left_is_within_its_grant", "credit_id": grant, **amounts})
    for payment, refunded, sums in fetch_rows(REFUNDED, {}):
        amounts = {"expected": cents_text(sums), "found": cents_text(refunded)}
        found.append({"check": "refunds_are_what_was_given_back", "payment_id": payment, **amounts})
    return found


def against_stripe(now: datetime) -> list[dict[str, Any]]:
    """Where our payments and refunds of the last weeks and Stripe's differ; empty without Stripe.

    A Stripe that does not answer, or refuses, is a finding beside those that were made before it did.
    """
    if not is_configured():
        return []
    since, until = now - timedelta(days=DAYS_COMPARED_WITH_STRIPE), now - IN_FLIGHT
    parts = {"payments_are_stripes": _payments, "refunds_are_stripes": _refunds}
    return [each for check, part in parts.items() for each in _as_far_as_it_goes(check, part(since, until))]


def _as_far_as_it_goes(check: str, findings: Iterator[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    try:
        yield from findings
    except (ProviderRefused, ProviderUnavailable) as error:
        yield {"check": check, "expected": "an answer of Stripe's", "found": str(error)}


def _payments(since: datetime, until: datetime) -> Iterator[dict[str, Any]]:
    theirs = [
        each for each in provider().list_payments(since) if "omixa_attempt" in each.metadata and each.status == "succeeded"
    ]
    settled = [each for each in theirs if each.created is None or each.created < until]
    ours = Payment.objects.filter(intent_id__in=[each.id for each in settled]).in_bulk(field_name="intent_id")
    yield from (difference for each in settled if (difference := _compared(each, ours.get(each.id))))
    known = {each.id for each in theirs}
    for payment in Payment.objects.filter(method=Payment.Method.STRIPE, received_at__gte=since + timedelta(days=7)):
        if payment.intent_id not in known and (difference := _fetched_payment(payment)):
            yield difference


def _refunds(since: datetime, until: datetime) -> Iterator[dict[str, Any]]:
    """What Stripe gave back of our payments, on anybody's request, beside what is kept here."""
    theirs = [each for each in provider().list_refunds(since) if each.created is None or each.created < until]
    paid = set(Payment.objects.filter(intent_id__in={each.intent for each in theirs}).values_list("intent_id", flat=True))
    ours = Refund.objects.filter(stripe_id__in=[each.id for each in theirs]).in_bulk(field_name="stripe_id")
    for each in theirs:
        kept = ours.get(each.id)
        if each.intent in paid and (kept is None or (kept.amount, kept.status) != (each.amount, refund_status(each))):
            yield {
                "check": "refunds_are_stripes",
                "refund_id": each.id,
                "intent_id": each.intent,
                "expected": f"{cents_text(each.amount)} {refund_status(each)}",
                "found": "no refund" if kept is None else f"{cents_text(kept.amount)} {kept.status}",
            }


def _compared(theirs: Intent, ours: Payment | None) -> dict[str, Any] | None:
    if ours is not None and ours.amount == theirs.received:
        return None
    return {
        "check": "payments_are_stripes",
        "intent_id": theirs.id,
        "expected": cents_text(theirs.received),
        "found": "no payment" if ours is None else cents_text(ours.amount),
    }


def _fetched_payment(payment: Payment) -> dict[str, Any] | None:
    """A payment that Stripe did not list: begun long before it arrived, or not Stripe's at all."""
    try:
        intent = provider().look_up_payment(str(payment.intent_id))
    except ProviderRefused as refused:
        expected = refused.provider_message
    else:
        if intent.status == "succeeded" and intent.received == payment.amount:
            return None
        expected = intent.status
    where = {"payment_id": payment.public_id, "intent_id": payment.intent_id}
    return {"check": "payments_are_stripes", **where, "expected": expected, "found": cents_text(payment.amount)}


def summed(totals: list[dict[str, Any]]) -> dict[str, Any]:
    """Monthly sums added up, with the cost as text."""
    counts = {name: sum(each[name] for each in totals) for name in SUMS if name != "cost"}
    return {**counts, "cost": exact_text(sum((each["cost"] for each in totals), Decimal(0)))}
