"""`/api/v1/budgets`, the models of keys, and what a key reads of both."""

from decimal import Decimal
from typing import Any

import pytest
from rest_framework.test import APIClient

from metering.catalogue.models import PriceVersion
from metering.limits.authorize import authorize
from metering.limits.budgets.change import set_budget
from metering.limits.gateway.requests import Authorize
from metering.limits.models import Budget, LimitAccount
from tests.kit.billing import at
from tests.kit.days import fixed_day
from tests.kit.factories import NOW
from tests.kit.tenants import Sender, Tenant, acme, rival, sender
from tests.openapi.document import check
from workspaces.errors import NotAllowed
from workspaces.keys.allowed_models import change_workspace_models
from workspaces.models import APIKey, AuditEntry, Gateway, User

__all__ = ["acme", "fixed_day", "rival", "sender"]
LIST, ONE = "/api/v1/budgets", "/api/v1/budgets/{budget_id}"
MONTHLY = {"scope": "workspace", "window": "month", "limit": "100.00"}


def create(tenant: Tenant, **said: Any) -> Any:
    return tenant.admin.post(LIST, MONTHLY | said, format="json")


def hold(tenant: Tenant, gateway: Gateway, **said: Any) -> dict[str, Any]:
    """Up to 1,500 micro-dollars of input and 6 of output, at the golden price of codex-mini."""
    asked = {"model": "codex-mini", "input_tokens": 1000, "max_output_tokens": 1, "key_id": tenant.key.public_id} | said
    return authorize(Authorize(request_id="held", **asked), gateway, NOW)


def test_a_budget_is_created_with_the_usage_of_its_window_and_read_changed_and_deleted(
    acme: Tenant, send: Sender, gateway: Gateway, codex_mini: PriceVersion
) -> None:
    send(acme.key, at("09-30T23:59:59"), at("10-14T09:30"))
    made = check(create(acme), LIST, "post", 201)
    assert made == {
        "object": "budget",
        "id": made["id"],
        "workspace_id": acme.workspace.public_id,
        "scope": "workspace",
        "scope_id": None,
        "window": "month",
        "time_zone": "UTC",
        "limit": "100.00",
        "currency": "USD",
        "mode": "hard",
        "thresholds": [50, 80, 100],
        "spent": "0.002649000000",
        "held": "0.000000000000",
        "remaining": "99.997351000000",
        "nearest": None,
        "window_start": "2026-10-01T00:00:00Z",
        "resets_at": "2026-11-01T00:00:00Z",
        "would_have_refused": 0,
        "created_at": "2026-10-15T12:00:00Z",
    }
    held = Decimal(hold(acme, gateway)["held"])
    path = ONE.format(budget_id=made["id"])
    read = check(acme.admin.get(path), ONE)
    assert (read["held"], read["remaining"]) == (f"{held:f}", f"{Decimal('99.997351') - held:f}")
    changed = check(acme.admin.patch(path, {"limit": "50", "window": "total", "mode": "soft"}, format="json"), ONE, "patch")
    about = {name: changed[name] for name in ("limit", "window", "mode", "spent", "held", "resets_at")}
    assert about == {
        "limit": "50.00",
        "window": "total",
        "mode": "soft",
        "spent": "0.005298000000",
        "held": f"{held:f}",
        "resets_at": None,
    }
    gone = check(acme.admin.delete(path), ONE, "delete")
    assert gone == {"object": "budget", "id": made["id"], "deleted": True}
    assert (acme.admin.get(path).status_code, Budget.objects.count()) == (404, 0)
    entries = AuditEntry.objects.filter(action__startswith="budget.").order_by("pk")
    admin_key = APIKey.objects.get(workspace=acme.workspace, kind="admin").public_id
    assert [(each.action, each.actor, each.target) for each in entries] == [
        ("budget.created", admin_key, made["id"]),
        ("budget.changed", admin_key, made["id"]),
        ("budget.deleted", admin_key, made["id"]),
    ]
    assert entries[1].detail == {
        "window": "month → total",
        "limit": "100.000000000000 → 50.000000000000",
        "mode": "hard → soft",
    }


def test_a_budget_that_is_there_is_not_overwritten_by_another_one(acme: Tenant) -> None:
    first = create(acme).json()["id"]
    again = create(acme, limit="500.00")
    assert (again.status_code, again.json()["error"]["param"]) == (400, "window")
    assert again.json()["error"]["message"] == f"There is a budget for the same scope, window and mode: change {first}."
    other = create(acme, window="day").json()["id"]
    moved = acme.admin.patch(ONE.format(budget_id=other), {"window": "month"}, format="json")
    assert (moved.status_code, moved.json()["error"]["param"]) == (400, "window")
    assert [str(budget) for budget in Budget.objects.all()] == [
        "100 USD per month for workspace",
        "100 USD per day for workspace",
    ]


@pytest.mark.parametrize(
    ("said", "param"),
    [
        ({"scope": "planet"}, "scope"),
        ({"scope_id": "x"}, "scope_id"),
        ({"scope": "key"}, "scope_id"),
        ({"scope": "key", "scope_id": "key_unknown"}, "scope_id"),
        ({"scope": "model", "scope_id": 7}, "scope_id"),
        ({"window": "year"}, "window"),
        ({"limit": "-1"}, "limit"),
        ({"limit": "NaN"}, "limit"),
        ({"limit": "0.0000000000001"}, "limit"),
        ({"limit": "1000000000001"}, "limit"),
        ({"mode": "loud"}, "mode"),
        ({"time_zone": "Mars/Olympus"}, "time_zone"),
        ({"thresholds": [0]}, "thresholds"),
        ({"thresholds": ["50"]}, "thresholds"),
        ({"thresholds": list(range(1, 12))}, "thresholds"),
        ({"unheard": 1}, "unheard"),
    ],
)
def test_what_no_budget_can_be_is_refused_and_says_where(acme: Tenant, said: dict[str, Any], param: str) -> None:
    answer = create(acme, **said)
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["param"]) == (400, "invalid_parameter", param), error
    assert not Budget.objects.exists()


def test_budgets_are_for_those_who_manage_keys_and_a_stranger_s_is_not_there(acme: Tenant, rival: Tenant) -> None:
    made = create(acme).json()["id"]
    path = ONE.format(budget_id=made)
    for answer in (acme.live.get(LIST), acme.live.post(LIST, MONTHLY, format="json"), acme.live.delete(path)):
        assert (answer.status_code, answer.json()["error"]["code"]) == (403, "permission_denied")
        assert answer.json()["error"]["message"] == "Budgets need an omx_admin_ key, or an owner or admin of the workspace."
    change = rival.admin.patch(path, {"limit": "1"}, format="json")
    assert [rival.admin.get(path).status_code, rival.admin.delete(path).status_code, change.status_code] == [404, 404, 404]
    assert rival.admin.get(LIST).json()["data"] == []
    for role, statuses in {"viewer": (403, 403), "billing": (403, 403), "admin": (200, 201)}.items():
        user = User.objects.create_user(f"{role}@acme.example", "a long enough password")
        acme.workspace.memberships.create(user=user, role=role)
        client = APIClient()
        client.force_login(user)
        came = client.get(LIST).status_code, client.post(LIST, MONTHLY | {"window": "day"}, format="json").status_code
        assert came == statuses
    assert Budget.objects.filter(workspace=acme.workspace).count() == 2


def test_a_request_that_is_refused_leaves_no_lock_of_limits_behind(acme: Tenant) -> None:
    user = User.objects.create_user("gone@acme.example", "a long enough password")
    with pytest.raises(NotAllowed):
        set_budget(acme.workspace, "workspace", None, "month", Decimal(1), actor="x", now=NOW, user=user)
    assert not LimitAccount.objects.exists()


def test_a_list_of_budgets_takes_the_same_queries_however_long_it_is(acme: Tenant, django_assert_num_queries: Any) -> None:
    create(acme)
    acme.admin.get(LIST)
    with django_assert_num_queries(3):
        assert len(acme.admin.get(LIST).json()["data"]) == 1
    for window in ("hour", "day", "week", "total"):
        create(acme, window=window)
    with django_assert_num_queries(3):
        assert [each["window"] for each in acme.admin.get(LIST).json()["data"]] == ["total", "week", "day", "hour", "month"]


def test_a_budget_of_each_shows_the_one_that_has_least_left(acme: Tenant, send: Sender, codex_mini: PriceVersion) -> None:
    send(acme.key, at("10-14T09:30"), user="ann")
    send(acme.key, at("10-14T09:31"), at("10-14T09:32"), user="bob")
    made = create(acme, scope="user", scope_id="*").json()
    assert (made["scope_id"], made["nearest"], made["spent"]) == ("*", "bob", "0.005298000000")


def test_models_of_a_key_are_set_read_and_bound_what_it_may_ask(acme: Tenant, gateway: Gateway) -> None:
    path = f"/api/v1/keys/{acme.key.public_id}"
    assert check(acme.admin.get(path), "/api/v1/keys/{key_id}")["models"] is None
    changed = acme.admin.patch(path, {"models": ["opus", " codex-mini ", "opus"]}, format="json")
    assert check(changed, "/api/v1/keys/{key_id}", "patch")["models"] == ["codex-mini", "opus"]
    assert hold(acme, gateway, model="sonnet")["reason"] == "model_not_allowed"
    assert acme.live.get("/api/v1/key").json()["models"] == ["codex-mini", "opus"]
    change_workspace_models(acme.workspace, ["opus", "sonnet"], False, "the tests", NOW)
    assert acme.live.get("/api/v1/key").json()["models"] == ["opus"]
    assert acme.admin.patch(path, {"models": None}, format="json").json()["models"] is None
    entries = AuditEntry.objects.filter(action="key.models_changed").order_by("pk")
    assert [each.detail for each in entries] == [
        {"before": "all", "after": "codex-mini, opus"},
        {"before": "codex-mini, opus", "after": "all"},
    ]
    made = acme.admin.post("/api/v1/keys", {"name": "New", "models": ["opus"]}, format="json")
    assert check(made, "/api/v1/keys", "post", 201)["models"] == ["opus"]


@pytest.mark.parametrize("models", ["opus", [""], [7], ["x" * 301], ["a\x00b"], [f"m{n}" for n in range(201)]])
def test_what_names_no_models_is_refused(acme: Tenant, models: Any) -> None:
    answer = acme.admin.patch(f"/api/v1/keys/{acme.key.public_id}", {"models": models}, format="json")
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "invalid_parameter")
    assert APIKey.objects.get(pk=acme.key.pk).allowed_models is None


def test_an_admin_key_has_no_models(acme: Tenant) -> None:
    made = acme.admin.post("/api/v1/keys", {"name": "New", "kind": "admin", "models": ["opus"]}, format="json")
    assert (made.status_code, made.json()["error"]["param"]) == (400, "models")


def test_a_workspace_s_models_are_noted_once_when_they_change(acme: Tenant) -> None:
    for _ in range(2):
        change_workspace_models(acme.workspace, ["opus"], True, "the tests", NOW)
    [entry] = AuditEntry.objects.filter(action="workspace.models_changed")
    assert entry.detail == {"models_before": "all", "models": "opus", "refuses_unpriced": True}


def test_a_key_is_told_the_budgets_that_cover_all_its_requests_and_what_they_have_left(
    acme: Tenant, send: Sender, gateway: Gateway, codex_mini: PriceVersion
) -> None:
    send(acme.key, at("09-30T10:00"), at("10-11T10:00"), at("10-12T10:00"), at("10-15T10:00"))
    ours = create(acme).json()["id"]
    own = create(acme, scope="key", scope_id=acme.key.public_id, window="day", limit="0.01").json()["id"]
    create(acme, scope="model", scope_id="*")
    create(acme, scope="key", scope_id=APIKey.objects.get(kind="admin").public_id)
    create(acme, scope="workspace", window="hour", limit="0.000001", mode="soft")
    answer = check(acme.live.get("/api/v1/key"), "/api/v1/key")
    stated = {each["id"]: (each["spent"], each["remaining"]) for each in answer["budgets"][:2]}
    assert stated == {ours: ("0.007947000000", "99.992053000000"), own: ("0.002649000000", "0.007351000000")}
    assert [each["mode"] for each in answer["budgets"]] == ["hard", "hard", "soft"]
    shown = acme.key.credentials.get()
    own_budget = {
        "scope": "key_limit",
        "budget_id": own,
        "guardrail_id": None,
        "include_byok": False,
        "limit_usd": 0.01,
        "spend_usd": 0.002649,
        "remaining_usd": 0.007351,
        "reset_interval": "daily",
        "resets_at": "2026-10-16T00:00:00Z",
    }
    whole = {"scope": "workspace", "budget_id": ours, "limit_usd": 100, "spend_usd": 0.007947, "remaining_usd": 99.992053}
    months = {"reset_interval": "monthly", "resets_at": "2026-11-01T00:00:00Z"}
    assert answer["data"] == {
        "label": f"{shown.prefix}...{shown.last_four}",
        "limit": 0.01,
        "limit_reset": "daily",
        "limit_remaining": 0.007351,
        "include_byok_in_limit": False,
        "usage": 0.010596,
        "usage_daily": 0.002649,
        "usage_weekly": 0.005298,
        "usage_monthly": 0.007947,
        "byok_usage": 0,
        "byok_usage_daily": 0,
        "byok_usage_weekly": 0,
        "byok_usage_monthly": 0,
        "budgets": [own_budget | whole | months, own_budget],
        "effective_budget": own_budget,
        "is_free_tier": False,
        "is_management_key": False,
        "is_provisioning_key": False,
        "allowed_data_regions": ["global"],
        "free_model_daily_requests": {"limit": 0, "remaining": 0, "used": 0},
        "creator_user_id": None,
        "organization_id": None,
        "workspace_id": acme.workspace.public_id,
        "expires_at": None,
        "rate_limit": {"requests": -1, "interval": "10s", "note": "Requests are limited by budgets."},
    }


def test_without_a_hard_budget_a_key_has_no_limit(acme: Tenant) -> None:
    create(acme, mode="soft")
    data = acme.live.get("/api/v1/key").json()["data"]
    assert [data[name] for name in ("limit", "limit_reset", "limit_remaining", "usage")] == [None, None, None, 0]
