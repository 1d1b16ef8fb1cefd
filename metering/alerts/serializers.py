"""What the endpoint of alert settings takes and answers; preferences.py makes the values and checks them."""

from typing import Any

from rest_framework import serializers

from metering.alerts.models import AlertSettings
from metering.alerts.preferences import LARGEST_AMOUNT, LARGEST_FACTOR, LEAST_FACTOR, MOST_LEVELS
from omixa_billing.api.fields import StrictDecimal
from omixa_billing.api.requests import StrictBody

ON_LEAK = "What becomes of a key whose secret was found in public."
LEVELS = "USD: an alert is sent when a prepaid balance falls to one of them, once until credit is added."
FACTOR = "An hour of a key is a spike above so many times its usual hour."
LEAST = "USD: an hour that costs less is not a spike."
FREEZES = "Whether a spike freezes the key."
PRICES = "Whether a mail is sent before a price changes that concerns the workspace."


def _amount(**extra: Any) -> serializers.DecimalField:
    return StrictDecimal(max_digits=20, decimal_places=2, min_value=0, max_value=LARGEST_AMOUNT, **extra)


class AlertSettingsChanges(StrictBody):
    """Whatever is absent stays."""

    on_leaked_key = serializers.ChoiceField(choices=AlertSettings.OnLeak.values, required=False, help_text=ON_LEAK)
    balance_levels = serializers.ListField(child=_amount(), max_length=MOST_LEVELS, required=False, help_text=LEVELS)
    spike_factor = StrictDecimal(
        max_digits=7,
        decimal_places=2,
        min_value=LEAST_FACTOR,
        max_value=LARGEST_FACTOR,
        required=False,
        help_text=FACTOR,
    )
    spike_least = _amount(required=False, help_text=LEAST)
    spike_freezes = serializers.BooleanField(required=False, help_text=FREEZES)
    price_changes = serializers.BooleanField(required=False, help_text=PRICES)


class AlertSettingsSerializer(serializers.Serializer[Any]):
    object = serializers.ChoiceField(choices=["alert_settings"])
    workspace_id = serializers.CharField()
    on_leaked_key = serializers.ChoiceField(choices=AlertSettings.OnLeak.values, help_text=ON_LEAK)
    balance_levels = serializers.ListField(child=serializers.CharField(), help_text=LEVELS)
    spike_factor = serializers.CharField(help_text=FACTOR)
    spike_least = serializers.CharField(help_text=LEAST)
    spike_freezes = serializers.BooleanField(help_text=FREEZES)
    price_changes = serializers.BooleanField(help_text=PRICES)
