"""Acts on workspaces: payouts, transfers of credit, fees and lines, closing. Each calls the verb of its stage."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from metering.invoicing.fees.change import add_line, set_fee
from metering.offboarding.as_json import closed_json
from metering.offboarding.close import close_for_good, what_closing_does
from metering.operator_api import answers, bodies, documents
from metering.operator_api.once import Answer
from metering.operator_api.views import ERRORS, KEY, TAG, OperatorAct, OperatorView, workspace_with
from metering.payments.as_json import transfer_json
from metering.payments.balance.transfer import transfer_credit
from metering.payments.refunds.payouts import pay_out
from omixa_billing.api.requests import NoQuery, parse_body, parse_query
from workspaces.operators.authentication import operator_caller


class PayOutView(OperatorAct):
    body = bodies.PayoutToRecord

    @extend_schema(
        operation_id="operator_pay_out",
        tags=[TAG],
        summary="Record a transfer to a customer of what is owed to them",
        parameters=[KEY],
        request=bodies.PayoutToRecord,
        responses={200: documents.PayoutSerializer, **ERRORS},
    )
    def post(self, request: Request, workspace_id: str) -> Response:
        return self.once(request, workspace_id=workspace_id)

    def act(self, asked: dict[str, Any], actor: str, now: datetime) -> Answer:
        workspace = workspace_with(asked["workspace_id"])
        return answers.payout_json(pay_out(workspace, asked["amount"], asked["reference"], actor, now))


class TransferCreditView(OperatorAct):
    body = bodies.TransferToMake

    @extend_schema(
        operation_id="operator_transfer_credit",
        tags=[TAG],
        summary="Transfer credit between two workspaces of one payer",
        parameters=[KEY],
        request=bodies.TransferToMake,
        responses={200: documents.TransferSerializer, **ERRORS},
    )
    def post(self, request: Request) -> Response:
        return self.once(request)

    def act(self, asked: dict[str, Any], actor: str, now: datetime) -> Answer:
        source, target = (workspace_with(asked[name]) for name in ("from_workspace_id", "to_workspace_id"))
        why = {"reason": asked["reason"], "kind": asked.get("kind"), "statement": asked["statement"]}
        return transfer_json(transfer_credit(source, target, asked["amount"], asked["reference"], actor, now, **why))


class AddLineView(OperatorAct):
    body = bodies.LineToAdd

    @extend_schema(
        operation_id="operator_add_line",
        tags=[TAG],
        summary="Add a line to a workspace's invoice of a month",
        parameters=[KEY],
        request=bodies.LineToAdd,
        responses={200: documents.ManualLineSerializer, **ERRORS},
    )
    def post(self, request: Request, workspace_id: str) -> Response:
        return self.once(request, workspace_id=workspace_id)

    def act(self, asked: dict[str, Any], actor: str, now: datetime) -> Answer:
        workspace = workspace_with(asked["workspace_id"])
        return answers.manual_line_json(add_line(workspace, asked["month"], asked["amount"], asked["text"], actor, now))


class SetFeeView(OperatorAct):
    body = bodies.FeeToSet

    @extend_schema(
        operation_id="operator_set_fee",
        tags=[TAG],
        summary="Set a workspace's recurring fee from a day on",
        parameters=[KEY],
        request=bodies.FeeToSet,
        responses={200: documents.FeeSerializer, **ERRORS},
    )
    def post(self, request: Request, workspace_id: str) -> Response:
        return self.once(request, workspace_id=workspace_id)

    def act(self, asked: dict[str, Any], actor: str, now: datetime) -> Answer:
        workspace, until = workspace_with(asked["workspace_id"]), asked.get("until")
        days = _beginning(asked["first_day"]), None if until is None else _beginning(until)
        agreed = set_fee(workspace, asked["name"], asked["monthly"], asked.get("seats"), *days, actor, now)
        return answers.agreed_fee_json(agreed)


class CloseWorkspaceView(OperatorAct):
    body = bodies.ClosingToDo

    @extend_schema(
        operation_id="operator_close_workspace",
        tags=[TAG],
        summary="Close a workspace for good: a final invoice now, its keys stop, its credit goes back",
        parameters=[KEY],
        request=bodies.ClosingToDo,
        responses={200: documents.ClosedSerializer, **ERRORS},
    )
    def post(self, request: Request, workspace_id: str) -> Response:
        return self.once(request, workspace_id=workspace_id)

    def act(self, asked: dict[str, Any], actor: str, now: datetime) -> Answer:
        workspace = workspace_with(asked["workspace_id"])
        return closed_json(close_for_good(workspace, asked["reason"], asked["credit"], actor, now))


class ClosingPreviewView(OperatorView):
    @extend_schema(
        operation_id="operator_preview_closing",
        tags=[TAG],
        summary="What closing a workspace now would come to; nothing is changed",
        request=bodies.ClosingToDo,
        responses={200: documents.ClosedSerializer, **ERRORS},
    )
    def post(self, request: Request, workspace_id: str) -> Response:
        parse_query(request.query_params, NoQuery)
        asked, now = parse_body(request.data, bodies.ClosingToDo), timezone.now()
        workspace = workspace_with(workspace_id)
        return Response(what_closing_does(workspace, asked["reason"], asked["credit"], operator_caller(request).actor, now))


def _beginning(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)
