"""Ending an invoice: voided, as if it had never been due, or kept as uncollectible. And billing a voided month again."""

from datetime import datetime
from typing import Any

from django.db import transaction

from metering.checked_inputs import checked_reason
from metering.credits import ledger
from metering.errors import InvoiceNotVoid
from metering.invoicing.allowed import check_mark_uncollectible, check_reissue, check_void
from metering.invoicing.booked import invoice_voided, invoice_written_off, write_off_reversed
from metering.invoicing.lifecycle.announced import announce_invoice
from metering.invoicing.lifecycle.close import close_workspace
from metering.invoicing.lifecycle.finalize import finalize
from metering.invoicing.locks import lock_invoice
from metering.invoicing.models import Invoice
from metering.journal.post import post
from metering.money import cents_text
from metering.periods import Period
from workspaces import audit
from workspaces.models import Workspace


def void(invoice_id: int, reason: str, actor: str, now: datetime) -> Invoice:
    """The open or uncollectible invoice with this primary key, void; the credits it used are given back.

    What it billed of its month then waits to be reissued by a person. Payments in progress are not looked at:
    payments/refunds/reversals.py does. Raises InvoiceNotOpen, InvoiceHasPayments and InvalidParameter.
    """
    reason = checked_reason(reason)
    with transaction.atomic():
        invoice = lock_invoice(invoice_id)
        check_void(invoice)
        if invoice.status == Invoice.Status.UNCOLLECTIBLE:
            post(write_off_reversed(invoice, invoice.amount_due, invoice.public_id, actor, now), now)
        _move(invoice, status=Invoice.Status.VOID, status_reason=reason, voided_at=now)
        given_back = ledger.reverse_uses(invoice.pk, f"{invoice} was voided", actor, now)
        post(invoice_voided(invoice, actor, now), now)
        details = {"reason": reason, "total": cents_text(invoice.total), "credits_given_back": cents_text(given_back)}
        audit.record(actor, "invoice.voided", invoice.public_id, invoice.workspace, now=now, **details)
        announce_invoice(invoice, "invoice.voided", now)
        return invoice


def mark_uncollectible(invoice_id: int, reason: str, actor: str, now: datetime) -> Invoice:
    """The open invoice with this primary key, marked as uncollectible; it stays owed, and money that comes still pays it.

    Raises InvoiceNotOpen and InvalidParameter.
    """
    reason = checked_reason(reason)
    with transaction.atomic():
        invoice = lock_invoice(invoice_id)
        check_mark_uncollectible(invoice)
        _move(invoice, status=Invoice.Status.UNCOLLECTIBLE, status_reason=reason)
        post(invoice_written_off(invoice, actor, now), now)
        due = cents_text(invoice.amount_due)
        audit.record(
            actor, "invoice.uncollectible", invoice.public_id, invoice.workspace, now=now, reason=reason, amount_due=due
        )
        return invoice


def reissue(invoice_id: int, actor: str, now: datetime) -> Invoice | None:
    """The draft of a voided invoice's month: what the month should have been billed, as the ledger stands now.

    None where that comes to nothing or to a credit: the month then waits no longer, and the next invoice bills what is left
    of it. So it is too where the draft comes to less than is issued. Raises InvoiceNotVoid, when the month has another
    invoice too, and MonthNotEnded.
    """
    with transaction.atomic():
        invoice = lock_invoice(invoice_id)
        check_reissue(invoice, now)
        void_of_month = invoice.workspace.invoices.filter(period_start=invoice.period_start, reissued_at=None)
        void_of_month.filter(status=Invoice.Status.VOID).update(reissued_at=now)
        draft = close_workspace(invoice.workspace, invoice.period, now, False, actor, reissuing=True).invoice
        details = {"voided": invoice.number, "month": f"{invoice.period_start:%Y-%m}"}
        about = draft or invoice
        audit.record(actor, "invoice.reissued", about.public_id, invoice.workspace, now=now, **details)
        return draft


def reissue_month(workspace: Workspace, period: Period, finalized: bool, actor: str, now: datetime) -> Invoice | None:
    """`reissue` of the month's last void invoice, and `finalized` at once if that is asked for. Raises also what `finalize`
    raises.
    """
    with transaction.atomic():
        voided = Invoice.objects.filter(workspace=workspace, period_start=period.start, status=Invoice.Status.VOID)
        last = voided.order_by("-pk").first()
        if last is None:
            raise InvoiceNotVoid(f"{workspace.public_id} has no void invoice of {period.start:%Y-%m}.")
        draft = reissue(last.pk, actor, now)
        return finalize(draft.pk, actor, now) if finalized and draft is not None else draft


def _move(invoice: Invoice, **fields: Any) -> None:
    """Sets fields of an invoice that is locked, and was checked under the lock."""
    for name, value in fields.items():
        setattr(invoice, name, value)
    invoice.save(update_fields=list(fields))
