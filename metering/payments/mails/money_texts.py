"""What mails about money that moved say: receipts, credit notes, refunds, and what banks take back. Plain texts."""

from typing import Any

from django.conf import settings
from django.urls import reverse

from metering.payments.mails.mail import BILLING, Mail
from metering.payments.provider.current import is_configured


def invoice_url(about: dict[str, str]) -> str:
    return f"/invoices/{about['invoice_id']}"


def payment_in_console(about: dict[str, str]) -> str:
    return reverse("admin:metering_payment_change", args=[about["payment_key"]])


def how_to_pay() -> str:
    """How to pay an invoice: on its page, and as the operator's instructions say; where there is neither, whom to ask."""
    if is_configured():
        page = "You can pay it on its page, by card or bank account, and save the method for the next ones."
        return f"{page}\nOr as follows: {settings.PAYMENT_INSTRUCTIONS}" if settings.PAYMENT_INSTRUCTIONS else page
    return settings.PAYMENT_INSTRUCTIONS or f"{settings.SELLER_NAME} tells you how to pay it: reply to this mail."


def payment_received(about: dict[str, str]) -> Mail:
    return Mail(
        f"We received {about['amount']} USD for invoice {about['number']}",
        [f"Thank you: your payment has arrived. {about['amount_due']} USD of invoice {about['number']} are still due."],
        [
            ("Invoice", about["number"]),
            ("Received", f"{about['amount']} USD"),
            *_named("Reference", about["reference"]),
            ("Still due", f"{about['amount_due']} USD"),
        ],
        invoice_url(about),
        "See the invoice",
    )


def top_up_paid(about: dict[str, str]) -> Mail:
    return Mail(
        f"You bought {about['amount']} USD of credit",
        ["Thank you: your payment has arrived, and the credit can be spent."],
        [("Credit", f"{about['amount']} USD"), ("Payment", about["payment_id"])],
        BILLING,
        "See your credit",
    )


def credit_note_ready(about: dict[str, str]) -> Mail:
    """What goes back in which way is said only where something does."""
    sentences = [f"We credited {about['total']} USD of invoice {about['number']}: {about['reason']}"]
    if about["off_due"] != "0.00":
        sentences.append(f"{about['off_due']} USD were taken off what was due. {about['amount_due']} USD are due now.")
    if about["given_back"] != "0.00":
        sentences.append(GIVEN_BACK[about["settlement"]].format(**about))
    return Mail(
        f"Credit note {about['credit_note']} for invoice {about['number']}",
        sentences,
        [("Credit note", about["credit_note"]), ("Invoice", about["number"]), ("Credited", f"{about['total']} USD")],
        invoice_url(about),
        "See the invoice",
    )


GIVEN_BACK = {
    "refund": "{given_back} USD go back to the method that you paid with. We send you a mail about the refund.",
    "balance": "{given_back} USD were added to your balance as credit, which pays later invoices.",
    "outside": "{given_back} USD are returned to you by transfer, if they were not already.",
}


def refund_sent(about: dict[str, str]) -> Mail:
    amount = _with_currency(about)
    what = f"of your payment for invoice {about['number']}" if about["number"] else "of your payment"
    bought = "" if about["credit"] == "0.00" else f" {about['credit']} USD of credit bought with it were removed."
    return Mail(
        f"We refunded {amount}",
        [f"We sent {amount} {what} back to you. Your bank may need some days to show it.{bought}"],
        [("Refunded", amount), *_named("Reason", about["reason"]), *_named("Reference", about["reference"])],
        invoice_url(about) if about["invoice_id"] else BILLING,
        "See the invoice" if about["invoice_id"] else "See your payments",
    )


def invoice_void(about: dict[str, str]) -> Mail:
    return Mail(
        f"Invoice {about['number']} is void",
        [
            f"We voided invoice {about['number']} of {about['total']} USD: {about['reason']}",
            "Nothing is due on it. If its month is billed again, you get another invoice.",
        ],
        [("Invoice", about["number"]), ("Total", f"{about['total']} USD")],
        invoice_url(about),
        "See the invoice",
    )


def _named(name: str, value: str) -> list[tuple[str, str]]:
    return [(name, value)] if value else []


def payment_reversed(about: dict[str, str]) -> Mail:
    return Mail(
        f"Invoice {about['number']} is due again",
        [
            f"A payment of invoice {about['number']} was reversed: {about['amount']} USD are due again.",
            "If this is a mistake, contact your bank and us.",
            how_to_pay(),
        ],
        [("Invoice", about["number"]), ("Amount due", f"{about['amount_due']} USD"), ("Due", about["due_at"][:10])],
        invoice_url(about),
        "Pay the invoice",
    )


def payment_reinstated(about: dict[str, str]) -> Mail:
    number, due = about["number"], about["amount_due"]
    rest = f"Nothing is due on invoice {number} now." if due == "0.00" else f"{due} USD of invoice {number} are still due."
    return Mail(
        f"{about['amount']} USD of invoice {about['number']} are not due any more",
        [
            f"We have the money again that had been taken back: {about['amount']} USD are not due any more.",
            rest,
        ],
        [("Invoice", about["number"]), ("Amount due", f"{about['amount_due']} USD")],
        invoice_url(about),
        "See the invoice",
    )


def payment_disputed(about: dict[str, str]) -> Mail:
    amount = _with_currency(about)
    return Mail(
        f"A payment of {about['workspace']} is disputed",
        [
            f"The bank of {about['workspace']} asks for {amount} of a payment back. It says: {about['reason']}.",
            "Respond to it at Stripe: without a response in time the money is lost.",
        ],
        [("Payment", about["payment_id"]), ("Disputed", amount), ("Status", about["status"])],
        payment_in_console(about),
        "See the payment",
    )


def payment_surplus(about: dict[str, str]) -> Mail:
    amount = _with_currency(about)
    or_keep = ", or keep it as credit" if about.get("can_be_kept") else ""
    return Mail(
        f"{amount} of a payment of {about['workspace']} settle nothing",
        [f"Nothing is due for {amount} of the payment. {about['why']}", f"Refund {amount} of it{or_keep}."],
        [("Payment", about["payment_id"]), ("Amount", amount)],
        payment_in_console(about),
        "See the payment",
    )


def dispute_lost(about: dict[str, str]) -> Mail:
    amount = _with_currency(about)
    return Mail(
        f"A dispute of {about['workspace']} is lost",
        [
            f"The bank took {amount} of a payment back. It says: {about['reason']}.",
            "Credit bought with it is removed, and what it paid is due again: write that off if it is not to be collected.",
        ],
        [("Payment", about["payment_id"]), ("Taken back", amount), ("Stripe fee", f"{about['fee']} USD")],
        payment_in_console(about),
        "See the payment",
    )


def dispute_won(about: dict[str, str]) -> Mail:
    amount = _with_currency(about)
    return Mail(
        f"A dispute of {about['workspace']} is won",
        [f"We keep the payment of {amount}, and credit bought with it can be spent again."],
        [("Payment", about["payment_id"]), ("Disputed", amount)],
        payment_in_console(about),
        "See the payment",
    )


def workspace_closed(about: dict[str, Any]) -> Mail:
    """The mail about a closed workspace, with what became of its credit only where there was some."""
    credit = {
        "refunded": "{} USD of credit go back to the method that you paid with.",
        "owed": "{} USD of credit go back to you by transfer. We will ask for your bank details if we do not have them.",
        "expired": "{} USD of credit expired.",
    }
    invoices = [
        (f"Invoice {each['number']}", f"{each['total']} USD, of which {each['amount_due']} USD are due")
        for each in about["invoices"]
    ]
    last = "Usage until then is on your last invoices." if invoices else "There is nothing left to bill."
    return Mail(
        f"Your workspace {about['workspace']} is closed",
        [
            f"Your workspace {about['workspace']} was closed on {about['closed_on']}. Its keys have stopped. {last}",
            *(sentence.format(about[name]) for name, sentence in credit.items() if about[name] != "0.00"),
            "Your invoices, credit notes and usage stay where they are: members can still sign in, see and download them.",
        ],
        invoices,
        "/invoices",
        "See your invoices",
    )


def _with_currency(about: dict[str, str]) -> str:
    return f"{about['amount']} {about.get('currency', 'USD')}"


ALL = (
    *(payment_received, top_up_paid, credit_note_ready, refund_sent, invoice_void),
    *(payment_reversed, payment_reinstated, payment_disputed, dispute_lost, dispute_won, payment_surplus, workspace_closed),
)
