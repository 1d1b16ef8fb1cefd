"""The form of alert settings. It checks what was typed; what is allowed is decided where it is done."""

from decimal import Decimal, InvalidOperation
from typing import Any

from django import forms

from metering.alerts.models import AlertSettings
from metering.money import cents_text
from metering.website.forms import RefusableForm

ON_LEAK = [
    (AlertSettings.OnLeak.REVOKE.value, "Revoke it: it stops working for good"),
    (AlertSettings.OnLeak.FREEZE.value, "Freeze it: it stops working until you unfreeze it"),
]


class AlertsForm(RefusableForm):
    on_leaked_key = forms.ChoiceField(
        choices=ON_LEAK,
        label="A key that is found in public",
        help_text="As GitHub reports it from public repositories. We mail you at once either way.",
    )
    spike_factor = forms.DecimalField(
        max_digits=7,
        decimal_places=2,
        label="Spike: times a key's usual hour",
        help_text="The usual hour is the median of the last 14 days.",
    )
    spike_least = forms.DecimalField(max_digits=20, decimal_places=2, label="Spike: at least, in USD an hour")
    spike_freezes = forms.BooleanField(required=False, label="Freeze a key that spikes")
    price_changes = forms.BooleanField(required=False, label="Mail us before a price that we pay changes")
    balance_levels = forms.CharField(
        required=False,
        max_length=200,
        label="Levels of a prepaid balance, in USD",
        help_text="An alert for each that it falls to, such as 10.00, 0. Empty: none.",
    )

    @classmethod
    def of(cls, settings: AlertSettings, sent: Any = None) -> "AlertsForm":
        names = ("on_leaked_key", "spike_factor", "spike_least", "spike_freezes", "price_changes")
        levels = ", ".join(cents_text(level) for level in settings.balance_levels)
        return cls(sent, initial={name: getattr(settings, name) for name in names} | {"balance_levels": levels})

    def clean_balance_levels(self) -> list[Decimal]:
        words = [word for word in self.cleaned_data["balance_levels"].replace(";", ",").replace(",", " ").split() if word]
        try:
            return [Decimal(word.removeprefix("$")) for word in words]
        except InvalidOperation:
            raise forms.ValidationError("Write amounts in USD with commas between them, such as 10.00, 0.") from None
