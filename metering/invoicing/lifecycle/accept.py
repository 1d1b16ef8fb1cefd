"""Deciding about a draft that takes back what nothing explains, and so has nothing to finalize."""

from datetime import datetime

from django.db import transaction

from metering.checked_inputs import checked_reason
from metering.errors import NothingToAccept
from metering.invoicing.allowed import check_accept
from metering.invoicing.composing.compose import compose
from metering.invoicing.lifecycle.close import close_workspace
from metering.invoicing.lifecycle.hold_reasons import unexplained
from metering.invoicing.lifecycle.models import AcceptedTakeBack
from metering.invoicing.locks import lock_invoice
from metering.invoicing.models import Invoice
from workspaces import audit


def accept_withdrawal(invoice_id: int, reason: str, actor: str, now: datetime) -> Invoice | None:
    """Lets the draft with this primary key take back what it takes back; the draft as it is then.

    None where the month comes to nothing, or to a credit: then the next invoice takes it back. Raises InvoiceNotDraft,
    NothingToAccept and InvalidParameter.
    """
    reason = checked_reason(reason)
    with transaction.atomic():
        invoice = lock_invoice(invoice_id)
        check_accept(invoice)
        lines = unexplained(compose(invoice.workspace, invoice.period))
        if not lines:
            raise NothingToAccept(f"Nothing that {invoice} takes back is unexplained.")
        AcceptedTakeBack.objects.bulk_create(
            AcceptedTakeBack(
                workspace=invoice.workspace,
                month=line.key.month,
                language_model_id=line.key.model_id,
                service_tier=line.service_tier,
                price=line.price,
                component=line.component,
                tokens=-line.quantity,
                reason=reason,
                accepted_by=actor,
                accepted_at=now,
            )
            for line in lines
        )
        accepted = [f"{-line.quantity} {line.description}" for line in lines]
        audit.record(actor, "invoice.accepted", invoice.public_id, invoice.workspace, now=now, reason=reason, lines=accepted)
        return close_workspace(invoice.workspace, invoice.period, now, False, actor).invoice
