"""The books and the reports of finance, for operators' programs."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from django.http import StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from metering.errors import NotFound
from metering.journal.balances import trial_balance
from metering.journal.export import BEANCOUNT, exported
from metering.money import cents_text
from metering.operator_api import bodies, documents
from metering.operator_api.answers import owed_json
from metering.operator_api.views import ERRORS, TAG, OperatorView
from metering.payments.announced import dispute_json
from metering.payments.refunds.attention import unplaced_amounts, unplaced_disputes
from metering.payments.refunds.payouts import owed_to_customers
from metering.periods import Period, month_of, period_of_months
from metering.reports.ageing import ageing, ageing_rows
from metering.reports.deferred_revenue import deferred_revenue, deferred_rows
from metering.reports.margins import margin_json, margins
from metering.reports.revenue import revenue_by_customer, revenue_rows
from metering.reports.taxes import tax_csv_rows, taxes_by_month
from omixa_billing.api.errors import InvalidParameter
from omixa_billing.api.requests import NoQuery, parse_query
from workspaces import audit
from workspaces.operators.authentication import operator_caller

MOST_MONTHS = 36
Rows = Iterable[dict[str, Any]]
BY_MONTH: dict[str, Callable[[Period], Rows]] = {
    "deferred-revenue": lambda period: deferred_rows(deferred_revenue(period)),
    "tax": lambda period: tax_csv_rows(taxes_by_month(period)),
    "revenue": lambda period: revenue_rows(revenue_by_customer(period)),
}


class TrialBalanceView(OperatorView):
    @extend_schema(
        operation_id="operator_trial_balance",
        tags=[TAG],
        summary="What every account of the journal comes to",
        parameters=[bodies.TrialBalanceQuery],
        responses={200: documents.TrialBalanceSerializer, **ERRORS},
    )
    def get(self, request: Request) -> Response:
        asked = parse_query(request.query_params, bodies.TrialBalanceQuery)
        return Response(trial_balance(asked.get("at")))


class JournalView(OperatorView):
    @extend_schema(
        operation_id="operator_export_journal",
        tags=[TAG],
        summary="The entries of whole months by the day of the act, as CSV or for Beancount",
        parameters=[bodies.JournalQuery],
        responses={(200, "text/csv"): OpenApiTypes.STR, (200, "text/plain"): OpenApiTypes.STR, **ERRORS},
    )
    def get(self, request: Request) -> HttpResponseBase:
        asked = parse_query(request.query_params, bodies.JournalQuery)
        period, actor = _months(asked), operator_caller(request).actor
        months = {"from": f"{period.start:%Y-%m}", "to": f"{month_of(period.end).start:%Y-%m}"}
        audit.record(actor, "export.downloaded", "journal", None, now=timezone.now(), **months)
        kind = "text/plain" if asked["format"] == BEANCOUNT else "text/csv"
        return StreamingHttpResponse(exported(period, asked["format"]), content_type=f"{kind}; charset=utf-8")


class MonthlyReportView(OperatorView):
    @extend_schema(
        operation_id="operator_monthly_report",
        tags=[TAG],
        summary="Deferred revenue, tax by rate, or revenue by customer, for whole months",
        parameters=[bodies.MonthsQuery, OpenApiParameter("name", str, OpenApiParameter.PATH, enum=list(BY_MONTH))],
        responses={200: documents.ReportSerializer, **ERRORS},
    )
    def get(self, request: Request, name: str) -> Response:
        asked = parse_query(request.query_params, bodies.MonthsQuery)
        if name not in BY_MONTH:
            raise NotFound(f"There are reports of {', '.join(BY_MONTH)}.")
        return _report(name, BY_MONTH[name](_months(asked)))


class AgeingView(OperatorView):
    @extend_schema(
        operation_id="operator_ageing",
        tags=[TAG],
        summary="What every customer owed at the end of a day, by how long it was overdue",
        parameters=[bodies.DayQuery],
        responses={200: documents.ReportSerializer, **ERRORS},
    )
    def get(self, request: Request) -> Response:
        asked = parse_query(request.query_params, bodies.DayQuery)
        return _report("ageing", ageing_rows(ageing(asked.get("day") or timezone.now().date())))


class MarginsView(OperatorView):
    @extend_schema(
        operation_id="operator_margins",
        tags=[TAG],
        summary="What customers pay for usage, what providers charge for it, and what is left",
        description="Unknown provider cost is null and counted, never 0. Whole days; sandboxes are left out.",
        parameters=[bodies.MarginsQuery],
        responses={200: documents.ReportSerializer, **ERRORS},
    )
    def get(self, request: Request) -> Response:
        asked = parse_query(request.query_params, bodies.MarginsQuery)
        return _report("margins", [margin_json(each) for each in margins(_months(asked), asked.get("group_by", ()))])


class OwedToCustomersView(OperatorView):
    @extend_schema(
        operation_id="operator_owed_to_customers",
        tags=[TAG],
        summary="What is owed to customers: surpluses, failed refunds, credit and corrections",
        responses={200: documents.ReportSerializer, **ERRORS},
    )
    def get(self, request: Request) -> Response:
        parse_query(request.query_params, NoQuery)
        return _report("owed-to-customers", [owed_json(each) for each in owed_to_customers()])


class LostDisputesView(OperatorView):
    @extend_schema(
        operation_id="operator_unplaced_disputes",
        tags=[TAG],
        summary="Lost disputes and chargebacks of which a part is owed by nobody",
        responses={200: documents.ReportSerializer, **ERRORS},
    )
    def get(self, request: Request) -> Response:
        parse_query(request.query_params, NoQuery)
        amounts = unplaced_amounts()
        found = unplaced_disputes().select_related("payment__workspace").order_by("pk")
        return _report(
            "lost-disputes",
            [
                dispute_json(each)
                | {"workspace_id": each.payment.workspace.public_id, "owed_by_nobody": cents_text(amounts[each.stripe_id])}
                for each in found
            ],
        )


def _report(name: str, rows: Rows) -> Response:
    return Response({"object": "report", "name": name, "rows": list(rows)})


def _months(asked: dict[str, Any]) -> Period:
    """Raises InvalidParameter."""
    running = month_of(timezone.now())
    try:
        return period_of_months(asked.get("first") or running, asked.get("last") or running, MOST_MONTHS)
    except ValueError as error:
        raise InvalidParameter(str(error), param="first") from None
