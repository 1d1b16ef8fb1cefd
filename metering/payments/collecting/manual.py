"""Money that arrived outside Stripe, as a person records it: in part, in full, more than is due, or for several invoices."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal

from django.db import transaction

from metering.checked_inputs import checked_amount, checked_reference
from metering.errors import InvoiceNotOpen
from metering.invoicing.allowed import check_pay
from metering.invoicing.lifecycle.amount_due import lower_amount_due
from metering.invoicing.locks import lock_invoice
from metering.invoicing.models import Invoice
from metering.money import cents_text
from metering.payments.announced import announce_payment
from metering.payments.booked import book_payment
from metering.payments.collecting.in_progress import cancel_payment_in_progress, refuse_payment_in_progress
from metering.payments.collecting.record import note_received
from metering.payments.models import Payment
from omixa_billing.api.errors import InvalidParameter
from workspaces import audit
from workspaces.models import Workspace

NOTHING = Decimal("0.00")


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a transfer became: the invoices that it was for, as they are then, and its payments, the surplus last."""

    invoices: list[Invoice]
    payments: list[Payment]

    @property
    def surplus(self) -> Decimal:
        """What was due on none of them."""
        return sum((each.amount for each in self.payments if each.invoice_id is None), NOTHING)


def mark_paid(invoice_id: int, reference: str, actor: str, now: datetime, arrived_on: date | None = None) -> Invoice:
    """The open or uncollectible invoice with this primary key, paid in full: nothing is due any more.

    Raises what `record_transfer` raises.
    """
    reference, received_at = checked_reference(reference, "payment"), _value_date(arrived_on, now)
    check_pay(Invoice.objects.get(pk=invoice_id))
    cancel_payment_in_progress(invoice_id, now)
    with transaction.atomic():
        invoice = _locked(invoice_id)
        due = invoice.amount_due
        payment = _pay(invoice, due, reference, actor, now, received_at) if due > 0 else None
        if payment is None:
            lower_amount_due(invoice, NOTHING, reference, actor, now)
        note_received(invoice, payment, now)
        return invoice


def record_transfer(
    invoice_ids: Sequence[int], amount: Decimal, reference: str, actor: str, now: datetime, arrived_on: date | None = None
) -> Receipt:
    """One transfer of `amount` for the invoices with these primary keys, in their order: each gets what is due on it, as far as
    the money goes. What is left then is a surplus of their workspace.

    `reference` says where the money is found, such as a bank transfer's; `arrived_on`, a day of UTC, when it came, if not now.
    The same part of an invoice under the same reference is recorded once. Open payment pages are closed first. Raises
    InvoiceNotOpen, InvalidParameter, and PaymentInProgress while Stripe may still collect one.
    """
    reference, received_at = checked_reference(reference, "payment"), _value_date(arrived_on, now)
    checked_amount(amount)
    prepare_transfer(invoice_ids, now)
    with transaction.atomic():
        invoices, payments, rest = [_locked(pk) for pk in invoice_ids], [], amount
        for invoice in invoices:
            part = min(rest, invoice.amount_due)
            if part > 0:
                payments.append(_pay(invoice, part, reference, actor, now, received_at))
                note_received(invoice, payments[-1], now)
                rest -= part
        if rest > 0:
            payments.append(_keep_surplus(invoices[0].workspace, rest, reference, invoices, actor, now, received_at))
        return Receipt(invoices, payments)


def prepare_transfer(invoice_ids: Sequence[int], now: datetime) -> None:
    """Closes open payment pages of invoices that a transfer may pay. Raises InvoiceNotOpen and InvalidParameter."""
    found = list(Invoice.objects.filter(pk__in=invoice_ids))
    if len({each.workspace_id for each in found}) != 1 or len(found) != len(invoice_ids):
        raise InvalidParameter("A transfer is for one or more invoices of one workspace, each named once.", param="invoice")
    for invoice in found:
        check_pay(invoice)
    for invoice in found:
        cancel_payment_in_progress(invoice.pk, now)


def _locked(invoice_id: int) -> Invoice:
    """Raises InvoiceNotOpen and PaymentInProgress."""
    invoice = lock_invoice(invoice_id)
    check_pay(invoice)
    refuse_payment_in_progress(invoice)
    if invoice.currency != "USD":
        raise InvoiceNotOpen(f"The invoice {invoice} is in {invoice.currency}, and money is recorded in USD.")
    return invoice


def _value_date(arrived_on: date | None, now: datetime) -> datetime:
    """Raises InvalidParameter for a day to come."""
    if arrived_on is None or arrived_on == now.astimezone(UTC).date():
        return now
    if arrived_on > now.astimezone(UTC).date():
        raise InvalidParameter("The money cannot have arrived on a day to come.", param="arrived_on")
    return datetime(arrived_on.year, arrived_on.month, arrived_on.day, tzinfo=UTC)


def _pay(invoice: Invoice, amount: Decimal, reference: str, actor: str, now: datetime, received_at: datetime) -> Payment:
    """Raises InvalidParameter for what a caller who got no answer sends again."""
    if invoice.payments.filter(method=Payment.Method.BY_HAND, reference=reference, amount=amount).exists():
        raise InvalidParameter(
            f"{cents_text(amount)} with the reference {reference!r} are recorded for {invoice}: another payment needs its own.",
            param="reference",
        )
    payment = _payment(invoice.workspace, amount, reference, actor, received_at, invoice=invoice)
    book_payment(payment, invoice, now)
    lower_amount_due(invoice, amount, reference, actor, now)
    _note(payment, actor, now)
    return payment


def _keep_surplus(
    workspace: Workspace,
    amount: Decimal,
    reference: str,
    invoices: Sequence[Invoice],
    actor: str,
    now: datetime,
    received_at: datetime,
) -> Payment:
    named = ", ".join(str(each.number) for each in invoices)
    why = f"More than was due on {named}."
    payment = _payment(workspace, amount, reference, actor, received_at, surplus=why[:200])
    book_payment(payment, None, now)
    audit.record(
        actor, "payment.surplus", payment.public_id, workspace, now=now, amount=cents_text(amount), reference=reference
    )
    announce_payment(payment, now)
    return payment


def _payment(
    workspace: Workspace, amount: Decimal, reference: str, actor: str, received_at: datetime, **what: Invoice | str
) -> Payment:
    return Payment.objects.create(
        workspace=workspace,
        amount=amount,
        method=Payment.Method.BY_HAND,
        reference=reference,
        received_at=received_at,
        recorded_by=actor,
        **what,
    )


def _note(payment: Payment, actor: str, now: datetime) -> None:
    details = {"amount": cents_text(payment.amount), "reference": payment.reference}
    audit.record(actor, "payment.recorded", payment.public_id, payment.workspace, now=now, **details)
    announce_payment(payment, now)
