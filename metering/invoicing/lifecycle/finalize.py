"""Finalizing one draft by hand: its lines are worked out once more and frozen in the same transaction."""

from datetime import datetime

from django.db import transaction

from metering.errors import NothingToBill
from metering.invoicing.allowed import check_finalize
from metering.invoicing.composing.compose import compose
from metering.invoicing.lifecycle.draft import write_draft
from metering.invoicing.lifecycle.freeze import freeze
from metering.invoicing.lifecycle.hold_reasons import warnings_of
from metering.invoicing.locks import lock_invoice
from metering.invoicing.models import Invoice


def finalize(invoice_id: int, actor: str, now: datetime) -> Invoice:
    """The draft with this primary key, numbered and open. A person decides this: a draft on hold is released by it.

    Raises InvoiceNotDraft, MonthNotEnded, and NothingToBill when nothing is left on it.
    """
    with transaction.atomic():
        invoice = lock_invoice(invoice_id)
        check_finalize(invoice, now)
        preview = compose(invoice.workspace, invoice.period)
        if not (preview.comes_to_something or preview.is_issuable):
            raise NothingToBill(f"The invoice {invoice.public_id} has no amount to bill: close its month again.")
        write_draft(invoice, preview, warnings_of(invoice.workspace, invoice.period))
        freeze(invoice, preview, actor, now)
        return invoice
