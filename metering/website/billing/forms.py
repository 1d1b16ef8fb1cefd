"""The forms of the billing page. They check what was typed; whether it is allowed is decided where it is done."""

import secrets
from typing import Any

from django import forms
from django.core.validators import validate_email

from metering.payments.models import PaymentAccount
from metering.website.forms import RefusableForm


def new_key() -> str:
    return f"form-{secrets.token_urlsafe(12)}"


class BuyForm(RefusableForm):
    """Sent twice, by a reload or a double click, it buys once: `key` is the purchase's idempotency key."""

    amount = forms.DecimalField(max_digits=12, decimal_places=2, label="Amount in USD")
    key = forms.RegexField(r"^form-[\w-]{16}$", widget=forms.HiddenInput, initial=new_key)

    def renew_key(self) -> None:
        """For what is another purchase after all."""
        self.data = {"amount": self.data.get("amount"), "key": new_key()}


class TopUpForm(RefusableForm):
    """Without Stripe nothing can be bought by itself: only the mail is left to set."""

    AUTOMATIC = ("top_up_below", "top_up_amount", "top_ups_per_day")

    low_balance = forms.DecimalField(
        max_digits=12, decimal_places=2, required=False, label="Send me a mail below", help_text="USD. Empty: never."
    )
    top_up_below = forms.DecimalField(max_digits=12, decimal_places=2, required=False, label="Buy credit automatically below")
    top_up_amount = forms.DecimalField(max_digits=12, decimal_places=2, required=False, label="Amount to buy each time")
    top_ups_per_day = forms.IntegerField(min_value=1, max_value=20, initial=3, label="Purchases a day at most")

    @classmethod
    def of(cls, account: PaymentAccount, buys: bool, sent: Any = None) -> "TopUpForm":
        """With the account's settings, or with what was sent."""
        form = cls(sent, initial={name: getattr(account, name) for name in cls.base_fields})
        if not buys:
            for name in cls.AUTOMATIC:
                del form.fields[name]
        return form

    @property
    def settings(self) -> dict[str, Any]:
        """What is to be saved: of fields that were not offered, what is in place."""
        return {**self.initial, **self.cleaned_data}


class ProfileForm(RefusableForm):
    legal_name = forms.CharField(max_length=200, required=False, label="Legal name", help_text="As invoices print it.")
    address = forms.CharField(max_length=1000, required=False, widget=forms.Textarea(attrs={"rows": 3}))
    tax_id = forms.CharField(max_length=60, required=False, label="Tax id")
    recipients = forms.CharField(
        required=False,
        widget=forms.Textarea(attrs={"rows": 2}),
        label="Invoices go to",
        help_text="One address a line. Empty: the workspace's billing email.",
    )
    purchase_order = forms.CharField(
        max_length=200, required=False, label="Purchase order", help_text="Printed on every invoice."
    )

    def clean_recipients(self) -> list[str]:
        addresses = [line.strip() for line in self.cleaned_data["recipients"].splitlines() if line.strip()]
        for address in addresses:
            validate_email(address)
        return addresses

    @staticmethod
    def initial_of(terms: Any) -> dict[str, str]:
        names = ("legal_name", "address", "tax_id", "purchase_order")
        return {name: getattr(terms, name) for name in names} | {"recipients": "\n".join(terms.recipients)}
