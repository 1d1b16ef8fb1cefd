"""The calling key as the OpenAPI document describes it."""

from typing import Any

from rest_framework import serializers

from metering.limits.budgets.serializers import BudgetSerializer
from metering.usage.serializers import AmountField
from workspaces.keys.serializers import SCOPES_FIELD, ModelNames, Scopes


class KeyWorkspaceSerializer(serializers.Serializer[Any]):
    id = serializers.CharField()
    name = serializers.CharField()


class OpenRouterRateSerializer(serializers.Serializer[Any]):
    requests = serializers.IntegerField(help_text="-1: not limited by number.")
    interval = serializers.CharField()
    note = serializers.CharField()


class OpenRouterBudgetSerializer(serializers.Serializer[Any]):
    """A hard budget. What is held for running requests counts as spent."""

    scope = serializers.ChoiceField(choices=["workspace", "key_limit"])
    budget_id = serializers.CharField()
    guardrail_id = serializers.CharField(allow_null=True)
    include_byok = serializers.BooleanField()
    limit_usd = serializers.FloatField()
    spend_usd = serializers.FloatField()
    remaining_usd = serializers.FloatField()
    reset_interval = serializers.ChoiceField(choices=["hourly", "daily", "weekly", "monthly"], allow_null=True)
    resets_at = serializers.DateTimeField(allow_null=True)


class OpenRouterFreeModelsSerializer(serializers.Serializer[Any]):
    limit = serializers.IntegerField()
    remaining = serializers.IntegerField()
    used = serializers.IntegerField()


class OpenRouterKeySerializer(serializers.Serializer[Any]):
    """The key as clients of OpenRouter read it. Amounts are JSON numbers in USD."""

    label = serializers.CharField(help_text="The newest secret, masked.")  # type: ignore[assignment]
    limit = serializers.FloatField(allow_null=True, help_text="Of the hard budget that has least left; null: none.")
    limit_reset = serializers.ChoiceField(choices=["daily", "weekly", "monthly"], allow_null=True)
    limit_remaining = serializers.FloatField(allow_null=True)
    include_byok_in_limit = serializers.BooleanField()
    usage = serializers.FloatField(help_text="Since the beginning; the others since their day, week or month began in UTC.")
    usage_daily = serializers.FloatField()
    usage_weekly = serializers.FloatField()
    usage_monthly = serializers.FloatField()
    byok_usage = serializers.FloatField(help_text="There is no usage of other providers' keys: 0.")
    byok_usage_daily = serializers.FloatField()
    byok_usage_weekly = serializers.FloatField()
    byok_usage_monthly = serializers.FloatField()
    budgets = OpenRouterBudgetSerializer(many=True, help_text="Hard ones that cover every request of the key.")
    effective_budget = OpenRouterBudgetSerializer(allow_null=True, help_text="The one of them that has least left.")
    is_free_tier = serializers.BooleanField()
    is_management_key = serializers.BooleanField()
    is_provisioning_key = serializers.BooleanField()
    allowed_data_regions = serializers.ListField(child=serializers.CharField())
    free_model_daily_requests = OpenRouterFreeModelsSerializer(help_text="No model is free by the request: 0.")
    creator_user_id = serializers.CharField(allow_null=True)
    organization_id = serializers.CharField(allow_null=True)
    workspace_id = serializers.CharField()
    expires_at = serializers.DateTimeField(allow_null=True)
    rate_limit = OpenRouterRateSerializer()


class CallingKeySerializer(serializers.Serializer[Any]):
    object = serializers.ChoiceField(choices=["api_key"])
    id = serializers.CharField()
    name = serializers.CharField()
    kind = serializers.ChoiceField(choices=["live", "test", "admin"])
    scopes = Scopes(allow_null=True, help_text=SCOPES_FIELD)
    models = ModelNames(
        allow_null=True, help_text="Which models it may ask for, its workspace's bounds included; null: every one."
    )
    workspace = KeyWorkspaceSerializer()
    created_at = serializers.DateTimeField()
    last_used_at = serializers.DateTimeField(allow_null=True)
    expires_at = serializers.DateTimeField(allow_null=True)
    spend_this_month = AmountField(help_text="Exact USD this key has spent since the month began in UTC.")
    currency = serializers.CharField()
    budgets = BudgetSerializer(many=True, help_text="Those that cover every request of the key: its own and its workspace's.")
    data = OpenRouterKeySerializer()  # type: ignore[assignment]
