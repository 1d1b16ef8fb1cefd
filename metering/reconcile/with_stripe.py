"""Proof that payments, refunds and disputes of the last weeks are what Stripe says. Writes nothing."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from metering.money import cents_text
from metering.payments.models import Dispute, Payment, Refund
from metering.payments.provider.current import is_configured, provider
from metering.payments.provider.errors import ProviderRefused, ProviderUnavailable
from metering.payments.provider.objects import Intent
from metering.payments.refunds.outcomes import refund_status

DAYS_COMPARED_WITH_STRIPE = 35
# What a job may still be about to record.
IN_FLIGHT = timedelta(minutes=30)


def against_stripe(now: datetime) -> list[dict[str, Any]]:
    """Where our payments, refunds and disputes of the last weeks and Stripe's differ; empty without Stripe.

    A Stripe that does not answer, or refuses, is a finding beside those that were made before it did.
    """
    if not is_configured():
        return []
    since, until = now - timedelta(days=DAYS_COMPARED_WITH_STRIPE), now - IN_FLIGHT
    parts = {"payments_are_stripes": _payments, "refunds_are_stripes": _refunds, "disputes_are_stripes": _disputes}
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


def _disputes(since: datetime, until: datetime) -> Iterator[dict[str, Any]]:
    """What banks ask back of our payments, beside what is kept here."""
    theirs = [each for each in provider().list_disputes(since) if each.opened_at < until]
    paid = set(Payment.objects.filter(intent_id__in={each.intent for each in theirs}).values_list("intent_id", flat=True))
    ours = Dispute.objects.filter(stripe_id__in=[each.id for each in theirs]).in_bulk(field_name="stripe_id")
    for each in theirs:
        kept = ours.get(each.id)
        if each.intent in paid and (kept is None or (kept.amount, kept.status) != (each.amount, each.status)):
            yield {
                "check": "disputes_are_stripes",
                "dispute_id": each.id,
                "intent_id": each.intent,
                "expected": f"{cents_text(each.amount)} {each.status}",
                "found": "no dispute" if kept is None else f"{cents_text(kept.amount)} {kept.status}",
            }


def _compared(theirs: Intent, ours: Payment | None) -> dict[str, Any] | None:
    if ours is not None and (ours.amount, ours.currency) == (theirs.received, theirs.currency):
        return None
    return {
        "check": "payments_are_stripes",
        "intent_id": theirs.id,
        "expected": _money_text(theirs.received, theirs.currency),
        "found": "no payment" if ours is None else _money_text(ours.amount, ours.currency),
    }


def _money_text(amount: Decimal, currency: str) -> str:
    """Other currencies than the product's are named."""
    return cents_text(amount) if currency == "USD" else f"{cents_text(amount)} {currency}"


def _fetched_payment(payment: Payment) -> dict[str, Any] | None:
    """A payment that Stripe did not list: begun long before it arrived, returned since, or not Stripe's at all."""
    try:
        intent = provider().look_up_payment(str(payment.intent_id))
    except ProviderRefused as refused:
        expected = refused.provider_message
    else:
        if intent.status == "succeeded" and intent.received == payment.amount:
            return None
        if intent.status != "succeeded" and payment.charged_back == payment.amount:
            return None
        expected = intent.status
    where = {"payment_id": payment.public_id, "intent_id": payment.intent_id}
    return {"check": "payments_are_stripes", **where, "expected": expected, "found": cents_text(payment.amount)}
