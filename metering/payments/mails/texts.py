"""What each mail says: subject, sentences, and the page to go to. Plain texts: the templates escape them."""

from collections.abc import Callable

from django.conf import settings

from metering.payments.mails import alert_texts, money_texts
from metering.payments.mails.mail import BILLING, Mail
from metering.payments.mails.money_texts import how_to_pay, invoice_url
from metering.payments.provider.current import is_configured


def build_mail(kind: str, about: dict[str, str]) -> Mail:
    """The mail of a notice's kind, from its context. Raises KeyError for an unknown kind."""
    return TEXTS[kind](about)


def invoice_ready(about: dict[str, str]) -> Mail:
    how = "It is collected from your saved payment method." if about.get("collected") else "Please pay it by its due date."
    return Mail(
        f"Invoice {about['number']} of {settings.SELLER_NAME}",
        [f"Your invoice for {about['month']} is ready.", how],
        [("Invoice", about["number"]), ("Amount due", f"{about['amount_due']} USD"), ("Due", about["due_at"][:10])],
        invoice_url(about),
        "See the invoice",
    )


def payment_failed(about: dict[str, str]) -> Mail:
    """A next try is promised only where a saved method is charged."""
    day = about["next_try"][:10]
    then = f"The next try is on {day}. You can also pay now, or save another payment method." if day else how_to_pay()
    return Mail(
        f"Payment of invoice {about['number']} failed",
        [f"The payment of invoice {about['number']} did not succeed: {about['message']}", then],
        [("Invoice", about["number"]), ("Amount due", f"{about['amount_due']} USD")],
        invoice_url(about),
        "Pay the invoice",
    )


def payment_reminder(about: dict[str, str]) -> Mail:
    """Nothing was tried, since there is nothing to charge: how to pay is what the customer needs."""
    return Mail(
        f"Reminder: invoice {about['number']} was due on {about['due_at'][:10]}",
        [f"We have not received a payment for invoice {about['number']} yet.", how_to_pay()],
        [("Invoice", about["number"]), ("Amount due", f"{about['amount_due']} USD"), ("Due", about["due_at"][:10])],
        invoice_url(about),
        "Pay the invoice" if is_configured() else "See the invoice",
    )


def invoice_paid(about: dict[str, str]) -> Mail:
    return Mail(
        f"Invoice {about['number']} is paid",
        ["Thank you: your payment has arrived."],
        [("Invoice", about["number"]), ("Total", f"{about['total']} USD")],
        invoice_url(about),
        "See the invoice",
    )


def past_due(about: dict[str, str]) -> Mail:
    failed = about.get("message")
    return Mail(
        f"Invoice {about['number']} is overdue",
        [
            f"Invoice {about['number']} was due on {about['due_at'][:10]} and is not paid{f': {failed}' if failed else '.'}",
            "We do not charge it again automatically." if failed else how_to_pay(),
            "Depending on what was agreed, your live keys may stop working until it is paid.",
        ],
        [("Invoice", about["number"]), ("Amount due", f"{about['amount_due']} USD")],
        invoice_url(about),
        "Pay the invoice",
    )


def card_expiring(about: dict[str, str]) -> Mail:
    return Mail(
        f"Your card ending in {about['last_four']} expires soon",
        [
            f"The {about['brand']} card ending in {about['last_four']} expires at the end of {about['month']}.",
            "Save a new one, so that your invoices can still be paid.",
        ],
        path=BILLING,
        button="Save a card",
    )


def top_up_failed(about: dict[str, str]) -> Mail:
    return Mail(
        "Your automatic top-up failed",
        [
            f"Buying {about['amount']} USD of credit did not succeed: {about['message']}",
            "Automatic top-ups have stopped until you save another payment method, or save their settings again.",
        ],
        path=BILLING,
        button="Save a payment method",
    )


def key_expiring(about: dict[str, str]) -> Mail:
    day = about["expires_at"][:10]
    return Mail(
        f"An API key expires on {day}",
        [
            f"A key of your workspace expires on {day}. Requests with it are refused from then on.",
            "Move its expiry, or create a new key and switch to it in time.",
        ],
        [("Key", about["name"]), ("Kind", about["kind"]), ("Key id", about["key_id"]), ("Expires", about["expires_at"])],
        f"/keys/{about['key_id']}",
        "See the key",
    )


def webhook_disabled(about: dict[str, str]) -> Mail:
    return Mail(
        "A webhook of your workspace is disabled",
        [
            f"We send nothing to it any more: {about['why'][0].lower()}{about['why'][1:]}.",
            "Enable it once it answers again. What was not delivered can be sent again from its page, for 30 days.",
        ],
        [("Webhook", about["webhook_id"]), ("URL", about["url"]), ("Disabled", about["disabled_at"])],
        f"/settings/webhooks/{about['webhook_id']}",
        "See the webhook",
    )


TEXTS: dict[str, Callable[[dict[str, str]], Mail]] = {
    each.__name__: each
    for each in (
        *(invoice_ready, payment_failed, payment_reminder, invoice_paid, past_due, card_expiring, top_up_failed),
        *(key_expiring, webhook_disabled),
        *money_texts.ALL,
        *alert_texts.ALL,
    )
}
