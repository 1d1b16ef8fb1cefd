"""Budgets on the customers' pages: bars, what is held, what was refused, and setting them."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client

from metering.limits.authorize import authorize
from metering.limits.budgets.change import set_budget
from metering.limits.gateway.requests import Authorize
from metering.limits.held_and_refused import refused_lately
from metering.limits.models import Budget
from metering.website.budgets.rows import budget_rows
from tests.kit.factories import NOW, an_event, make_key, make_price, send
from tests.kit.pages import words_of
from tests.kit.people import Browser, browser_of, person
from tests.website.conftest import Tenant
from workspaces.keys.allowed_models import change_workspace_models
from workspaces.models import APIKey, AuditEntry, Gateway

PAGE, NEW = "/budgets", "/budgets/new"
FORM = {"limit": "100", "window": "month", "time_zone": "UTC", "mode": "hard", "thresholds": "50, 80, 100"}


def a_budget(tenant: Tenant, limit: str = "0.10", **said: Any) -> Budget:
    said = {"scope": "workspace", "scope_id": None, "window": "month", "actor": "test", "now": NOW} | said
    return set_budget(tenant.workspace, limit=Decimal(limit), **said)


def a_use(tenant: Tenant, gateway: Gateway) -> None:
    """0.02 USD spent and 0.011 held, of two requests; one more is refused by a small budget for another model."""
    make_price(input="1", output="10")
    make_price(model="dear", input="1000", output="1000")
    usage = {"prompt_tokens": 10_000, "completion_tokens": 1000, "total_tokens": 11_000}
    send(gateway, [an_event(tenant.key, request_id="done", usage=usage)])
    for name, model in (("runs", "codex-mini"), ("refused", "dear")):
        asked = {"input_tokens": 1000, "max_output_tokens": 1000, "key_id": tenant.key.public_id}
        authorize(Authorize(request_id=name, model=model, **asked), gateway, NOW)


def test_each_budget_has_a_bar_of_what_is_spent_held_and_left(acme: Tenant, gateway: Gateway, admin: Client) -> None:
    budget = a_budget(acme)
    a_use(acme, gateway)
    [row] = budget_rows([budget], NOW)
    assert (row.spent_share, row.held_share, row.left) == (Decimal("20.0"), Decimal("11.0"), Decimal("0.069"))
    answer = admin.get(PAGE)
    shown = words_of(answer)
    assert '<rect class="gauge__spent" width="20.0" height="6">' in answer.content.decode()
    assert '<rect class="gauge__held" x="20.0" width="11.0" height="6">' in answer.content.decode()
    for words in (
        "Held now $0.01 the most that 1 running request may cost",
        "Refused 1 requests in the last 30 days",
        "Whole workspace $0.10 a month",
        "$0.02 of $0.10 $0.01 held",
        "1 Nov 2026, 00:00 UTC",
        "Refuses requests alerts at 50 %, 80 %, 100 %",
        "Budget used up server dear 1 15 Oct 2026, 12:00",
    ):
        assert words in shown, shown


def test_a_budget_that_is_used_up_says_so_and_its_bar_ends_at_the_end(acme: Tenant, gateway: Gateway, admin: Client) -> None:
    budget = a_budget(acme, "0.011", mode="soft")
    a_use(acme, gateway)
    [row] = budget_rows([budget], NOW)
    assert (row.spent_share, row.held_share, row.is_used_up) == (Decimal(100), Decimal(0), True)
    assert "Used up" in words_of(admin.get(PAGE))


def test_a_budget_in_shadow_says_what_it_would_have_refused(acme: Tenant, gateway: Gateway, admin: Client) -> None:
    a_budget(acme, "0.011", mode="shadow")
    a_use(acme, gateway)
    assert "Only counts what it would refuse 2 requests so far" in words_of(admin.get(PAGE))


def test_without_budgets_the_page_says_what_limits_and_who_may_create_one(admin: Client, as_role: Browser) -> None:
    assert "Without one, requests are limited by nothing but the balance" in words_of(admin.get(PAGE))
    shown = words_of(as_role("viewer").get(PAGE))
    assert "An owner or admin of the workspace can create one." in shown
    assert "Create budget" not in shown
    assert "Nothing was refused" in shown


def test_an_admin_creates_changes_and_deletes_a_budget(acme: Tenant, admin: Client) -> None:
    assert admin.post(NEW, FORM | {"scope": f"key:{acme.key.public_id}"}).headers["Location"] == PAGE
    budget = Budget.objects.get()
    assert (budget.scope, budget.scope_id, budget.limit, budget.thresholds) == (
        "key",
        acme.key.public_id,
        Decimal(100),
        [50, 80, 100],
    )
    page = f"{PAGE}/{budget.public_id}"
    assert "Key server" in words_of(admin.get(page))
    changed = {"limit": "12.5", "window": "week", "time_zone": "Europe/Berlin", "mode": "shadow", "thresholds": "90 %"}
    assert admin.post(page, changed).headers["Location"] == PAGE
    budget.refresh_from_db()
    assert (budget.limit, budget.window, budget.time_zone, budget.mode, budget.thresholds) == (
        Decimal("12.5"),
        "week",
        "Europe/Berlin",
        "shadow",
        [90],
    )
    assert "Delete “Key server”?" in words_of(admin.get(f"{page}/delete"))
    assert admin.post(f"{page}/delete").headers["Location"] == PAGE
    assert not Budget.objects.exists()
    acts = AuditEntry.objects.filter(action__startswith="budget.").order_by("pk")
    assert [(each.action, each.actor) for each in acts] == [
        (f"budget.{act}", "admin@acme.example") for act in ("created", "changed", "deleted")
    ]


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"limit": "much"}, "Enter a number."),
        ({"time_zone": "Mars"}, "The time zone is a name of the IANA list, such as Europe/Berlin."),
        ({"thresholds": "half"}, "Write whole percentages with commas between them, such as 50, 80, 100."),
        ({"thresholds": "1001"}, "Thresholds are at most 10 percentages from 1 to 1000."),
        ({"scope": "model"}, "Name the model, or choose each of them above."),
        ({"scope": "workspace", "scope_id": "x"}, "Leave it empty: what is chosen above needs no name."),
    ],
)
def test_what_is_wrong_is_said_and_what_was_typed_stays(acme: Tenant, admin: Client, said: dict[str, str], words: str) -> None:
    answer = admin.post(NEW, FORM | {"scope": "workspace", "limit": "77.7"} | said)
    assert words in words_of(answer)
    assert f'value="{said.get("limit", "77.7")}"' in answer.content.decode()
    assert not Budget.objects.exists()


def test_a_second_budget_of_the_same_kind_names_the_first(acme: Tenant, admin: Client) -> None:
    first = a_budget(acme)
    answer = admin.post(NEW, FORM | {"scope": "workspace"})
    assert f"There is a budget for the same scope, window and mode: change {first.public_id}." in words_of(answer)


def test_viewers_read_and_change_nothing_and_strangers_see_nothing(acme: Tenant, rival: Tenant, as_role: Browser) -> None:
    budget = a_budget(acme)
    viewer, stranger = as_role("viewer"), browser_of(person(rival.workspace, "owner", "owner@rival.example"))
    assert "Whole workspace" in words_of(viewer.get(PAGE))
    for page in (NEW, f"{PAGE}/{budget.public_id}", f"{PAGE}/{budget.public_id}/delete"):
        assert [viewer.get(page).status_code, viewer.post(page, FORM).status_code] == [403, 403]
    assert [stranger.get(f"{PAGE}/{budget.public_id}{end}").status_code for end in ("", "/delete")] == [404, 404]
    assert "Whole workspace" not in words_of(stranger.get(PAGE))
    assert Budget.objects.count() == 1


def test_a_key_s_page_shows_its_budgets_and_its_models(acme: Tenant, admin: Client) -> None:
    page = f"/keys/{acme.key.public_id}"
    other = make_key(acme.workspace, name="other")
    assert "No limit is set for this key or for the whole workspace." in words_of(admin.get(page))
    a_budget(acme)
    a_budget(acme, "5", scope="key", scope_id=acme.key.public_id)
    a_budget(acme, "6", scope="key", scope_id=other.public_id)
    shown = words_of(admin.get(page))
    assert ("Whole workspace $0.10 a month" in shown, "Key server $5.00 a month" in shown, "Key other" in shown) == (
        True,
        True,
        False,
    )
    assert f'value="key:{acme.key.public_id}" selected' in admin.get(f"{NEW}?key={acme.key.public_id}").content.decode()
    admin.post(page, {"name": "server", "expires": "unchanged", "models": " opus \r\n\r\ncodex-mini"})
    assert APIKey.objects.get(pk=acme.key.pk).allowed_models == ["codex-mini", "opus"]
    assert "Models codex-mini, opus" in words_of(admin.get(page))
    change_workspace_models(acme.workspace, ["opus"], False, "the tests", NOW)
    assert "Models opus Created" in words_of(admin.get(page))
    admin.post(page, {"name": "server", "expires": "unchanged", "models": ""})
    assert APIKey.objects.get(pk=acme.key.pk).allowed_models is None


def test_a_key_that_may_ask_for_no_model_keeps_that_when_its_name_is_saved(acme: Tenant, admin: Client) -> None:
    APIKey.objects.filter(pk=acme.key.pk).update(allowed_models=[])
    assert "none: every request is refused" in words_of(admin.get(f"/keys/{acme.key.public_id}"))
    admin.post(f"/keys/{acme.key.public_id}", {"name": "renamed", "expires": "unchanged", "models": ""})
    key = APIKey.objects.get(pk=acme.key.pk)
    assert (key.name, key.allowed_models) == ("renamed", [])


def test_refused_requests_are_shown_for_thirty_days(acme: Tenant, gateway: Gateway) -> None:
    a_budget(acme)
    a_use(acme, gateway)
    a_month = timedelta(days=30)
    [refused] = refused_lately(acme.workspace, NOW + a_month)
    assert (refused.why, refused.key_name, refused.model, refused.requests) == ("Budget used up", "server", "dear", 1)
    assert refused_lately(acme.workspace, NOW + a_month + timedelta(hours=1)) == []
