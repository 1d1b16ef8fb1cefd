"""Who was removed, or whose key was revoked, frozen or limited, while a request waited changes nothing by it: on every page
and at every address of the API."""

import json
from collections import defaultdict
from functools import partial
from typing import Any

import pytest
from django.http import HttpRequest
from django.test import Client
from django.urls import get_resolver

from metering.website import member
from tests.every_address.acts import Act, acts_of_forms, done, methods_of, outcome
from tests.every_address.addresses import every_address, path_of, routes_and_views
from tests.every_address.conftest import BODIES, given
from tests.kit.world import World, browser_of
from workspaces.access import authentication
from workspaces.access.permissions import SeesAWorkspace
from workspaces.members.current import membership_of
from workspaces.models import APIKey, Credential, Membership

OWNER = "owner@acme.example"
# What concerns the person and no workspace.
OWN_AFFAIRS = {"pages:switch", "pages:invitation_answer"}
# Of a form that leads elsewhere to say that it was refused.
SENT = {"form.sent"}
# What the walk changes something by; the others only say the same again, or what may not be, as the last owner's removal.
WRITING = {
    "pages:alerts",
    "pages:billing_buy",
    "pages:billing_method",
    "pages:billing_pay page",
    "pages:billing_preferences",
    "pages:billing_profile",
    "pages:budget",
    "pages:budget_delete",
    "pages:budget_new",
    "pages:invitation_withdraw",
    "pages:key_freeze",
    "pages:key_new",
    "pages:key_revoke",
    "pages:key_rotate",
    "pages:key_unfreeze",
    "pages:members",
    "pages:settings",
    "pages:webhook_change",
    "pages:webhook_delete",
    "pages:webhook_new",
    "pages:webhook_replay",
    "pages:webhook_rotate",
    "pages:webhook_status",
    "pages:webhook_test",
}


def the_acts(world: World) -> dict[str, list[Act]]:
    pages = [path for path in every_address(world) if not path.startswith(("/admin/", "/api/", "/gateway/", "/accounts/"))]
    named: dict[str, list[Act]] = defaultdict(list)
    for act in acts_of_forms(browser_of(OWNER), pages, given()):
        if act.name.startswith("pages:") and act.name.split()[0] not in OWN_AFFAIRS:
            named[act.name].append(act)
    return named


@pytest.mark.parametrize("loses", ["removed", "demoted"])
def test_a_member_who_is_removed_while_a_form_waits_does_nothing(everything: World, loses: str, monkeypatch: Any) -> None:
    acts = the_acts(everything)
    acting = {name for name, found in acts.items() if any(done(act).wrote for act in found)}
    assert acting == WRITING

    def just_before(request: HttpRequest) -> Membership | None:
        """The page has seen the member's role, and then it is gone."""
        found = membership_of(request)
        if found is not None and request.method == "POST":
            held = Membership.objects.filter(pk=found.pk)
            if loses == "removed":
                held.delete()
            else:
                held.update(role="viewer")
        return found

    monkeypatch.setattr(member, "membership_of", just_before)
    for name, found in acts.items():
        for act in found:
            came = done(act)
            assert (name, came.actions - SENT, came.wrote - {"workspaces_membership"}) == (name, set(), set())


@pytest.mark.parametrize("loses", ["revoked", "frozen", "limited"])
def test_a_key_that_is_revoked_frozen_or_limited_while_a_request_waits_does_nothing(
    everything: World, loses: str, monkeypatch: Any
) -> None:
    once = {"Idempotency-Key": "walk"}
    program = Client(headers={**everything.callers["admin key"], **once}, raise_request_exception=False)
    acts: dict[str, list[Act]] = {}
    for route, view in routes_and_views(get_resolver().url_patterns):
        if route.startswith("api/") and not route.startswith("api/v1/operator/"):
            path = path_of(route, everything)
            for method in methods_of(view):
                name = f"{method} /{route}"
                call = partial(getattr(program, method), path, json.dumps(BODIES.get(name, {})), "application/json")
                acts[name] = [Act(name, call)]
    assert len(acts) == 18
    assert {name for name in acts if not outcome(acts[name]).entries} == set()
    plain = SeesAWorkspace.has_permission

    def just_after(self: Any, request: Any, view: Any) -> bool:
        """The view has seen the key, and then it is another one."""
        may = plain(self, request, view)
        held = APIKey.objects.filter(pk=request.auth.key.pk)
        held.update(**lost)
        return may

    an_hour = Credential.objects.earliest("pk").created_at
    lost: dict[str, Any] = {
        "revoked": {"revoked_at": an_hour},
        "frozen": {"frozen_at": an_hour, "frozen_reason": "requested"},
        "limited": {"scopes": []},
    }[loses]
    monkeypatch.setattr(SeesAWorkspace, "has_permission", just_after)
    found = {name: outcome(acts[name]) for name in sorted(acts)}
    wrote = {name: done.wrote - {"workspaces_apikey"} for name, done in found.items()}
    assert {name: (found[name].entries, wrote[name], found[name].status) for name in acts} == {
        name: (0, set(), 401 if loses == "revoked" else 403) for name in acts
    }


def test_both_ways_of_a_member_into_the_product_are_these() -> None:
    """Pages ask `member`, the API `authentication`: both by the one function."""
    assert member.membership_of is authentication.membership_of is membership_of
