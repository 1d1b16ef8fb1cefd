"""Where an invoice stands, in the customer's words: the same on the list, its page, its print view and the billing page."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.db.models import QuerySet

from metering.invoicing.models import Invoice
from metering.payments.collecting.attempts import SAVED_METHOD
from metering.payments.collecting.minimum import is_too_little
from metering.payments.models import Dunning, PaymentAttempt
from workspaces.models import Workspace

NOTHING = Decimal("0.00")


@dataclass(frozen=True, slots=True)
class Standing:
    """`tone` is the badge's: good, accent, warn, bad, or empty for a plain one."""

    word: str
    tone: str = ""


def invoices_of(workspace: Workspace) -> QuerySet[Invoice]:
    """With what `standing_of` looks at."""
    found = Invoice.objects.filter(workspace=workspace).select_related("dunning")
    return found.prefetch_related("attempts", "payments", "credit_notes")


def standing_of(invoice: Invoice, now: datetime) -> Standing:
    if invoice.status == Invoice.Status.PAID:
        return _of_settled(invoice)
    if invoice.status == Invoice.Status.UNCOLLECTIBLE:
        return Standing("Overdue", "warn")
    if invoice.status == Invoice.Status.OPEN:
        return _of_open(invoice, now)
    return Standing(invoice.get_status_display())


def attempt_under_way(invoice: Invoice) -> PaymentAttempt | None:
    """The one whose outcome is not known yet. A payment page that was only opened is none."""
    return next((each for each in invoice.attempts.all() if is_under_way(each)), None)


def is_under_way(attempt: PaymentAttempt) -> bool:
    if attempt.status != PaymentAttempt.Status.STARTED:
        return attempt.status == PaymentAttempt.Status.PROCESSING
    return attempt.channel == SAVED_METHOD or bool(attempt.session_id and not attempt.session_url)


def _of_settled(invoice: Invoice) -> Standing:
    """Nothing is due any more: because it was paid, because it was taken back, or because the money went back."""
    if 0 < invoice.amount_paid <= sum((each.refunded for each in invoice.payments.all()), NOTHING):
        return Standing("Refunded")
    if 0 < invoice.total == sum((each.total for each in invoice.credit_notes.all()), NOTHING):
        return Standing("Credited")
    return Standing("Paid", "good")


def _of_open(invoice: Invoice, now: datetime) -> Standing:
    dunning = getattr(invoice, "dunning", None)
    if attempt_under_way(invoice) is not None:
        return Standing("Payment under way", "accent")
    if is_too_little(invoice.amount_due):
        return Standing("Open")  # nothing follows from it
    if dunning is not None and dunning.state == Dunning.State.PAST_DUE:
        return Standing("Overdue", "bad")
    declined = any(each.status == PaymentAttempt.Status.DECLINED for each in invoice.attempts.all())
    if declined and dunning is not None and dunning.state == Dunning.State.RETRYING:
        at = dunning.next_retry_at
        return Standing(f"Failed, next try {at.day} {at:%b %Y}" if at else "Failed", "warn")
    if invoice.due_at is not None and invoice.due_at < now:
        return Standing("Overdue", "warn")
    return Standing("Open", "accent")
