"""Balance, credits, and paying, for admin keys and for members who may see invoices. A stranger's id is a 404."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.http.response import HttpResponseBase
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from metering.credits.models import CreditGrant
from metering.errors import NotFound, StripeAway
from metering.invoicing.models import Invoice
from metering.payments.as_json import balance_json, entry_json, grant_json, grants_of, invoice_payment_json
from metering.payments.balance.balance import balance_of
from metering.payments.collecting.pay_invoice import pay_invoice
from metering.payments.exports.export import EXPORTS, export
from metering.payments.idempotency import HEADER, idempotency_key_of
from metering.payments.models import TopUp
from metering.payments.provider.errors import ProviderUnavailable
from metering.payments.serializers import (
    BalanceSerializer,
    CreditEntryListSerializer,
    CreditListSerializer,
    ExportQuery,
    InvoicePaymentSerializer,
    PageQuery,
    PaymentToMake,
    TopUpSerializer,
    TopUpToMake,
)
from metering.payments.top_ups import purchase
from metering.payments.top_ups.as_json import top_up_json
from metering.periods import Period
from omixa_billing.api.documented_errors import NOT_FOUND, REFUSED, errors_with
from omixa_billing.api.errors import InvalidParameter
from omixa_billing.api.lists import list_answer, page_of
from omixa_billing.api.requests import NoQuery, parse_body, parse_query
from workspaces.access.permissions import SeesInvoices, caller_of
from workspaces.downloads import limited_download
from workspaces.models import APIKey

MONEY = errors_with(409, 503)
KEY = OpenApiParameter(HEADER, str, OpenApiParameter.HEADER, required=True, description="The same key is the same payment.")


class BalanceView(APIView):
    permission_classes = [SeesInvoices]

    @extend_schema(
        operation_id="get_balance",
        tags=["credits"],
        summary="What is left: credits less unbilled usage and the tax on it, in real time",
        responses={200: BalanceSerializer, **REFUSED},
    )
    def get(self, request: Request) -> Response:
        parse_query(request.query_params, NoQuery)
        return Response(balance_json(balance_of(caller_of(request).workspace, timezone.now())))


class CreditsView(APIView):
    permission_classes = [SeesInvoices]

    @extend_schema(
        operation_id="list_credits",
        tags=["credits"],
        summary="Credits granted, newest first, and what became of them",
        parameters=[PageQuery],
        responses={200: CreditListSerializer, **REFUSED},
    )
    def get(self, request: Request) -> Response:
        asked = parse_query(request.query_params, PageQuery)
        page, next_cursor = page_of(grants_of(caller_of(request).workspace), asked)
        return Response(list_answer([grant_json(each) for each in page], next_cursor))


class CreditEntriesView(APIView):
    permission_classes = [SeesInvoices]

    @extend_schema(
        operation_id="list_credit_entries",
        tags=["credits"],
        summary="A credit's ledger, newest first",
        parameters=[PageQuery],
        responses={200: CreditEntryListSerializer, **REFUSED, **NOT_FOUND},
    )
    def get(self, request: Request, credit_id: str) -> Response:
        asked = parse_query(request.query_params, PageQuery)
        grant = CreditGrant.objects.filter(workspace=caller_of(request).workspace, public_id=credit_id).first()
        if grant is None:
            raise NotFound("There is no such credit in this workspace.")
        page, next_cursor = page_of(grant.entries.select_related("invoice").order_by("-pk"), asked)
        return Response(list_answer([entry_json(each) for each in page], next_cursor))


class TopUpsView(APIView):
    permission_classes = [SeesInvoices]
    scope = APIKey.Scope.PAYMENTS

    @extend_schema(
        operation_id="create_top_up",
        tags=["credits"],
        summary="Buy credit, on a payment page or from the saved method",
        parameters=[KEY],
        request=TopUpToMake,
        responses={201: TopUpSerializer, **REFUSED, **MONEY, **errors_with(429)},
    )
    def post(self, request: Request) -> Response:
        """Repeated with the same key it answers with the top-up as it is by then."""
        key = idempotency_key_of(request.headers)
        asked = parse_body(request.data, TopUpToMake)
        caller, now = caller_of(request), timezone.now()
        with stripe_may_be_away():
            top_up = purchase.buy_credit(
                caller.workspace, asked["amount"], asked["method"], key, caller.actor, now, caller.user, caller.key
            )
        return Response(top_up_json(top_up), status=201)


class TopUpView(APIView):
    permission_classes = [SeesInvoices]

    @extend_schema(
        operation_id="get_top_up",
        tags=["credits"],
        summary="One top-up",
        responses={200: TopUpSerializer, **REFUSED, **NOT_FOUND},
    )
    def get(self, request: Request, top_up_id: str) -> Response:
        parse_query(request.query_params, NoQuery)
        top_up = TopUp.objects.filter(workspace=caller_of(request).workspace, public_id=top_up_id).first()
        if top_up is None:
            raise NotFound("There is no such top-up in this workspace.")
        return Response(top_up_json(top_up))


class PayInvoiceView(APIView):
    permission_classes = [SeesInvoices]
    scope = APIKey.Scope.PAYMENTS

    @extend_schema(
        operation_id="pay_invoice",
        tags=["invoices"],
        summary="Pay an open invoice, on a payment page or from the saved method",
        parameters=[KEY],
        request=PaymentToMake,
        responses={200: InvoicePaymentSerializer, **REFUSED, **NOT_FOUND, **MONEY},
    )
    def post(self, request: Request, invoice_id: str) -> Response:
        """An invoice is collected once, whatever keys are used; a decline is in the answer.

        Repeated with the same key it answers with what became of that payment by then, and never charges again.
        """
        key = idempotency_key_of(request.headers)
        asked = parse_body(request.data, PaymentToMake)
        workspace, now = caller_of(request).workspace, timezone.now()
        invoice = Invoice.objects.select_related("workspace").filter(workspace=workspace, public_id=invoice_id).first()
        if invoice is None:
            raise NotFound("There is no such invoice in this workspace.")
        with stripe_may_be_away():
            return Response(invoice_payment_json(pay_invoice(invoice, asked["method"], key, caller_of(request), now)))


class ExportView(APIView):
    permission_classes = [SeesInvoices]

    @extend_schema(
        operation_id="export_bookkeeping",
        tags=["invoices"],
        summary="Invoices, their lines, payments or credits of a period, as CSV",
        parameters=[ExportQuery, OpenApiParameter("kind", str, OpenApiParameter.PATH, enum=list(EXPORTS))],
        responses={(200, "text/csv"): OpenApiTypes.STR, **REFUSED, **NOT_FOUND},
    )
    def get(self, request: Request, kind: str) -> HttpResponseBase:
        """Rows have the day on which each was issued, received or moved; invoices are as they stood at `end`. Credit notes,
        voids, refunds and chargebacks have amounts below zero. What happens after `end` changes nothing.
        """
        asked = parse_query(request.query_params, ExportQuery)
        if kind not in EXPORTS:
            raise NotFound(f"There are exports of {', '.join(EXPORTS)}.")
        if asked["start"] >= asked["end"]:
            raise InvalidParameter("`end` is after `start`.", param="end")
        caller = caller_of(request)
        period = Period(asked["start"], asked["end"])
        return limited_download(request, caller, lambda: export(kind, period, caller.workspace))


@contextmanager
def stripe_may_be_away() -> Iterator[None]:
    """Raises StripeAway where the outcome is not known: under the same key it is found out."""
    try:
        yield
    except ProviderUnavailable:
        raise StripeAway("Stripe does not answer: repeat this with the same key.", retry_after=30) from None
