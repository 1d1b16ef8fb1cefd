"""The invoice endpoints, for admin keys and for members who may see invoices. A stranger's invoice is a 404."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.db.models import QuerySet
from django.http import HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from metering.errors import NotFound
from metering.invoicing.as_json import billed_event_json, invoice_json, invoice_summary_json, line_json, preview_json
from metering.invoicing.documents.annex import annex_csv, annex_parts, annex_pdf, document_name
from metering.invoicing.documents.issued import issued_invoice
from metering.invoicing.documents.pdf import pdf_response
from metering.invoicing.explaining.explain import events_under, explanation_of, explanation_page
from metering.invoicing.lifecycle.upcoming import upcoming
from metering.invoicing.models import Invoice, InvoiceLine
from metering.invoicing.serializers import (
    AnnexQuery,
    BilledEventListSerializer,
    InvoiceLineListSerializer,
    InvoiceLinesQuery,
    InvoiceListSerializer,
    InvoicePreviewSerializer,
    InvoiceSerializer,
    InvoicesQuery,
    LineEventsQuery,
)
from metering.usage.events.cursors import event_cursor, event_position
from metering.usage.events.events import EventPosition
from metering.usage.exports import csv_download
from metering.usage.rows import EVENT_COLUMNS
from omixa_billing.api.documented_errors import NOT_FOUND, REFUSED
from omixa_billing.api.lists import list_answer, page_of
from omixa_billing.api.requests import NoQuery, parse_query
from workspaces.access.permissions import SeesInvoices, caller_of
from workspaces.downloads import limited_answer, limited_download
from workspaces.models import Workspace

EVENTS_AT_ONCE = 1_000


class InvoicesView(APIView):
    permission_classes = [SeesInvoices]

    @extend_schema(
        operation_id="list_invoices",
        tags=["invoices"],
        summary="The workspace's invoices without their lines, newest month first",
        parameters=[InvoicesQuery],
        responses={200: InvoiceListSerializer, **REFUSED},
    )
    def get(self, request: Request) -> Response:
        asked = parse_query(request.query_params, InvoicesQuery)
        page, next_cursor = invoices_page(caller_of(request).workspace, asked)
        return Response(list_answer([invoice_summary_json(each) for each in page], next_cursor))


class InvoiceView(APIView):
    permission_classes = [SeesInvoices]

    @extend_schema(
        operation_id="get_invoice",
        tags=["invoices"],
        summary="One invoice with all its lines",
        responses={200: InvoiceSerializer, **REFUSED, **NOT_FOUND},
    )
    def get(self, request: Request, invoice_id: str) -> HttpResponseBase:
        """An invoice of thousands of lines can be read in pages instead: `/{id}/lines`."""
        parse_query(request.query_params, NoQuery)
        invoice = invoice_of(caller_of(request).workspace, invoice_id)
        return limited_answer(request, caller_of(request), invoice.line_count or 0, lambda: invoice_json(invoice))


class InvoiceLinesView(APIView):
    permission_classes = [SeesInvoices]

    @extend_schema(
        operation_id="lines_of_an_invoice",
        tags=["invoices"],
        summary="An invoice's lines, in its order",
        parameters=[InvoiceLinesQuery],
        responses={
            (200, "application/json"): InvoiceLineListSerializer,
            (200, "text/csv"): OpenApiTypes.STR,
            **REFUSED,
            **NOT_FOUND,
        },
    )
    def get(self, request: Request, invoice_id: str) -> HttpResponseBase:
        """Their amounts add up to the invoice's subtotal."""
        asked = parse_query(request.query_params, InvoiceLinesQuery)
        invoice = invoice_of(caller_of(request).workspace, invoice_id)
        if asked["format"] == "csv":
            return limited_download(request, caller_of(request), lambda: annex_csv(invoice))
        page, next_cursor = page_of(invoice.lines.order_by("position"), asked)
        return Response(list_answer([line_json(line) for line in page], next_cursor))


class InvoiceAnnexView(APIView):
    permission_classes = [SeesInvoices]

    @extend_schema(
        operation_id="get_invoice_annex",
        tags=["invoices"],
        summary="An invoice's lines as PDF, part by part",
        parameters=[AnnexQuery],
        responses={(200, "application/pdf"): OpenApiTypes.BINARY, **REFUSED, **NOT_FOUND},
    )
    def get(self, request: Request, invoice_id: str) -> HttpResponseBase:
        """An invoice of hundreds of lines sums them up in its own PDF; this annex lists each."""
        asked = parse_query(request.query_params, AnnexQuery)
        invoice = invoice_of(caller_of(request).workspace, invoice_id)
        return limited_download(request, caller_of(request), lambda: annex_response(invoice, asked["part"]))


class InvoicePdfView(APIView):
    permission_classes = [SeesInvoices]

    @extend_schema(
        operation_id="get_invoice_pdf",
        tags=["invoices"],
        summary="One invoice as PDF",
        responses={(200, "application/pdf"): OpenApiTypes.BINARY, **REFUSED, **NOT_FOUND},
    )
    def get(self, request: Request, invoice_id: str) -> HttpResponseBase:
        """A finalized invoice's is the same to the last byte at every download."""
        parse_query(request.query_params, NoQuery)
        invoice = invoice_of(caller_of(request).workspace, invoice_id)
        name = document_name(invoice)
        return limited_download(request, caller_of(request), lambda: pdf_response(issued_invoice(invoice), name))


class UpcomingView(APIView):
    permission_classes = [SeesInvoices]

    @extend_schema(
        operation_id="upcoming_invoice",
        tags=["invoices"],
        summary="The running month as an invoice preview",
        responses={200: InvoicePreviewSerializer, **REFUSED},
    )
    def get(self, request: Request) -> Response:
        """What closing the running month now would bill, adjustments of earlier months included."""
        parse_query(request.query_params, NoQuery)
        return Response(preview_json(upcoming(caller_of(request).workspace, timezone.now())))


class LineEventsView(APIView):
    permission_classes = [SeesInvoices]

    @extend_schema(
        operation_id="events_of_an_invoice_line",
        tags=["invoices"],
        summary="The events that an invoice line bills, newest first",
        parameters=[LineEventsQuery],
        responses={
            (200, "application/json"): BilledEventListSerializer,
            (200, "text/csv"): OpenApiTypes.STR,
            **REFUSED,
            **NOT_FOUND,
        },
    )
    def get(self, request: Request, invoice_id: str, line_id: str) -> HttpResponseBase:
        """Each with its tokens and exact amount on this line; over all pages they add up to the line's.

        Voiding or reissuing another invoice later changes nothing in it. A reissued line shows what its month should have
        been billed, less what other invoices billed of it: a request that one of them took back is under both. Only under a
        line that was finalized in the very moment that usage of its month was recorded may it add up to something else.
        """
        asked = parse_query(request.query_params, LineEventsQuery)
        after = event_position(asked["cursor"]) if "cursor" in asked else None
        line = line_of(caller_of(request).workspace, invoice_id, line_id)
        if asked["format"] == "csv":
            return limited_download(request, caller_of(request), lambda: line_events_csv(line, after))
        billed, last = events_under(line, asked["limit"], after)
        data = [billed_event_json(each) for each in billed]
        return Response(list_answer(data, None if last is None else event_cursor(last)))


def line_events_csv(line: InvoiceLine, after: EventPosition | None = None, for_people: bool = False) -> StreamingHttpResponse:
    """Every event under the line, newest first, as a download; a page at a time, so that any number fits in memory.

    Which they are is worked out once, so its time grows with what is shown, and all of it is by one and the same ledger.
    """
    explanation = explanation_of(line)

    def rows() -> Iterator[dict[str, Any]]:
        billed, position = explanation_page(explanation, EVENTS_AT_ONCE, after)
        yield from map(billed_event_json, billed)
        while position is not None:
            billed, position = explanation_page(explanation, EVENTS_AT_ONCE, position)
            yield from map(billed_event_json, billed)

    columns = [*EVENT_COLUMNS, "quantity", "amount_exact"]
    return csv_download(f"{line.public_id}.csv", columns, rows(), for_people)


def workspace_invoices(workspace: Workspace) -> QuerySet[Invoice]:
    """The workspace's invoices, newest month first, without their lines."""
    invoices = Invoice.objects.with_line_count().filter(workspace=workspace)
    return invoices.select_related("workspace").prefetch_related("credit_notes").order_by("-period_start", "-pk")


def invoice_of(workspace: Workspace, invoice_id: str) -> Invoice:
    """Raises NotFound for a stranger's."""
    invoice = workspace_invoices(workspace).filter(public_id=invoice_id).first()
    if invoice is None:
        raise NotFound("There is no such invoice in this workspace.")
    return invoice


def annex_response(invoice: Invoice, part: int) -> HttpResponse:
    """Raises NotFound for a part that there is not."""
    if not 1 <= part <= annex_parts(invoice):
        raise NotFound(f"The annex of this invoice has {annex_parts(invoice)} parts.")
    return pdf_response(annex_pdf(invoice, part), f"{document_name(invoice)}-lines-{part}")


def invoices_page(workspace: Workspace, asked: dict[str, Any]) -> tuple[list[Invoice], str | None]:
    """A page as asked for (`status`, `limit`, `cursor`), and the next cursor. Raises InvalidParameter."""
    every = workspace_invoices(workspace)
    invoices = every.filter(status__in=asked["status"]) if asked.get("status") else every
    return page_of(invoices, asked, known=every)


def line_of(workspace: Workspace, invoice_id: str, line_id: str) -> InvoiceLine:
    """Raises NotFound for a stranger's invoice or line."""
    lines = InvoiceLine.objects.select_related("invoice__workspace")
    line = lines.filter(invoice__workspace=workspace, invoice__public_id=invoice_id, public_id=line_id).first()
    if line is None:
        raise NotFound("There is no such invoice line in this workspace.")
    return line
