"""What the budgets endpoints take and answer. as_json.py makes the values."""

from typing import Any

from rest_framework import serializers

from metering.limits.budgets.change import LARGEST_THRESHOLD, MOST_THRESHOLDS, USUAL_THRESHOLDS
from metering.limits.models import EACH, Budget
from metering.money import PICO_PLACES
from omixa_billing.api.fields import StrictDecimal, StrictInteger, StrictText
from omixa_billing.api.lists import CursorQuery, limit_field, list_serializer
from omixa_billing.api.requests import StrictBody

SCOPE_ID_HELP = (
    f"A key's id, a model as it is asked for, or an end user; `{EACH}` gives each model or user the limit for itself."
)
TIME_ZONE_HELP = "A name of the IANA list: its days, weeks and months are the windows."


class BudgetListQuery(CursorQuery):
    limit = limit_field(200, 50)


def _limit(**extra: Any) -> serializers.DecimalField:
    about: dict[str, Any] = {
        "min_value": 0,
        "help_text": "USD that a window may cost, such as `100.00`.",
    }
    return StrictDecimal(max_digits=13 + PICO_PLACES, decimal_places=PICO_PLACES, **about, **extra)


def _thresholds(**extra: Any) -> serializers.ListField:
    child = StrictInteger(min_value=1, max_value=LARGEST_THRESHOLD)
    about = "Percent of the limit; an alert is sent once in a window for each."
    return serializers.ListField(child=child, max_length=MOST_THRESHOLDS, help_text=about, **extra)


class BudgetToCreate(StrictBody):
    scope = serializers.ChoiceField(choices=Budget.Scope.values)
    scope_id = StrictText(
        max_length=512,
        required=False,
        allow_null=True,
        trim_whitespace=False,
        help_text=f"{SCOPE_ID_HELP} Null for the workspace.",
    )
    window = serializers.ChoiceField(choices=Budget.Window.values)
    time_zone = StrictText(max_length=64, default="UTC", help_text=TIME_ZONE_HELP)
    limit = _limit()
    mode = serializers.ChoiceField(
        choices=Budget.Mode.values,
        default=Budget.Mode.HARD.value,
        help_text="`hard` refuses, `soft` only alerts, `shadow` counts what it would have refused.",
    )
    thresholds = _thresholds(default=list(USUAL_THRESHOLDS))


class BudgetChanges(StrictBody):
    """Whatever is absent stays. What a budget is for does not change."""

    limit = _limit(required=False)
    mode = serializers.ChoiceField(choices=Budget.Mode.values, required=False)
    thresholds = _thresholds(required=False)
    window = serializers.ChoiceField(choices=Budget.Window.values, required=False)
    time_zone = StrictText(max_length=64, required=False, help_text=TIME_ZONE_HELP)


class BudgetSerializer(serializers.Serializer[Any]):
    object = serializers.ChoiceField(choices=["budget"])
    id = serializers.CharField()
    workspace_id = serializers.CharField()
    scope = serializers.ChoiceField(choices=Budget.Scope.values)
    scope_id = serializers.CharField(allow_null=True, help_text=SCOPE_ID_HELP)
    window = serializers.ChoiceField(choices=Budget.Window.values)
    time_zone = serializers.CharField()
    limit = serializers.CharField(help_text="USD.")
    currency = serializers.CharField()
    mode = serializers.ChoiceField(choices=Budget.Mode.values)
    thresholds = serializers.ListField(child=serializers.IntegerField())
    spent = serializers.CharField(help_text="Exact USD of the present window.")
    held = serializers.CharField(help_text="Exact USD that requests which run now may still cost.")
    remaining = serializers.CharField(help_text="The limit less both; below zero where a soft one was passed.")
    nearest = serializers.CharField(
        allow_null=True, help_text=f"With `{EACH}`: the model or user that has least left, which the amounts are of."
    )
    window_start = serializers.DateTimeField()
    resets_at = serializers.DateTimeField(allow_null=True, help_text="Null: never.")
    would_have_refused = serializers.IntegerField(help_text="In shadow: requests of the present window.")
    created_at = serializers.DateTimeField()


BudgetListSerializer = list_serializer("BudgetListSerializer", BudgetSerializer)


class DeletedBudgetSerializer(serializers.Serializer[Any]):
    object = serializers.ChoiceField(choices=["budget"])
    id = serializers.CharField()
    deleted = serializers.BooleanField()
