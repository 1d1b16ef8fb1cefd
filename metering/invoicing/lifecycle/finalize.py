"""Finalizing one draft by hand: its lines are worked out once more and frozen in the same transaction."""

from datetime import datetime

from django.db import transaction

from metering.errors import InvoiceNotDraft, NothingToBill
from metering.invoicing.composing.compose import compose
from metering.invoicing.lifecycle.close import refuse_running_month
from metering.invoicing.lifecycle.draft import lock_billing, write_draft
from metering.invoicing.lifecycle.freeze import freeze
from metering.invoicing.lifecycle.hold_reasons import warnings_of
from metering.invoicing.models import Invoice
from metering.periods import Period


def finalize(invoice_id: int, actor: str, now: datetime) -> Invoice:
    """The draft with this primary key, numbered and open. Whoever calls this decides: a held one is released by it.

    Raises InvoiceNotDraft, MonthNotEnded, and NothingToBill when nothing is left on it.
    """
    with transaction.atomic():
        workspace = lock_billing(Invoice.objects.values_list("workspace", flat=True).get(pk=invoice_id))
        invoice = Invoice.objects.select_for_update().get(pk=invoice_id)
        if invoice.status != Invoice.Status.DRAFT:
            raise InvoiceNotDraft(f"The invoice {invoice} is {invoice.status}: only a draft is finalized.")
        period = Period(invoice.period_start, invoice.period_end)
        refuse_running_month(period, now)
        preview = compose(workspace, period)
        if not (preview.comes_to_something or preview.is_issuable):
            raise NothingToBill(f"The invoice {invoice.public_id} comes to nothing: close its month again.")
        write_draft(invoice, preview, warnings_of(workspace, period))
        freeze(invoice, preview, actor, now)
        return invoice
