"""OpenRouter's `GET /key` and `GET /credits`: what a key may still spend, and what its workspace has."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django.utils import timezone
from rest_framework.request import Request
from rest_framework.response import Response

from metering.compatible.queries import parse_foreign_query
from metering.compatible.views import AdminKeyView, AnyKeyView
from metering.credits.ledger import spent_on_invoices
from metering.limits.budgets.standing import budgets_of_key
from metering.money import WIDE
from metering.payments.balance.balance import Balance, balance_of
from metering.usage.calling_key.openrouter import openrouter_key_json
from metering.usage.spend import key_spend
from omixa_billing.api.fields import json_number
from omixa_billing.api.requests import NoQuery
from workspaces.access.permissions import caller_of


class OpenRouterKeyView(AnyKeyView):
    def get(self, request: Request) -> Response:
        parse_foreign_query(request.query_params, NoQuery)
        key, now = caller_of(request).key, timezone.now()
        assert key is not None  # noqa: S101 - these endpoints take keys alone
        return Response({"data": openrouter_key_json(key, key_spend(key, now), list(budgets_of_key(key)), now)})


class OpenRouterCreditsView(AdminKeyView):
    """What is left, `total_credits` less `total_usage`, is what `GET /api/v1/balance` says."""

    def get(self, request: Request) -> Response:
        parse_foreign_query(request.query_params, NoQuery)
        workspace = caller_of(request).workspace
        return Response({"data": _credits_json(balance_of(workspace, timezone.now()), spent_on_invoices(workspace))})


def _credits_json(balance: Balance, invoiced: Decimal) -> dict[str, Any]:
    return {
        "total_credits": json_number(WIDE.add(balance.credits, invoiced)),
        "total_usage": json_number(WIDE.add(invoiced, WIDE.add(balance.unbilled, balance.tax))),
    }
