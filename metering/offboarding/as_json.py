"""A closed workspace as commands and the API print it."""

from typing import Any

from metering.invoicing.as_json import void_month_json
from metering.invoicing.models import Invoice
from metering.money import cents_text
from metering.offboarding.models import ClosedWorkspace
from omixa_billing.instants import instant_text


def closed_json(closed: ClosedWorkspace) -> dict[str, Any]:
    """With its last invoices and the months that wait for their reissue, as they are now."""
    waiting = closed.workspace.invoices.waiting_for_reissue().select_related("workspace").order_by("period_start")
    found = Invoice.objects.filter(public_id__in=closed.invoices).order_by("period_start")
    return {
        "object": "closed_workspace",
        "workspace_id": closed.workspace.public_id,
        "closed_at": instant_text(closed.closed_at),
        "reason": closed.reason,
        "credit": closed.credit,
        "invoices": [
            {
                "id": invoice.public_id,
                "number": invoice.number,
                "status": invoice.status,
                "total": cents_text(invoice.total),
                "amount_due": cents_text(invoice.amount_due),
            }
            for invoice in found
        ],
        "waiting_for_reissue": [void_month_json(invoice) for invoice in waiting],
        "keys_revoked": closed.keys_revoked,
        "credit_refunded": cents_text(closed.refunded),
        "credit_owed": cents_text(closed.owed),
        "credit_expired": cents_text(closed.expired),
        "given_credit_expired": cents_text(closed.given_expired),
        "not_billed": cents_text(closed.not_billed),
        "currency": closed.workspace.currency,
    }
