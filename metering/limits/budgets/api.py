"""`/api/v1/budgets`: what a workspace, its keys, models and end users may cost, for its admin keys, owners and admins.

Changing them is a part of managing keys: a limited admin key needs that scope.
"""

from django.db.models import QuerySet
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from metering.limits.budgets.as_json import budget_json, budgets_json
from metering.limits.budgets.change import change_budget, delete_budget, set_budget
from metering.limits.budgets.serializers import (
    BudgetChanges,
    BudgetListQuery,
    BudgetListSerializer,
    BudgetSerializer,
    BudgetToCreate,
    DeletedBudgetSerializer,
)
from metering.limits.models import Budget
from omixa_billing.api.documented_errors import NOT_FOUND, REFUSED
from omixa_billing.api.lists import list_answer, page_of
from omixa_billing.api.requests import NoQuery, parse_body, parse_query
from workspaces.access.authentication import Caller
from workspaces.access.permissions import ManagesBudgets, caller_of
from workspaces.models import APIKey


class BudgetsView(APIView):
    permission_classes = [ManagesBudgets]
    scope = APIKey.Scope.KEYS

    @extend_schema(
        operation_id="list_budgets",
        summary="The workspace's budgets, newest first, with what is spent, held and left",
        tags=["budgets"],
        parameters=[BudgetListQuery],
        responses={200: BudgetListSerializer, **REFUSED},
    )
    def get(self, request: Request) -> Response:
        asked = parse_query(request.query_params, BudgetListQuery)
        page, next_cursor = page_of(_budgets_of(caller_of(request)).order_by("-pk"), asked)
        return Response(list_answer(budgets_json(page, timezone.now()), next_cursor))

    @extend_schema(
        operation_id="create_budget",
        summary="Create a budget; usage of the current window counts",
        tags=["budgets"],
        request=BudgetToCreate,
        responses={201: BudgetSerializer, **REFUSED},
    )
    def post(self, request: Request) -> Response:
        """One for each scope, window and mode."""
        asked, caller, now = parse_body(request.data, BudgetToCreate), caller_of(request), timezone.now()
        budget = set_budget(
            caller.workspace,
            asked["scope"],
            asked.get("scope_id"),
            asked["window"],
            asked["limit"],
            mode=asked["mode"],
            time_zone=asked["time_zone"],
            thresholds=asked["thresholds"],
            replaces=False,
            actor=caller.actor,
            now=now,
            user=caller.user,
            maker=caller.key,
        )
        return Response(budget_json(budget, now), status=201)


class BudgetView(APIView):
    permission_classes = [ManagesBudgets]
    scope = APIKey.Scope.KEYS

    @extend_schema(
        operation_id="get_budget",
        summary="One budget",
        tags=["budgets"],
        responses={200: BudgetSerializer, **REFUSED, **NOT_FOUND},
    )
    def get(self, request: Request, budget_id: str) -> Response:
        parse_query(request.query_params, NoQuery)
        return Response(budget_json(_budget_of(caller_of(request), budget_id), timezone.now()))

    @extend_schema(
        operation_id="change_budget",
        summary="Change a budget; requests already running still count",
        tags=["budgets"],
        request=BudgetChanges,
        responses={200: BudgetSerializer, **REFUSED, **NOT_FOUND},
    )
    def patch(self, request: Request, budget_id: str) -> Response:
        caller, now = caller_of(request), timezone.now()
        budget = _budget_of(caller, budget_id)
        changes = parse_body(request.data, BudgetChanges)
        changed = change_budget(budget, changes, actor=caller.actor, now=now, user=caller.user, maker=caller.key)
        return Response(budget_json(changed, now))

    @extend_schema(
        operation_id="delete_budget",
        summary="Delete a budget: it no longer limits requests",
        tags=["budgets"],
        responses={200: DeletedBudgetSerializer, **REFUSED, **NOT_FOUND},
    )
    def delete(self, request: Request, budget_id: str) -> Response:
        caller = caller_of(request)
        budget = _budget_of(caller, budget_id)
        delete_budget(budget, actor=caller.actor, now=timezone.now(), user=caller.user, maker=caller.key)
        return Response({"object": "budget", "id": budget.public_id, "deleted": True})


def _budgets_of(caller: Caller) -> QuerySet[Budget]:
    return Budget.objects.filter(workspace=caller.workspace).select_related("workspace")


def _budget_of(caller: Caller, budget_id: str) -> Budget:
    budget = _budgets_of(caller).filter(public_id=budget_id).first()
    if budget is None:
        raise NotFound("There is no such budget in this workspace.")
    return budget
