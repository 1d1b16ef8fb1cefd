"""Collecting open invoices: from the saved method by itself, or on a payment page."""

from collections.abc import Callable
from datetime import datetime

import structlog
from django.conf import settings
from django.db.models import Q

from metering.errors import InvoiceNotOpen, PaymentUnderWay
from metering.invoicing.models import Invoice
from metering.payments.accounts import ensure_customer
from metering.payments.attempts import PAYMENT_PAGE, SAVED_METHOD, begin_for_invoice, close_page, pursue
from metering.payments.models import PaymentAccount, PaymentAttempt
from metering.payments.stripe_edge import is_configured
from metering.payments.too_little import refuse_too_little

log = structlog.get_logger(__name__)


def collect_invoice(invoice_id: int, now: datetime) -> PaymentAttempt | None:
    """Charges the workspace's saved method with what is due; None where there is no method, or nothing to charge.

    An open payment page is closed first. Raises StripeUnavailable when the outcome is not known yet.
    """
    if not is_configured():
        return None
    invoice = Invoice.objects.get(pk=invoice_id)
    account = PaymentAccount.objects.filter(workspace=invoice.workspace_id).exclude(method_id="").first()
    if account is None or invoice.status != Invoice.Status.OPEN or invoice.amount_due < settings.INVOICE_MINIMUM:
        return None
    try:
        attempt = begin_for_invoice(invoice_id, SAVED_METHOD, account, now)
        if attempt.channel == PAYMENT_PAGE:
            if close_page(attempt, now).status != PaymentAttempt.Status.CANCELED:
                return attempt
            attempt = begin_for_invoice(invoice_id, SAVED_METHOD, account, now)
    except InvoiceNotOpen:  # somebody else was faster
        return None
    return pursue(attempt, now)


def collect_due(now: datetime, progress: Callable[[int, int], None] = lambda done, total: None) -> dict[str, int]:
    """Collects what was finalized and not tried yet; retries are dunning's. Counts of outcomes."""
    counts = {"succeeded": 0, "processing": 0, "declined": 0, "failed": 0}
    due = _untried()
    for done, invoice_id in enumerate(due):
        progress(done, len(due))
        try:
            attempt = collect_invoice(invoice_id, now)
        except Exception:
            log.exception("collecting_failed", invoice_id=invoice_id)
            counts["failed"] += 1
        else:
            if attempt is not None and attempt.status in counts:
                counts[attempt.status] += 1
    progress(len(due), len(due))
    return counts


def _untried() -> list[int]:
    """Primary keys of open invoices with a saved method and no dunning, whose last attempt, if any, came to nothing."""
    invoices = Invoice.objects.filter(
        status=Invoice.Status.OPEN, amount_due__gte=max(settings.INVOICE_MINIMUM, 0), dunning__isnull=True
    )
    with_method = invoices.filter(workspace__payment_account__isnull=False).exclude(workspace__payment_account__method_id="")
    tried = Q(attempts__status__in=["started", "processing", "declined", "succeeded"])
    return list(with_method.exclude(tried).order_by("pk").values_list("pk", flat=True))


def payment_page(invoice: Invoice, now: datetime) -> str:
    """The address of the page where the invoice can be paid; an open one is used again.

    Raises TooLittleToPay, PaymentUnderWay, InvoiceNotOpen, StripeNotConfigured, StripeUnavailable.
    """
    refuse_too_little(invoice)
    account = ensure_customer(invoice.workspace, now)
    for _ in range(2):  # the standing page may just have expired
        attempt = pursue(begin_for_invoice(invoice.pk, PAYMENT_PAGE, account, now), now)
        if attempt.status in PaymentAttempt.UNSETTLED and attempt.channel == PAYMENT_PAGE and not attempt.intent_id:
            return attempt.session_url
        if attempt.status != PaymentAttempt.Status.CANCELED:
            break
    if attempt.status == PaymentAttempt.Status.SUCCEEDED:
        raise InvoiceNotOpen(f"The invoice {invoice} is paid.")
    raise PaymentUnderWay(f"A payment of the invoice {invoice} is under way: wait for its outcome.")
