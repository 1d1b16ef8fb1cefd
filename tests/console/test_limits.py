"""Limits in the console: budgets of all workspaces, what is held, refused and unaccounted, and allowed models."""

import re
from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from metering.doctor import work
from metering.limits.authorize import authorize
from metering.limits.budgets.change import set_budget
from metering.limits.gateway.requests import Authorize
from metering.limits.gateway.unaccounted import unaccounted_since
from metering.limits.holds import expire_holds
from metering.limits.models import Budget
from tests.console.conftest import OPERATOR
from tests.kit.factories import NOW, an_event, make_gateway, make_key, make_price, make_workspace, send
from workspaces.models import APIKey, AuditEntry, Gateway, Workspace

BUDGETS, HELD = reverse("admin:metering_budget_changelist"), reverse("admin:metering_hold_changelist")
REFUSED, UNACCOUNTED = reverse("admin:metering_refusedrequests_changelist"), reverse("admin:metering_hold_unaccounted")
ADD = reverse("admin:metering_budget_add")
TOKEN = re.compile(r'name="(form_token)" value="([^"]+)"')


@pytest.fixture
def key() -> APIKey:
    make_price(input="1", output="10")
    return make_key(make_workspace("Acme"), name="server")


@pytest.fixture
def gateway() -> Gateway:
    return make_gateway("edge")


def ask(key: APIKey, gateway: Gateway, request_id: str) -> bool:
    """Holds 0.011 USD."""
    asked = {"model": "codex-mini", "input_tokens": 1000, "max_output_tokens": 1000, "key_id": key.public_id}
    return bool(authorize(Authorize(request_id=request_id, **asked), gateway, NOW)["allowed"])


def a_budget(workspace: Workspace, limit: str = "0.015") -> Budget:
    return set_budget(workspace, "workspace", None, "month", Decimal(limit), actor="test", now=NOW)


def words(console: Client, page: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", console.get(page).content.decode()).split())


def sent(console: Client, page: str, **said: str) -> str:
    """Where the form leads after it was sent, or what it says."""
    token = dict(TOKEN.findall(console.get(page).content.decode()))
    answer = console.post(page, token | said)
    return answer.headers.get("Location") or " ".join(re.sub(r"<[^>]+>", " ", answer.content.decode()).split())


def test_a_budget_is_created_changed_and_deleted_by_an_operator(console: Client, key: APIKey) -> None:
    form = {"limit": "5", "window": "month", "time_zone": "UTC", "mode": "hard", "thresholds": "50, 80"}
    for_one = {"workspace": str(key.workspace_id), "scope": "key", "scope_id": key.public_id}
    where = sent(console, ADD, **form, **for_one)
    budget = Budget.objects.get()
    assert where == reverse("admin:metering_budget_change", args=[budget.pk])
    assert (budget.scope_id, budget.limit, budget.thresholds) == (key.public_id, Decimal(5), [50, 80])
    assert "There is a budget for the same scope, window and mode" in sent(console, ADD, **form, **for_one)
    edit = reverse("admin:metering_budget_change_limit", args=[budget.pk])
    assert sent(console, edit, **(form | {"limit": "7.5", "mode": "soft"})) == where
    assert "The time zone is a name" not in words(console, where)
    budget.refresh_from_db()
    assert (budget.limit, budget.mode) == (Decimal("7.5"), "soft")
    assert sent(console, reverse("admin:metering_budget_delete_it", args=[budget.pk])) == BUDGETS
    assert not Budget.objects.exists()
    acts = AuditEntry.objects.filter(action__startswith="budget.").order_by("pk")
    assert [(each.action, each.actor) for each in acts] == [
        (f"budget.{act}", OPERATOR) for act in ("created", "changed", "deleted")
    ]


def test_lists_show_what_is_spent_held_left_and_refused(console: Client, key: APIKey, gateway: Gateway) -> None:
    usage = {"prompt_tokens": 1000, "completion_tokens": 0, "total_tokens": 1000}
    send(gateway, [an_event(key, request_id="done", usage=usage)])
    budget = a_budget(key.workspace)
    assert [ask(key, gateway, name) for name in ("runs", "refused")] == [True, False]
    page = words(console, BUDGETS)
    assert f"Workspace {budget.public_id} Acme $0.015 / month &lt;$0.01 $0.01 &lt;$0.01 hard 2026-11-01 00:00" in page
    row = words(console, reverse("admin:metering_budget_change", args=[budget.pk]))
    assert "Would have refused -" in row
    held = words(console, HELD)
    assert "runs Acme server" in held
    assert "codex-mini $0.01 2026-10-15 12:00:00 2026-10-15 12:15:00" in held
    assert "Budget used up Acme server" in words(console, REFUSED)


def test_what_was_allowed_and_never_ended_is_a_page_a_figure_and_a_finding(
    console: Client, key: APIKey, gateway: Gateway
) -> None:
    assert "0 requests unaccounted" in words(console, UNACCOUNTED)
    assert [ask(key, gateway, f"lost-{n}") for n in range(100)] == [True] * 100
    assert (unaccounted_since(NOW - timedelta(days=1)), list(work.unaccounted_found(NOW))) == ((0, Decimal(0)), [])
    later = NOW + timedelta(minutes=16)
    assert expire_holds(later) == 100
    assert unaccounted_since(NOW - timedelta(days=1)) == (100, Decimal("1.1"))
    [finding] = work.unaccounted_found(later)
    assert (finding.check, finding.severity) == ("unaccounted", "warning")
    said = "100 requests of the last day were allowed and sent no event: up to $1.10 is not billed."
    assert finding.message == said
    page = words(console, UNACCOUNTED)
    assert "100 requests unaccounted" in page
    assert "2026-10-15 edge 100 0 0 0 100 $1.10" in page
    assert "Nothing is held" in words(console, HELD)
    usage = {"prompt_tokens": 1000, "completion_tokens": 0, "total_tokens": 1000}
    send(gateway, [an_event(key, request_id="lost-0", usage=usage)])
    assert unaccounted_since(NOW - timedelta(days=1)) == (99, Decimal("1.089"))
    assert list(work.unaccounted_found(later)) == []
    assert unaccounted_since(NOW + timedelta(seconds=1)) == (0, Decimal(0))


def test_allowed_models_of_a_workspace_and_of_a_key_are_set(console: Client, key: APIKey) -> None:
    page = reverse("admin:workspaces_workspace_change", args=[key.workspace_id])
    act = reverse("admin:workspaces_workspace_allowed_models", args=[key.workspace_id])
    assert sent(console, act, models="opus\n\n codex-mini ", refuses_unpriced="on") == page
    workspace = Workspace.objects.get(pk=key.workspace_id)
    assert (workspace.allowed_models, workspace.refuses_unpriced) == (["codex-mini", "opus"], True)
    assert "codex-mini, opus; without a price refused" in words(console, page)
    edit = reverse("admin:workspaces_apikey_change_key", args=[key.pk])
    assert sent(console, edit, name="server", models="opus") == reverse("admin:workspaces_apikey_change", args=[key.pk])
    assert APIKey.objects.get(pk=key.pk).allowed_models == ["opus"]
    assert sent(console, act, models="") == page
    workspace.refresh_from_db()
    assert (workspace.allowed_models, workspace.refuses_unpriced) == (None, False)


def test_a_key_that_may_ask_for_no_model_keeps_that_when_an_operator_renames_it(console: Client, key: APIKey) -> None:
    APIKey.objects.filter(pk=key.pk).update(allowed_models=[])
    sent(console, reverse("admin:workspaces_apikey_change_key", args=[key.pk]), name="renamed", models="")
    found = APIKey.objects.get(pk=key.pk)
    assert (found.name, found.allowed_models) == ("renamed", [])


def test_a_list_of_budgets_takes_the_same_queries_however_long_it_is(console: Client, key: APIKey) -> None:
    def queries() -> int:
        with CaptureQueriesContext(connection) as found:
            console.get(BUDGETS)
        return len(found)

    a_budget(key.workspace)
    queries()
    before = queries()
    for window in ("hour", "day", "week", "total"):
        set_budget(key.workspace, "workspace", None, window, Decimal(1), actor="test", now=NOW)
    assert queries() == before
