"""The statement of account, for those who may see invoices."""

from __future__ import annotations

from typing import Any

from django.http.response import HttpResponseBase
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.views import APIView

from metering.invoicing.documents.pdf import pdf_response
from metering.periods import Period
from metering.reports.printed_statement import statement_name, statement_pdf
from metering.reports.serializers import StatementPeriodQuery, StatementQuery, StatementSerializer
from metering.reports.statement import CSV_COLUMNS, Statement, statement_json, statement_of, statement_rows
from metering.usage.exports import csv_download
from omixa_billing.api.documented_errors import REFUSED
from omixa_billing.api.errors import InvalidParameter
from omixa_billing.api.requests import parse_query
from workspaces.access.permissions import SeesInvoices, caller_of
from workspaces.downloads import limited_answer, limited_download


class StatementView(APIView):
    permission_classes = [SeesInvoices]

    @extend_schema(
        operation_id="get_statement",
        tags=["invoices"],
        summary="The statement of account: opening, every entry by the day of its act, closing",
        parameters=[StatementQuery],
        responses={(200, "application/json"): StatementSerializer, (200, "text/csv"): OpenApiTypes.STR, **REFUSED},
    )
    def get(self, request: Request) -> HttpResponseBase:
        """From the journal: a later act changes no earlier statement, and statements of adjoining periods fit together."""
        asked = parse_query(request.query_params, StatementQuery)
        found, caller = _statement(request, asked), caller_of(request)
        if asked["format"] == "csv":
            name = f"{statement_name(found)}.csv"
            return limited_download(request, caller, lambda: csv_download(name, CSV_COLUMNS, statement_rows(found)))
        return limited_answer(request, caller, len(found.entries), lambda: statement_json(found))


class StatementPdfView(APIView):
    permission_classes = [SeesInvoices]

    @extend_schema(
        operation_id="get_statement_pdf",
        tags=["invoices"],
        summary="The statement of account as PDF",
        parameters=[StatementPeriodQuery],
        responses={(200, "application/pdf"): OpenApiTypes.BINARY, **REFUSED},
    )
    def get(self, request: Request) -> HttpResponseBase:
        """Of at most 1,000 entries."""
        found = _statement(request, parse_query(request.query_params, StatementPeriodQuery))
        name = statement_name(found)
        return limited_download(request, caller_of(request), lambda: pdf_response(statement_pdf(found), name))


def _statement(request: Request, asked: dict[str, Any]) -> Statement:
    if asked["start"] >= asked["end"]:
        raise InvalidParameter("`end` is after `start`.", param="end")
    return statement_of(caller_of(request).workspace, Period(asked["start"], asked["end"]))
