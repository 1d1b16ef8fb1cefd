"""What finance's verbs answer, on the command line and to programs alike: the document that came of it."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from metering.invoicing.credit_notes.models import CreditNote
from metering.invoicing.fees.models import AgreedFee, ManualLine
from metering.invoicing.models import Invoice
from metering.money import cents_text
from metering.payments.collecting.manual import Receipt
from metering.payments.models import Dispute, Payment
from metering.payments.refunds.models import Payout
from metering.payments.refunds.payouts import OwedToCustomer

NOTHING = Decimal("0.00")


def document_json(public_id: str | None, number: str | None, status: str, amount: Decimal, **more: Any) -> dict[str, Any]:
    return {"id": public_id, "number": number, "status": status, "amount": cents_text(amount), **more}


def invoice_outcome(invoice: Invoice, amount: Decimal) -> dict[str, Any]:
    return document_json(invoice.public_id, invoice.number, invoice.status, amount)


def receipt_json(received: Receipt) -> dict[str, Any]:
    """The first payment, with all invoices that it was for and what was due on none."""
    first = received.invoices[0]
    return document_json(
        received.payments[0].public_id,
        first.number,
        first.status,
        sum((each.amount for each in received.payments), NOTHING),
        invoices=[
            {"id": each.public_id, "number": each.number, "status": each.status, "amount_due": cents_text(each.amount_due)}
            for each in received.invoices
        ],
        surplus=cents_text(received.surplus),
    )


def issued_note_json(note: CreditNote) -> dict[str, Any]:
    return document_json(
        note.public_id,
        note.number,
        "issued",
        note.total,
        invoice_id=note.invoice.public_id,
        off_due=cents_text(note.off_due),
        given_back=cents_text(note.given_back),
        settlement=note.settlement or None,
        reference=note.reference or None,
    )


def reissued_json(made: Invoice | None) -> dict[str, Any]:
    """None came to nothing, or to a credit: the next invoice bills what is left of the month."""
    return document_json(None, None, "carried_over", NOTHING) if made is None else invoice_outcome(made, made.total)


def chargebacks_json(made: Sequence[Dispute]) -> dict[str, Any]:
    """The first of them, with the invoice as it is then."""
    first = made[0]
    invoice = Payment.objects.select_related("invoice").get(pk=first.payment_id).invoice
    return document_json(
        first.stripe_id,
        invoice.number if invoice else None,
        first.status,
        sum((each.amount for each in made), NOTHING),
        fee=cents_text(sum((each.fee for each in made), NOTHING)),
        reference=first.reference,
        invoice_id=invoice.public_id if invoice else None,
        invoice_status=invoice.status if invoice else None,
        amount_due=cents_text(invoice.amount_due) if invoice else None,
        chargebacks=[each.stripe_id for each in made],
    )


def payout_json(made: Payout) -> dict[str, Any]:
    return document_json(made.public_id, None, "paid", made.amount, reference=made.reference, settled=made.settled)


def manual_line_json(line: ManualLine) -> dict[str, Any]:
    return {
        "line_id": line.public_id,
        "workspace_id": line.workspace.public_id,
        "month": f"{line.month:%Y-%m}",
        "text": line.text,
        "amount": cents_text(line.amount),
        "currency": line.workspace.currency,
    }


def agreed_fee_json(agreed: AgreedFee) -> dict[str, Any]:
    return {
        "fee_id": agreed.fee.public_id,
        "workspace_id": agreed.fee.workspace.public_id,
        "name": agreed.fee.name,
        "monthly": cents_text(agreed.monthly),
        "seats": agreed.seats,
        "from": f"{agreed.effective_from:%Y-%m-%d}",
        "until": None if agreed.ends_at is None else f"{agreed.ends_at:%Y-%m-%d}",
    }


def owed_json(owed: OwedToCustomer) -> dict[str, Any]:
    return {
        "workspace_id": owed.workspace.public_id,
        "name": owed.workspace.name,
        "surplus": cents_text(owed.surplus),
        "withdrawn_credit": cents_text(owed.withdrawn),
        "failed_refunds": cents_text(owed.failed),
        "credit": cents_text(owed.credit),
        "corrections": cents_text(owed.corrected),
        "total": cents_text(owed.total),
        "currency": owed.workspace.currency,
    }
