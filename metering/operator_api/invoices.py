"""Acts on invoices: payments, voids, credit notes, write-offs, reissues, chargebacks. Each calls the verb of its stage."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from metering.errors import NotFound
from metering.invoicing.credit_notes.issue import chosen_amounts
from metering.invoicing.lifecycle.void import mark_uncollectible, reissue_month
from metering.invoicing.lifecycle.write_off import reverse_write_off
from metering.invoicing.models import Invoice
from metering.operator_api import answers, bodies, documents
from metering.operator_api.once import Answer
from metering.operator_api.views import ERRORS, KEY, TAG, OperatorAct, invoice_with, workspace_with
from metering.payments.collecting.manual import prepare_transfer, record_transfer
from metering.payments.disputes.chargebacks import charge_back, chargeback_with, payments_to_charge_back, reverse_chargeback
from metering.payments.models import Payment
from metering.payments.refunds.reversals import (
    issue_credit_note,
    prepare_credit_note,
    prepare_void,
    usual_settlement,
    void_invoice,
)
from workspaces.names import is_storable


class RecordPaymentView(OperatorAct):
    body = bodies.PaymentToRecord

    @extend_schema(
        operation_id="operator_record_payment",
        tags=[TAG],
        summary="Record money that arrived outside Stripe",
        parameters=[KEY],
        request=bodies.PaymentToRecord,
        responses={200: documents.RecordedPaymentSerializer, **ERRORS},
    )
    def post(self, request: Request, invoice_id: str) -> Response:
        return self.once(request, invoice_id=invoice_id)

    def prepare(self, asked: dict[str, Any], now: datetime) -> None:
        prepare_transfer([each.pk for each in _paid_by(asked)], now)

    def act(self, asked: dict[str, Any], actor: str, now: datetime) -> Answer:
        invoices = [each.pk for each in _paid_by(asked)]
        what = asked["amount"], asked["reference"]
        return answers.receipt_json(record_transfer(invoices, *what, actor, now, asked.get("arrived_on")))


class VoidInvoiceView(OperatorAct):
    body = bodies.ReasonToGive

    @extend_schema(
        operation_id="operator_void_invoice",
        tags=[TAG],
        summary="Void an open invoice on which nothing was paid or credited",
        parameters=[KEY],
        request=bodies.ReasonToGive,
        responses={200: documents.DocumentSerializer, **ERRORS},
    )
    def post(self, request: Request, invoice_id: str) -> Response:
        return self.once(request, invoice_id=invoice_id)

    def prepare(self, asked: dict[str, Any], now: datetime) -> None:
        prepare_void(invoice_with(asked["invoice_id"]).pk, asked["reason"], now)

    def act(self, asked: dict[str, Any], actor: str, now: datetime) -> Answer:
        voided = void_invoice(invoice_with(asked["invoice_id"]).pk, asked["reason"], actor, now)
        return answers.invoice_outcome(voided, voided.total)


class CreditInvoiceView(OperatorAct):
    body = bodies.CreditNoteToIssue

    @extend_schema(
        operation_id="operator_credit_invoice",
        tags=[TAG],
        summary="Issue a credit note",
        parameters=[KEY],
        request=bodies.CreditNoteToIssue,
        responses={200: documents.IssuedNoteSerializer, **ERRORS},
    )
    def post(self, request: Request, invoice_id: str) -> Response:
        return self.once(request, invoice_id=invoice_id)

    def prepare(self, asked: dict[str, Any], now: datetime) -> None:
        invoice = invoice_with(asked["invoice_id"])
        prepare_credit_note(invoice.pk, _credited(invoice, asked), asked["reason"], now, asked.get("reference", ""))

    def act(self, asked: dict[str, Any], actor: str, now: datetime) -> Answer:
        invoice = invoice_with(asked["invoice_id"])
        note = issue_credit_note(
            invoice.pk,
            _credited(invoice, asked),
            asked["reason"],
            asked.get("settlement") or usual_settlement(invoice),
            actor,
            now,
            asked.get("reference", ""),
        )
        return answers.issued_note_json(note)


class WriteOffView(OperatorAct):
    body = bodies.ReasonToGive

    @extend_schema(
        operation_id="operator_write_off",
        tags=[TAG],
        summary="Write off what is due on an open invoice",
        parameters=[KEY],
        request=bodies.ReasonToGive,
        responses={200: documents.DocumentSerializer, **ERRORS},
    )
    def post(self, request: Request, invoice_id: str) -> Response:
        return self.once(request, invoice_id=invoice_id)

    def act(self, asked: dict[str, Any], actor: str, now: datetime) -> Answer:
        found = mark_uncollectible(invoice_with(asked["invoice_id"]).pk, asked["reason"], actor, now)
        return answers.invoice_outcome(found, found.amount_due)


class WriteOffReversalView(OperatorAct):
    body = bodies.ReasonToGive

    @extend_schema(
        operation_id="operator_reverse_write_off",
        tags=[TAG],
        summary="Make an uncollectible invoice open again",
        parameters=[KEY],
        request=bodies.ReasonToGive,
        responses={200: documents.DocumentSerializer, **ERRORS},
    )
    def post(self, request: Request, invoice_id: str) -> Response:
        return self.once(request, invoice_id=invoice_id)

    def act(self, asked: dict[str, Any], actor: str, now: datetime) -> Answer:
        found = reverse_write_off(invoice_with(asked["invoice_id"]).pk, asked["reason"], actor, now)
        return answers.invoice_outcome(found, found.amount_due)


class ReissueView(OperatorAct):
    body = bodies.ReissueToMake

    @extend_schema(
        operation_id="operator_reissue",
        tags=[TAG],
        summary="Make the draft of a month whose invoice was voided",
        parameters=[KEY],
        request=bodies.ReissueToMake,
        responses={200: documents.DocumentSerializer, **ERRORS},
    )
    def post(self, request: Request, workspace_id: str) -> Response:
        return self.once(request, workspace_id=workspace_id)

    def act(self, asked: dict[str, Any], actor: str, now: datetime) -> Answer:
        workspace = workspace_with(asked["workspace_id"])
        return answers.reissued_json(reissue_month(workspace, asked["month"], asked["finalize"], actor, now))


class ChargebackView(OperatorAct):
    body = bodies.ChargebackToRecord

    @extend_schema(
        operation_id="operator_charge_back",
        tags=[TAG],
        summary="Record that a bank took back money that came outside Stripe",
        parameters=[KEY],
        request=bodies.ChargebackToRecord,
        responses={200: documents.ChargebackSerializer, **ERRORS},
    )
    def post(self, request: Request) -> Response:
        return self.once(request)

    def act(self, asked: dict[str, Any], actor: str, now: datetime) -> Answer:
        what = asked["amount"], asked["reference"], asked["fee"]
        return answers.chargebacks_json(charge_back(_charged_back(asked), *what, actor, now))


class ChargebackReversalView(OperatorAct):
    body = bodies.ReasonToGive

    @extend_schema(
        operation_id="operator_reverse_chargeback",
        tags=[TAG],
        summary="Record that a bank paid again what it had taken back",
        parameters=[KEY],
        request=bodies.ReasonToGive,
        responses={200: documents.ChargebackSerializer, **ERRORS},
    )
    def post(self, request: Request, chargeback_id: str) -> Response:
        return self.once(request, chargeback_id=chargeback_id)

    def act(self, asked: dict[str, Any], actor: str, now: datetime) -> Answer:
        dispute = chargeback_with(asked["chargeback_id"])
        return answers.chargebacks_json(reverse_chargeback(dispute.pk, asked["reason"], actor, now))


def _paid_by(asked: dict[str, Any]) -> list[Any]:
    return [invoice_with(each) for each in (asked["invoice_id"], *asked.get("also_for", ()))]


def _credited(invoice: Invoice, asked: dict[str, Any]) -> dict[str, Decimal] | None:
    return chosen_amounts(invoice, asked.get("line_id"), asked.get("amount"))


def _charged_back(asked: dict[str, Any]) -> list[Payment]:
    """Raises NotFound."""
    if "invoice" in asked:
        return payments_to_charge_back(invoice_with(asked["invoice"]))
    named = asked["payment_id"]
    found = list(Payment.objects.filter(public_id=named)) if is_storable(named) else []
    if not found:
        raise NotFound("There is no such payment.")
    return found
