"""What a workspace is alerted to: read and changed by the API, the page and the command, with an entry in the trail."""

import json
from decimal import Decimal
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from metering.alerts.models import AlertSettings
from tests.kit.days import fixed_day
from tests.kit.pages import text_of
from tests.kit.people import browser_of, person, trail
from tests.kit.tenants import Tenant, acme, rival, with_key
from tests.openapi.document import check
from workspaces.keys import issue

__all__ = ["acme", "fixed_day", "rival"]

PATH = "/api/v1/alert-settings"
USUAL = {
    "object": "alert_settings",
    "on_leaked_key": "revoke",
    "balance_levels": ["0.00"],
    "spike_factor": "10.00",
    "spike_least": "10.00",
    "spike_freezes": False,
    "price_changes": False,
}
CHOSEN = {
    "on_leaked_key": "freeze",
    "balance_levels": ["0", "50.00", "10", "50"],
    "spike_factor": "4",
    "spike_least": "2.50",
    "spike_freezes": True,
    "price_changes": True,
}
KEPT = {
    "object": "alert_settings",
    "on_leaked_key": "freeze",
    "balance_levels": ["50.00", "10.00", "0.00"],
    "spike_factor": "4.00",
    "spike_least": "2.50",
    "spike_freezes": True,
    "price_changes": True,
}


def test_they_are_read_and_changed(acme: Tenant, rival: Tenant) -> None:
    usual = acme.admin.get(PATH)
    check(usual, PATH, "get")
    assert usual.json() == USUAL | {"workspace_id": acme.workspace.public_id}
    changed = acme.admin.patch(PATH, CHOSEN, format="json")
    check(changed, PATH, "patch")
    assert changed.json() == acme.admin.get(PATH).json() == KEPT | {"workspace_id": acme.workspace.public_id}
    assert rival.admin.get(PATH).json()["on_leaked_key"] == "revoke"
    acme.admin.patch(PATH, {"balance_levels": []}, format="json")
    assert acme.admin.get(PATH).json()["balance_levels"] == []
    acme.admin.patch(PATH, {}, format="json")
    assert [detail for _, action, detail in trail(acme.workspace.public_id) if action == "alerts.changed"] == [
        {
            "on_leaked_key": "revoke → freeze",
            "balance_levels": "0.00 → 50.00, 10.00, 0.00",
            "spike_factor": "10.00 → 4.00",
            "spike_least": "10.00 → 2.50",
            "spike_freezes": "no → yes",
            "price_changes": "no → yes",
        },
        {"balance_levels": "50.00, 10.00, 0.00 → none"},
    ]


@pytest.mark.parametrize(
    "wrong",
    [
        {"on_leaked_key": "keep"},
        {"balance_levels": ["-1"]},
        {"balance_levels": ["0.001"]},
        {"balance_levels": [str(number) for number in range(11)]},
        {"balance_levels": "10"},
        {"spike_factor": "1"},
        {"spike_factor": "NaN"},
        {"spike_least": "-0.01"},
        {"spike_freezes": "perhaps"},
        {"unknown": 1},
    ],
)
def test_what_cannot_be_is_refused(acme: Tenant, wrong: dict[str, Any]) -> None:
    answer = acme.admin.patch(PATH, wrong, format="json")
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "invalid_parameter")
    assert not AlertSettings.objects.exists()


def test_they_belong_to_those_who_manage_keys(acme: Tenant) -> None:
    assert acme.live.get(PATH).status_code == 403
    reader = with_key(issue.create_key(acme.workspace, "admin", "x", "tests", acme.workspace.created_at, scopes=[])[1])
    assert reader.get(PATH).status_code == 200
    assert reader.patch(PATH, CHOSEN, format="json").json()["error"]["code"] == "key_is_limited"
    viewer = browser_of(person(acme.workspace, "viewer"))
    assert viewer.patch(PATH, "{}", content_type="application/json").status_code == 403


def command(*arguments: str) -> dict[str, Any]:
    out = StringIO()
    call_command("set_alerts", *arguments, stdout=out)
    found: dict[str, Any] = json.loads(out.getvalue())
    return found


def test_the_command_changes_what_it_names(acme: Tenant) -> None:
    name = acme.workspace.public_id
    assert command(name) == USUAL | {"workspace_id": name}
    levels = ("--balance-level", "50", "--balance-level", "10", "--balance-level", "0")
    rest = (
        "--on-leaked-key",
        "freeze",
        "--spike-factor",
        "4",
        "--spike-least",
        "2.50",
        "--spike-freezes",
        "--mail-price-changes",
    )
    assert command(name, *levels, *rest) == KEPT | {"workspace_id": name}
    assert command(name, "--no-balance-levels", "--spike-alerts-only", "--no-mail-of-price-changes") == KEPT | {
        "workspace_id": name,
        "balance_levels": [],
        "spike_freezes": False,
        "price_changes": False,
    }
    for wrong in (("--spike-factor", "many"), ("--balance-level", "ten"), ("--spike-factor", "0.5")):
        with pytest.raises(CommandError):
            command(name, *wrong)


FORM = {
    "on_leaked_key": "freeze",
    "spike_factor": "4",
    "spike_least": "2.50",
    "spike_freezes": "on",
    "balance_levels": "$50, 10; 0",
}


def test_the_page_shows_and_changes_them(acme: Tenant) -> None:
    owner: Client = browser_of(person(acme.workspace, "owner"))
    page = text_of(owner.get("/settings/alerts"))
    assert "A key that is found in public" in page
    assert text_of(owner.post("/settings/alerts", FORM, follow=True)).count("The alerts are saved.") == 1
    kept = AlertSettings.objects.get()
    assert (kept.on_leaked_key, kept.spike_freezes, kept.spike_factor) == ("freeze", True, Decimal(4))
    assert kept.balance_levels == [Decimal(50), Decimal(10), Decimal(0)]
    wrong = text_of(owner.post("/settings/alerts", FORM | {"balance_levels": "ten"}))
    assert "Write amounts in USD with commas between them" in wrong
    wrong = text_of(owner.post("/settings/alerts", FORM | {"spike_factor": "1"}))
    assert "The factor of a spike is from 1.10 to 10000.00" in wrong


def test_members_without_the_role_read_them(acme: Tenant) -> None:
    viewer = browser_of(person(acme.workspace, "viewer"))
    page = text_of(viewer.get("/settings/alerts"))
    assert "<form" not in page.partition('id="alerts-title"')[2]
    viewer.post("/settings/alerts", FORM)
    assert not AlertSettings.objects.exists()
