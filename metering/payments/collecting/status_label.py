"""Where an invoice stands, in the customer's words: the same on the list, its page, its print view and the billing page."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from metering.invoicing.models import Invoice, InvoiceQuerySet
from metering.payments.collecting.minimum import is_below_minimum
from metering.payments.models import Dunning, PaymentAccount, PaymentAttempt
from workspaces.models import Workspace

NOTHING = Decimal("0.00")


@dataclass(frozen=True, slots=True)
class StatusLabel:
    """`tone` is the badge's: good, accent, warn, bad, or empty for a plain one."""

    word: str
    tone: str = ""


def invoices_with_status(workspace: Workspace) -> InvoiceQuerySet:
    """The workspace's invoices with what `status_label_of` looks at."""
    found = Invoice.objects.filter(workspace=workspace).select_related("dunning")
    return found.prefetch_related("attempts", "payments", "credit_notes")


def status_label_of(invoice: Invoice, now: datetime) -> StatusLabel:
    if invoice.status == Invoice.Status.PAID:
        return _closed_label(invoice)
    if invoice.status == Invoice.Status.UNCOLLECTIBLE:
        return StatusLabel("Overdue", "warn")
    if invoice.status == Invoice.Status.OPEN:
        return _of_open(invoice, now)
    return StatusLabel(invoice.get_status_display())


def attempt_in_progress(invoice: Invoice) -> PaymentAttempt | None:
    """The one whose outcome is not known yet. A payment page that was only opened is none."""
    return next((each for each in invoice.attempts.all() if is_in_progress(each)), None)


def is_in_progress(attempt: PaymentAttempt) -> bool:
    if attempt.status != PaymentAttempt.Status.STARTED:
        return attempt.status == PaymentAttempt.Status.PROCESSING
    return attempt.channel == PaymentAttempt.Channel.SAVED_METHOD or bool(attempt.session_id and not attempt.session_url)


def _closed_label(invoice: Invoice) -> StatusLabel:
    """Nothing is due any more: because it was paid, because it was taken back, or because the money went back."""
    if 0 < invoice.amount_paid <= sum((each.refunded for each in invoice.payments.all()), NOTHING):
        return StatusLabel("Refunded")
    if 0 < invoice.total == sum((each.total for each in invoice.credit_notes.all()), NOTHING):
        return StatusLabel("Credited")
    return StatusLabel("Paid", "good")


def _of_open(invoice: Invoice, now: datetime) -> StatusLabel:
    dunning = getattr(invoice, "dunning", None)
    if attempt_in_progress(invoice) is not None:
        return StatusLabel("Payment in progress", "accent")
    if is_below_minimum(invoice.amount_due):
        return StatusLabel("Open")  # nothing follows from it
    if dunning is not None and dunning.state == Dunning.State.PAST_DUE:
        return StatusLabel("Overdue", "bad")
    declined = any(each.status == PaymentAttempt.Status.DECLINED for each in invoice.attempts.all())
    if declined and dunning is not None and dunning.state == Dunning.State.RETRYING:
        is_charged = PaymentAccount.objects.filter(workspace=invoice.workspace_id).exclude(method_id="").exists()
        at = dunning.next_retry_at if is_charged else None
        return StatusLabel(f"Failed, next try {at.day} {at:%b %Y}" if at else "Failed", "warn")
    if invoice.due_at is not None and invoice.due_at < now:
        return StatusLabel("Overdue", "warn")
    return StatusLabel("Open", "accent")
