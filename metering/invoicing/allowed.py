"""What may be done with an invoice, and why not: the verbs ask under their lock, the pages before they offer it."""

from collections.abc import Callable
from datetime import datetime
from enum import StrEnum

from metering.errors import InvoiceHasPayments, InvoiceNotDraft, InvoiceNotOpen, InvoiceNotVoid, MonthNotEnded, NothingToCredit
from metering.invoicing.credit_notes.creditable import net_left
from metering.invoicing.models import Invoice
from metering.periods import Period
from omixa_billing.api.errors import Refusal
from omixa_billing.instants import instant_text


class Act(StrEnum):
    FINALIZE = "finalize"
    ACCEPT = "accept"
    MARK_PAID = "mark-paid"
    CREDIT = "credit"
    MARK_UNCOLLECTIBLE = "uncollectible"
    REVERSE_WRITE_OFF = "collectible"
    VOID = "void"
    REISSUE = "reissue"


def check_month_ended(period: Period, now: datetime) -> None:
    """Raises MonthNotEnded while usage of the month can still happen."""
    if now < period.end:
        raise MonthNotEnded(
            f"The month {period.start:%Y-%m} ends at {instant_text(period.end)} and can be closed then: "
            f"it is {instant_text(now.replace(microsecond=0))} now."
        )


def check_finalize(invoice: Invoice, now: datetime) -> None:
    """Raises InvoiceNotDraft and MonthNotEnded. Whether it comes to anything is known once it is composed again."""
    if invoice.status != Invoice.Status.DRAFT:
        raise InvoiceNotDraft(f"The invoice {invoice} is {invoice.status}: only a draft is finalized.")
    _check_month_of(invoice, now)


def check_accept(invoice: Invoice) -> None:
    """Raises InvoiceNotDraft. What it takes back without a reason is known once it is composed again."""
    if invoice.status != Invoice.Status.DRAFT:
        raise InvoiceNotDraft(f"The invoice {invoice} is {invoice.status}: only a draft waits for a decision.")


def check_pay(invoice: Invoice) -> None:
    """Whether it can be paid, however the money comes. Raises InvoiceNotOpen."""
    if invoice.status not in Invoice.OWED:
        raise _not_open(invoice, "only an open or uncollectible invoice can be paid")


def check_collect(invoice: Invoice) -> None:
    """Whether it is collected without asking its customer each time. Raises InvoiceNotOpen."""
    if invoice.status != Invoice.Status.OPEN:
        raise _not_open(invoice, "only an open invoice is collected")


def check_reopen(invoice: Invoice) -> None:
    """Whether money that is taken back can be owed on it again. Raises InvoiceNotOpen."""
    if invoice.status not in Invoice.FINALIZED:
        raise _not_open(invoice, "nothing can be owed on it again")


def check_credit(invoice: Invoice) -> None:
    """Raises InvoiceNotOpen and NothingToCredit."""
    if invoice.status not in Invoice.FINALIZED:
        raise _not_open(invoice, "only an open, paid or uncollectible invoice can be credited")
    if net_left(invoice) <= 0:
        raise NothingToCredit(f"Nothing is left of {invoice} to credit.")


def check_mark_uncollectible(invoice: Invoice) -> None:
    """Raises InvoiceNotOpen."""
    if invoice.status != Invoice.Status.OPEN:
        raise _not_open(invoice, "only an open invoice can be marked as uncollectible")


def check_reverse_write_off(invoice: Invoice) -> None:
    """Raises InvoiceNotOpen."""
    if invoice.status != Invoice.Status.UNCOLLECTIBLE:
        raise _not_open(invoice, "only an uncollectible invoice can be made open again")


def check_void(invoice: Invoice) -> None:
    """Raises InvoiceHasPayments and InvoiceNotOpen."""
    if invoice.amount_paid or invoice.charged_back or invoice.credit_notes.exists():
        raise InvoiceHasPayments(f"Something was paid or credited on {invoice}: issue a credit note instead.")
    if invoice.status not in Invoice.OWED:
        raise _not_open(invoice, "only an open or uncollectible invoice can be voided")


def check_reissue(invoice: Invoice, now: datetime) -> None:
    """Raises InvoiceNotVoid, also when the month has another invoice by now, and MonthNotEnded."""
    current = current_invoice_of(invoice)
    if current is not None:
        raise InvoiceNotVoid(f"The month of {invoice} has an invoice: {current} is {current.status}.")
    _check_month_of(invoice, now)


def _not_open(invoice: Invoice, rule: str) -> InvoiceNotOpen:
    return InvoiceNotOpen(f"The invoice {invoice} is {invoice.status}: {rule}.")


def _check_month_of(invoice: Invoice, now: datetime) -> None:
    """The last month of a closed workspace ended when it was closed. Raises MonthNotEnded."""
    if invoice.workspace.closed_at is None:
        check_month_ended(invoice.period, now)


def refusal_of(act: Act, invoice: Invoice, now: datetime) -> Refusal | None:
    """What the act would be refused with by the invoice's status and sums; None where it is allowed."""
    checks: dict[Act, Callable[[], None]] = {
        Act.FINALIZE: lambda: check_finalize(invoice, now),
        Act.ACCEPT: lambda: check_accept(invoice),
        Act.MARK_PAID: lambda: check_pay(invoice),
        Act.CREDIT: lambda: check_credit(invoice),
        Act.MARK_UNCOLLECTIBLE: lambda: check_mark_uncollectible(invoice),
        Act.REVERSE_WRITE_OFF: lambda: check_reverse_write_off(invoice),
        Act.VOID: lambda: check_void(invoice),
        Act.REISSUE: lambda: check_reissue(invoice, now),
    }
    try:
        checks[act]()
    except Refusal as refusal:
        return refusal
    return None


def allowed_acts(invoice: Invoice, now: datetime) -> set[Act]:
    """What the invoice's status and sums allow. What a draft comes to is decided by its figures of when it was composed."""
    allowed = {act for act in Act if refusal_of(act, invoice, now) is None}
    if invoice.subtotal_exact <= 0:
        allowed.discard(Act.FINALIZE)
    if not needs_acceptance(invoice):
        allowed.discard(Act.ACCEPT)
    return allowed


def needs_acceptance(invoice: Invoice) -> bool:
    """A draft on hold that has nothing to finalize: a person has to accept what it takes back."""
    return Invoice.Hold.UNEXPLAINED in invoice.holds and invoice.subtotal_exact <= 0


def current_invoice_of(invoice: Invoice) -> Invoice | None:
    """The invoice of the same workspace and month that is not void: itself, unless it is void."""
    of_month = Invoice.objects.current().filter(workspace=invoice.workspace_id, period_start=invoice.period_start)
    return of_month.first()
