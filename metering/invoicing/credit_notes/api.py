"""The credit note endpoints, for those who may see invoices. A stranger's credit note is a 404."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.http.response import HttpResponseBase
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from metering.errors import NotFound
from metering.invoicing.credit_notes.as_json import credit_note_json, credit_note_summary_json
from metering.invoicing.credit_notes.models import CreditNote
from metering.invoicing.credit_notes.serializers import CreditNoteListSerializer, CreditNoteSerializer, CreditNotesQuery
from metering.invoicing.documents.issued import issued_credit_note
from metering.invoicing.documents.pdf import pdf_response
from omixa_billing.api.documented_errors import NOT_FOUND, REFUSED
from omixa_billing.api.lists import list_answer, page_of
from omixa_billing.api.requests import NoQuery, parse_query
from workspaces.access.permissions import SeesInvoices, caller_of
from workspaces.downloads import limited_download
from workspaces.models import Workspace


class CreditNotesView(APIView):
    permission_classes = [SeesInvoices]

    @extend_schema(
        operation_id="list_credit_notes",
        tags=["invoices"],
        summary="The workspace's credit notes without their lines, newest first",
        parameters=[CreditNotesQuery],
        responses={200: CreditNoteListSerializer, **REFUSED},
    )
    def get(self, request: Request) -> Response:
        asked = parse_query(request.query_params, CreditNotesQuery)
        page, next_cursor = credit_notes_page(caller_of(request).workspace, asked)
        return Response(list_answer([credit_note_summary_json(each) for each in page], next_cursor))


class CreditNoteView(APIView):
    permission_classes = [SeesInvoices]

    @extend_schema(
        operation_id="get_credit_note",
        tags=["invoices"],
        summary="One credit note with its lines",
        responses={200: CreditNoteSerializer, **REFUSED, **NOT_FOUND},
    )
    def get(self, request: Request, credit_note_id: str) -> Response:
        parse_query(request.query_params, NoQuery)
        note = credit_notes_of(caller_of(request).workspace).filter(public_id=credit_note_id).first()
        if note is None:
            raise NotFound("There is no such credit note in this workspace.")
        return Response(credit_note_json(note))


class CreditNotePdfView(APIView):
    permission_classes = [SeesInvoices]

    @extend_schema(
        operation_id="get_credit_note_pdf",
        tags=["invoices"],
        summary="One credit note as PDF",
        responses={(200, "application/pdf"): OpenApiTypes.BINARY, **REFUSED, **NOT_FOUND},
    )
    def get(self, request: Request, credit_note_id: str) -> HttpResponseBase:
        """The same to the last byte at every download."""
        parse_query(request.query_params, NoQuery)
        note = credit_notes_of(caller_of(request).workspace).filter(public_id=credit_note_id).first()
        if note is None:
            raise NotFound("There is no such credit note in this workspace.")
        return limited_download(request, caller_of(request), lambda: pdf_response(issued_credit_note(note), note.number))


def credit_notes_of(workspace: Workspace) -> QuerySet[CreditNote]:
    """The workspace's credit notes, newest first, without their lines."""
    return CreditNote.objects.filter(invoice__workspace=workspace).select_related("invoice").order_by("-pk")


def credit_notes_page(workspace: Workspace, asked: dict[str, Any]) -> tuple[list[CreditNote], str | None]:
    """A page as asked for (`invoice_id`, `limit`, `cursor`), and the next cursor. Raises InvalidParameter."""
    every = credit_notes_of(workspace)
    notes = every.filter(invoice__public_id=asked["invoice_id"]) if "invoice_id" in asked else every
    return page_of(notes, asked, known=every)
