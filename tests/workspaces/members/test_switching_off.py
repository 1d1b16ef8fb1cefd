"""Accounts that are switched off: what becomes of the keys that the person knows, in every workspace."""

import threading
from typing import Any

import pytest
from django.db import connection, transaction
from django.test import Client
from django.urls import reverse

from tests.kit.factories import NOW
from tests.kit.people import a_member, trail
from tests.kit.tenants import TESTS
from workspaces.errors import Unauthenticated
from workspaces.keys import issue
from workspaces.keys.makers import KeyChoice
from workspaces.members import members
from workspaces.members.switching_off import switch_off, switch_on
from workspaces.models import APIKey, Membership, User, Workspace

PAGE = "admin:workspaces_user_change"


@pytest.fixture
def ada(acme: Workspace, rival: Workspace) -> User:
    a_member(acme, "owner", "owner@acme.example")
    members.add_member(rival, "ada@acme.example", "admin", TESTS, NOW)
    return a_member(acme, "admin", "ada@acme.example").user


@pytest.fixture
def console(db: None) -> Client:
    browser = Client()
    browser.force_login(User.objects.create_superuser("ops@omixa.example"))
    return browser


def key_of(workspace: Workspace, user: User, kind: str, name: str) -> APIKey:
    return issue.create_key(workspace, kind, name, user.email, NOW, user=user)[0]


def revoked() -> set[str]:
    return set(APIKey.objects.filter(revoked_at__isnull=False).values_list("name", flat=True))


def test_admin_keys_of_all_workspaces_are_revoked_and_no_others(ada: User, acme: Workspace, rival: Workspace) -> None:
    here, there = key_of(acme, ada, "admin", "here"), key_of(rival, ada, "admin", "there")
    live = key_of(acme, ada, "live", "live")
    key_of(acme, User.objects.get(email="owner@acme.example"), "admin", "the owner's")
    assert switch_off(ada, "ops@omixa.example", NOW)
    assert not switch_off(ada, "ops@omixa.example", NOW)
    assert revoked() == {"here", "there"}
    assert not User.objects.get(pk=ada.pk).is_active
    assert Membership.objects.filter(user=ada).count() == 2
    detail = {"keys_revoked": [there.public_id, here.public_id], "keys_kept": [live.public_id]}
    assert trail("ada@acme.example")[-1] == ("ops@omixa.example", "user.switched_off", detail)
    assert trail(here.public_id)[-1] == ("ops@omixa.example", "key.revoked", {})


def test_switched_on_again_the_keys_stay_revoked(ada: User, acme: Workspace) -> None:
    key_of(acme, ada, "admin", "here")
    switch_off(ada, TESTS, NOW)
    assert [switch_on(ada, TESTS, NOW), switch_on(ada, TESTS, NOW)] == [True, False]
    assert User.objects.get(pk=ada.pk).is_active
    assert revoked() == {"here"}
    recorded = [action for _, action, _ in trail("ada@acme.example")[-4:]]  # in each of two workspaces
    assert recorded == ["user.switched_off", "user.switched_off", "user.switched_on", "user.switched_on"]


def test_what_is_chosen_otherwise_is_done_otherwise(ada: User, acme: Workspace) -> None:
    kept, live = key_of(acme, ada, "admin", "kept"), key_of(acme, ada, "live", "live")
    key_of(acme, ada, "admin", "made after the page was opened")
    switch_off(ada, TESTS, NOW, KeyChoice(revoke={live.public_id}, keep={kept.public_id}))
    assert revoked() == {"live", "made after the page was opened"}


def test_the_console_lists_the_keys_with_their_workspaces(
    console: Client, ada: User, acme: Workspace, rival: Workspace
) -> None:
    here, there = key_of(acme, ada, "admin", "here"), key_of(rival, ada, "live", "there")
    assert b"Switch off" in console.get(reverse(PAGE, args=[ada.pk])).content
    address = reverse("admin:workspaces_user_switch_off", args=[ada.pk])
    page = console.get(address)
    shown = page.content.decode()
    assert f"here: admin key {here.public_id} of Acme" in shown
    assert f"there: live key {there.public_id} of Rival" in shown
    assert page.context["form"].initial["revoke"] == [here.public_id]
    assert "Switch off the account" in shown
    sent: dict[str, Any] = {"form_token": page.context["form_token"], "shown": f"{here.public_id} {there.public_id}"}
    assert console.post(address, sent | {"revoke": [there.public_id]}).status_code == 302
    assert revoked() == {"there"}
    assert trail("ada@acme.example")[-1][0] == "ops@omixa.example"
    after = console.get(reverse(PAGE, args=[ada.pk])).content.decode()
    assert ("/switch-on/" in after, "/switch-off/" in after) == (True, False)


def test_the_form_of_a_person_switches_nobody_off_and_nobody_is_deleted(console: Client, ada: User, acme: Workspace) -> None:
    key_of(acme, ada, "admin", "here")
    person = {"email": ada.email, "memberships-TOTAL_FORMS": "0", "memberships-INITIAL_FORMS": "0"}
    assert console.post(reverse(PAGE, args=[ada.pk]), person).status_code == 302
    assert User.objects.get(pk=ada.pk).is_active
    assert console.post(reverse("admin:workspaces_user_delete", args=[ada.pk]), {"post": "yes"}).status_code == 403
    assert revoked() == set()


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("staff", [False, True])
def test_a_request_that_began_before_makes_no_key_after(acme: Workspace, ada: User, staff: bool) -> None:
    User.objects.filter(pk=ada.pk).update(is_staff=staff)
    ada.refresh_from_db()
    came_to: list[Any] = []

    def make() -> None:
        try:
            came_to.append(issue.create_key(acme, "admin", "late", ada.email, NOW, user=ada))
        except Unauthenticated as refused:
            came_to.append(refused.message)
        finally:
            connection.close()

    thread = threading.Thread(target=make)
    with transaction.atomic():
        switch_off(ada, TESTS, NOW)
        thread.start()
        thread.join(1)  # it waits for this transaction, or did not begin yet: both end alike
    thread.join()
    assert came_to == ["Your account is switched off."]
    assert not APIKey.objects.exists()
