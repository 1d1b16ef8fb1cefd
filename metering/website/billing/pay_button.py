"""How an open invoice is paid from a page: what the button says, or what stands in its place."""

from dataclasses import dataclass
from datetime import datetime

from metering.invoicing.models import Invoice
from metering.payments.collecting.minimum import is_below_minimum
from metering.payments.collecting.status_label import attempt_in_progress
from metering.payments.models import PaymentAccount
from metering.payments.provider.current import is_configured


@dataclass(frozen=True, slots=True)
class PayButton:
    """`method` is the saved one that is charged, empty for Stripe's page; while one is in progress `since`, none is begun."""

    invoice: Invoice
    method: str
    since: datetime | None


def pay_button(invoice: Invoice, account: PaymentAccount | None) -> PayButton | None:
    """None where nothing can be paid by Stripe: it is not set up, nothing is open, or too little for a card."""
    is_due = invoice.status in Invoice.OWED and invoice.still_due > 0 and not is_below_minimum(invoice.still_due)
    if not is_due or not is_configured():
        return None
    attempt = attempt_in_progress(invoice)
    return PayButton(invoice, method_name(account), attempt.started_at if attempt else None)


def method_name(account: PaymentAccount | None) -> str:
    """Visa 4242; empty without a saved method."""
    if account is None or not account.method_id:
        return ""
    return f"{account.brand[:1].upper()}{account.brand[1:]} {account.last_four}".strip()
