"""Paying an invoice because a program asks: at most one attempt for an `Idempotency-Key`, however often it is repeated.

The key remembers the attempt, or that a page was asked for, in the transaction that begins it; repeating answers from that.
"""

from dataclasses import dataclass
from datetime import datetime

from metering.errors import InvoiceNotOpen, NoPaymentMethod, PaymentInProgress
from metering.invoicing.allowed import check_pay
from metering.invoicing.models import Invoice
from metering.payments.accounts.customers import account_of
from metering.payments.collecting.attempts import begin_for_invoice, cancel_attempt, sync_attempt
from metering.payments.collecting.collect import note_request, payment_page
from metering.payments.collecting.minimum import refuse_below_minimum
from metering.payments.idempotency import once, remembered
from metering.payments.models import PaymentAttempt
from metering.payments.provider.current import provider
from metering.payments.top_ups.purchase import PAGE
from workspaces.access.authentication import Caller
from workspaces.access.still_allowed import check_may_still_pay

# What a key remembers that made no attempt.
A_PAGE, NOTHING_DUE = "page", "nothing_due"


@dataclass(frozen=True, slots=True)
class PaymentRequest:
    """The invoice as it is by now, and where it is paid or what became of charging the saved method."""

    invoice: Invoice
    page: str | None = None
    attempt: PaymentAttempt | None = None


def pay_invoice(invoice: Invoice, method: str, key: str, caller: Caller, now: datetime) -> PaymentRequest:
    """Pays the invoice on a page, or from the saved method. A decline is an answer, and stays this key's.

    Raises what `check_may_still_pay` raises, InvoiceNotOpen, AmountTooSmall, NoPaymentMethod, PaymentInProgress,
    StripeNotConfigured, IdempotencyKeyReused, and ProviderUnavailable while the outcome is not known.
    """
    provider()
    asked = {"pay": invoice.public_id, "method": method}
    made = remembered(invoice.workspace, key, asked)
    if made is None:
        if method != PAGE:
            check_may_still_pay(invoice.workspace, caller.user, caller.key)
            _close_open_page(invoice, now)
        made = once(invoice.workspace, key, asked, lambda: _begin(invoice, method, caller, now), now)
    return _answer(invoice, made, now)


def _begin(invoice: Invoice, method: str, caller: Caller, now: datetime) -> str:
    """What the key is to remember, with the workspace held. What is refused here is not remembered."""
    invoice.refresh_from_db()
    if invoice.status == Invoice.Status.PAID:
        return NOTHING_DUE
    check_pay(invoice)
    refuse_below_minimum(invoice)
    note_request(invoice, method, caller.actor, now, caller.user, caller.key)
    if method == PAGE:
        return A_PAGE
    account = account_of(invoice.workspace)
    if not account.method_id:
        raise NoPaymentMethod()
    attempt = begin_for_invoice(invoice.pk, PaymentAttempt.Channel.SAVED_METHOD, account, now)
    if attempt.channel == PaymentAttempt.Channel.PAYMENT_PAGE:
        raise PaymentInProgress(f"The invoice {invoice} is being paid on a page: wait for the outcome, or repeat this.")
    return attempt.idempotency_key


def _close_open_page(invoice: Invoice, now: datetime) -> None:
    opened = invoice.attempts.unsettled().filter(channel=PaymentAttempt.Channel.PAYMENT_PAGE).first()
    if opened is not None and account_of(invoice.workspace).method_id:
        cancel_attempt(opened, now)


def _answer(invoice: Invoice, made: str, now: datetime) -> PaymentRequest:
    invoice.refresh_from_db()
    if made == A_PAGE:
        return PaymentRequest(invoice, page=_page_of(invoice, now))
    attempt = invoice.attempts.filter(idempotency_key=made).first()
    if attempt is not None:
        attempt = sync_attempt(attempt, now)
        invoice.refresh_from_db()
    return PaymentRequest(invoice, attempt=attempt)


def _page_of(invoice: Invoice, now: datetime) -> str | None:
    """None when it is settled, or turns out to have been paid on its page just now."""
    if invoice.status not in Invoice.OWED:
        return None
    try:
        return payment_page(invoice, now)
    except InvoiceNotOpen:
        invoice.refresh_from_db()
        if invoice.status != Invoice.Status.PAID:
            raise
        return None
