"""What all views of the operators' API share: whose key, which scope, and each act once for its `Idempotency-Key`."""

from __future__ import annotations

from abc import abstractmethod
from datetime import datetime
from typing import Any, ClassVar

from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from metering.errors import NotFound
from metering.invoicing.models import Invoice
from metering.operator_api.once import Answer, answered_once
from metering.payments.api import stripe_may_be_away
from metering.payments.idempotency import HEADER, idempotency_key_of
from omixa_billing.api.documented_errors import NOT_FOUND, REFUSED, errors_with
from omixa_billing.api.requests import NoQuery, parse_body, parse_query
from workspaces.models import Workspace
from workspaces.names import is_storable
from workspaces.operators.authentication import OperatorAuthentication, OperatorMay, operator_caller
from workspaces.operators.models import OperatorKey

READ, MONEY = OperatorKey.Scope.READ.value, OperatorKey.Scope.MONEY.value
TAG = "operators"
KEY = OpenApiParameter(
    HEADER, str, OpenApiParameter.HEADER, required=True, description="One for each act: repeated, it gets the same answer."
)
ERRORS = {**REFUSED, **NOT_FOUND, **errors_with(409, 422)}


class OperatorView(APIView):
    """`scope` is what its methods take."""

    authentication_classes = [OperatorAuthentication]
    permission_classes = [OperatorMay]
    scope: ClassVar[str] = READ


class OperatorAct(OperatorView):
    """A POST that does one thing. `body` is what it takes; what the path names comes beside it."""

    scope = MONEY
    body: ClassVar[type[serializers.Serializer[Any]]]

    @abstractmethod
    def act(self, asked: dict[str, Any], actor: str, now: datetime) -> Answer:
        """Does it, in a transaction; what is answered."""

    def prepare(self, asked: dict[str, Any], now: datetime) -> None:
        """What Stripe must be asked before, outside the transaction."""

    def once(self, request: Request, **named: str) -> Response:
        parse_query(request.query_params, NoQuery)
        key = idempotency_key_of(request.headers)
        asked: dict[str, Any] = {**parse_body(request.data, self.body), **named}
        caller, now = operator_caller(request), timezone.now()
        where = {"act": type(self).__name__, **asked}
        with stripe_may_be_away():
            answer = answered_once(
                caller,
                key,
                where,
                lambda: self.act(asked, caller.actor, now),
                now,
                prepare=lambda: self.prepare(asked, now),
            )
        return Response(answer)


def workspace_with(public_id: str) -> Workspace:
    """Raises NotFound."""
    found = Workspace.objects.filter(public_id=public_id).first() if is_storable(public_id) else None
    if found is None:
        raise NotFound("There is no such workspace.")
    return found


def invoice_with(public_id: str) -> Invoice:
    """Raises NotFound."""
    found = Invoice.objects.select_related("workspace").filter(public_id=public_id).first() if is_storable(public_id) else None
    if found is None:
        raise NotFound("There is no such invoice.")
    return found
