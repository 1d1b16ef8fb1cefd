"""Attempts to collect an amount: written first, asked of Stripe second, settled by what Stripe says.

An invoice has one unsettled attempt at most, the database sees to it, and a new one begins only when the last is known to have
come to nothing. Every step reads the row again and writes only what still holds: a run may be hours old.
"""

from collections.abc import Callable
from datetime import datetime

from django.db import transaction

from metering.errors import InvoiceNotOpen
from metering.invoicing.allowed import check_pay
from metering.invoicing.locks import lock_invoice
from metering.invoicing.models import Invoice
from metering.payments.collecting import outcomes, payment_page, saved_method
from metering.payments.models import Payment, PaymentAccount, PaymentAttempt, TopUp
from metering.payments.provider.calls import recover_rows
from metering.payments.provider.current import provider
from metering.payments.provider.objects import Intent
from omixa_billing.instants import Clock


def begin_for_invoice(
    invoice_id: int, channel: str, account: PaymentAccount, now: datetime, check: Callable[[Invoice], None] = check_pay
) -> PaymentAttempt:
    """The invoice's unsettled attempt, or a new one over all that is due. Committed before Stripe hears of it.

    Raises what `check` raises, and InvoiceNotOpen when nothing is due.
    """
    with transaction.atomic():
        invoice = lock_invoice(invoice_id)
        current = invoice.attempts.unsettled().first()
        if current is not None:
            return current
        check(invoice)
        if invoice.amount_due <= 0:
            raise InvoiceNotOpen(f"The invoice {invoice} is {invoice.status}: there is nothing to pay.")
        number = invoice.attempts.count() + 1
        return PaymentAttempt.objects.create(
            workspace=invoice.workspace,
            invoice=invoice,
            number=number,
            amount=invoice.amount_due,
            currency=invoice.currency,
            channel=channel,
            idempotency_key=f"invoice-{invoice.public_id}-attempt-{number}",
            customer_id=account.customer_id or "",
            method_id=account.method_id if channel == PaymentAttempt.Channel.SAVED_METHOD else "",
            started_at=now,
        )


def begin_for_top_up(top_up: TopUp, channel: str, account: PaymentAccount, now: datetime) -> PaymentAttempt:
    """A top-up's one attempt."""
    attempt, _ = PaymentAttempt.objects.get_or_create(
        top_up=top_up,
        number=1,
        defaults={
            "workspace_id": account.workspace_id,
            "amount": top_up.amount,
            "currency": top_up.currency,
            "channel": channel,
            "idempotency_key": f"topup-{top_up.public_id}-attempt-1",
            "customer_id": account.customer_id or "",
            "method_id": account.method_id if channel == PaymentAttempt.Channel.SAVED_METHOD else "",
            "started_at": now,
        },
    )
    return attempt


def sync_attempt(attempt: PaymentAttempt, now: datetime) -> PaymentAttempt:
    """Asks Stripe how the attempt stands, making the payment or the page if there is none; the attempt as it is then.

    An unknown outcome leaves it unsettled, and so does what Stripe refuses to us: the next run asks again. Raises
    ProviderUnavailable, ProviderRefused.
    """
    attempt = PaymentAttempt.objects.get(pk=attempt.pk)
    if attempt.status in PaymentAttempt.UNSETTLED:
        if attempt.channel == PaymentAttempt.Channel.PAYMENT_PAGE:
            payment_page.sync_page(attempt, now)
        else:
            saved_method.sync_charge(attempt, now)
        attempt.refresh_from_db()
    return attempt


def cancel_attempt(attempt: PaymentAttempt, now: datetime) -> PaymentAttempt:
    """Ends the attempt if no money is on its way: its page is closed. The attempt as it is then, canceled or paid already.

    Raises ProviderUnavailable, ProviderRefused.
    """
    attempt = PaymentAttempt.objects.get(pk=attempt.pk)
    if attempt.status in PaymentAttempt.UNSETTLED:
        if attempt.channel == PaymentAttempt.Channel.PAYMENT_PAGE:
            payment_page.expire_page(attempt, now)
        else:
            saved_method.cancel_charge(attempt, now)
        attempt.refresh_from_db()
    return attempt


def apply_intent_event(attempt: PaymentAttempt, intent: Intent, now: datetime) -> None:
    """What Stripe reported of an intent, unasked. A payment is recorded; what else came of a page, the page says."""
    is_of_page = attempt.channel == PaymentAttempt.Channel.PAYMENT_PAGE
    if is_of_page and attempt.status in PaymentAttempt.UNSETTLED and intent.status != "succeeded":
        sync_attempt(attempt, now)
    else:
        outcomes.apply_intent(attempt, intent, now)


class PaymentTooEarly(Exception):
    """News about a payment of ours that Stripe does not call succeeded yet: the webhook is handled again later."""


def payment_of_intent(intent_id: str, now: datetime) -> Payment | None:
    """The payment that came by an intent, None where that is none of ours. One that no other news has brought yet is taken in
    first. Raises PaymentTooEarly.
    """
    if not intent_id:
        return None
    payments = Payment.objects.filter(intent_id=intent_id).select_related("workspace")
    if found := payments.first():
        return found
    intent = provider().look_up_payment(intent_id)
    attempt = PaymentAttempt.objects.filter(idempotency_key=intent.metadata.get("omixa_attempt", "")).first()
    if attempt is None:
        return None
    apply_intent_event(attempt, intent, now)
    found = payments.first()
    if found is None:
        raise PaymentTooEarly(f"The payment {intent.id} is {intent.status}.")
    return found


def recover_attempts(now: datetime | Clock) -> dict[str, int]:
    """Takes up every unsettled attempt: after a crash, a lost answer, or when a webhook never came. Counts of outcomes."""
    unsettled = PaymentAttempt.objects.unsettled().order_by("pk")
    return recover_rows(list(unsettled.values_list("pk", flat=True)), _sync_one, now)


def _sync_one(pk: int, now: datetime) -> bool:
    return sync_attempt(PaymentAttempt(pk=pk), now).status not in PaymentAttempt.UNSETTLED
