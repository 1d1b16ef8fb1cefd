"""Collecting what invoices owe: from the saved method, by itself or when its customer asks, or on a payment page."""

from collections.abc import Callable
from datetime import datetime

import structlog
from django.db import transaction
from django.db.models import Exists, OuterRef

from metering.errors import InvoiceNotOpen, NoPaymentMethod, PaymentInProgress
from metering.invoicing.allowed import check_collect, check_pay
from metering.invoicing.models import Invoice
from metering.jobs.progress import Progress, unheard
from metering.payments.accounts.customers import ensure_customer
from metering.payments.clock import ticking
from metering.payments.collecting.attempts import begin_for_invoice, cancel_attempt, sync_attempt
from metering.payments.collecting.minimum import collectable_invoices, is_below_minimum, refuse_below_minimum
from metering.payments.models import PaymentAccount, PaymentAttempt
from metering.payments.provider.calls import AFTER_REFUSAL
from metering.payments.provider.current import is_configured, provider
from metering.payments.provider.errors import ProviderUnavailable
from metering.payments.top_ups.purchase import PAGE, SAVED
from omixa_billing.instants import Clock
from workspaces import audit
from workspaces.access.still_allowed import check_may_still_pay
from workspaces.models import APIKey, User

log = structlog.get_logger(__name__)
# An attempt that just came to nothing is followed by another, so often within one act.
TRIES = 3


def collect_invoice(invoice_id: int, now: datetime) -> PaymentAttempt | None:
    """Charges the workspace's saved method with what is due on the open invoice; None where there is no method, or nothing
    to charge, or where a bank took back what was charged for it: that is for its customer to pay otherwise.

    An open payment page is closed first. Raises ProviderUnavailable when the outcome is not known yet, and ProviderRefused.
    """
    if not is_configured():
        return None
    invoice = Invoice.objects.get(pk=invoice_id)
    account = _account_with_method(invoice)
    if account is None or invoice.status != Invoice.Status.OPEN or is_below_minimum(invoice.amount_due):
        return None
    if invoice.charged_back:
        return None
    try:
        return _charge(invoice_id, account, now, check_collect)
    except InvoiceNotOpen:  # another person was faster
        return None


@transaction.atomic
def note_request(
    invoice: Invoice, method: str, actor: str, now: datetime, user: User | None = None, maker: APIKey | None = None
) -> None:
    """Who asks to pay it, before any money moves: `user`, a person, or `maker`, an admin key, if they still may.

    Raises what `check_may_still_pay` raises.
    """
    check_may_still_pay(invoice.workspace, user, maker)
    audit.record(actor, "invoice.payment_requested", invoice.public_id, invoice.workspace, now=now, method=method)


def charge_now(invoice: Invoice, actor: str, now: datetime, user: User | None = None) -> PaymentAttempt:
    """`collect_invoice` for its customer, who asks for it and may pay an uncollectible one too.

    Raises NoPaymentMethod, AmountTooSmall, InvoiceNotOpen and StripeNotConfigured beside what that and `note_request` raise.
    """
    provider()
    account = _account_with_method(invoice)
    if account is None:
        raise NoPaymentMethod()
    refuse_below_minimum(invoice)
    note_request(invoice, SAVED, actor, now, user)
    return _charge(invoice.pk, account, now, check_pay)


def collect_due(now: datetime | Clock, progress: Progress = unheard) -> dict[str, int]:
    """Collects what was finalized and not tried yet; retries are dunning's. Counts of outcomes."""
    clock = ticking(now)
    counts = {"succeeded": 0, "processing": 0, "declined": 0, "failed": 0}
    due = _untried(clock())
    for done, invoice_id in enumerate(due):
        progress(done, len(due))
        try:
            attempt = collect_invoice(invoice_id, clock())
        except Exception:
            log.exception("collecting_failed", invoice_id=invoice_id)
            counts["failed"] += 1
        else:
            if attempt is not None and attempt.status in counts:
                counts[attempt.status] += 1
    progress(len(due), len(due))
    return counts


def requested_page(invoice: Invoice, actor: str, now: datetime, user: User | None = None) -> str:
    """`payment_page` for its customer, who asks for it."""
    refuse_below_minimum(invoice)
    note_request(invoice, PAGE, actor, now, user)
    return payment_page(invoice, now)


def payment_page(invoice: Invoice, now: datetime) -> str:
    """The address of the page where the invoice can be paid; an open one is used again.

    Raises PaymentInProgress, InvoiceNotOpen, AmountTooSmall, StripeNotConfigured, ProviderUnavailable, ProviderRefused.
    """
    refuse_below_minimum(invoice)
    account = ensure_customer(invoice.workspace, now)
    for _ in range(TRIES):
        attempt = sync_attempt(begin_for_invoice(invoice.pk, PaymentAttempt.Channel.PAYMENT_PAGE, account, now), now)
        if attempt.status in PaymentAttempt.UNSETTLED:
            if attempt.session_url:
                return attempt.session_url
            raise PaymentInProgress(f"A payment of the invoice {invoice} is in progress: wait for its outcome.")
        if attempt.status == PaymentAttempt.Status.SUCCEEDED:
            raise InvoiceNotOpen(f"The invoice {invoice} is paid.")
    raise ProviderUnavailable(f"Stripe opens no page for {invoice}")


def _charge(invoice_id: int, account: PaymentAccount, now: datetime, check: Callable[[Invoice], None]) -> PaymentAttempt:
    for _ in range(TRIES):
        attempt = begin_for_invoice(invoice_id, PaymentAttempt.Channel.SAVED_METHOD, account, now, check)
        on_page = attempt.channel == PaymentAttempt.Channel.PAYMENT_PAGE
        attempt = cancel_attempt(attempt, now) if on_page else sync_attempt(attempt, now)
        declined_there = on_page and attempt.status == PaymentAttempt.Status.DECLINED
        if attempt.status != PaymentAttempt.Status.CANCELED and not declined_there:
            break
    return attempt


def _account_with_method(invoice: Invoice) -> PaymentAccount | None:
    return PaymentAccount.objects.filter(workspace=invoice.workspace_id).exclude(method_id="").first()


def _untried(now: datetime) -> list[int]:
    """Primary keys of open invoices with a saved method and no dunning, whose last attempt, if any, came to nothing.

    What Stripe refused to us just now is left for a while.
    """
    invoices = collectable_invoices().filter(dunning__isnull=True, charged_back=0)
    with_method = invoices.filter(workspace__payment_account__isnull=False).exclude(workspace__payment_account__method_id="")
    tried = PaymentAttempt.objects.filter(invoice=OuterRef("pk")).exclude(status=PaymentAttempt.Status.CANCELED)
    refused = PaymentAttempt.objects.filter(
        invoice=OuterRef("pk"),
        channel=PaymentAttempt.Channel.SAVED_METHOD,
        status=PaymentAttempt.Status.CANCELED,
        settled_at__gt=now - AFTER_REFUSAL,
    ).exclude(code="")
    return list(with_method.exclude(Exists(tried)).exclude(Exists(refused)).order_by("pk").values_list("pk", flat=True))
