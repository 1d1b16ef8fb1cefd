"""Members who leave, or whose role manages keys no more: what becomes of the keys that they know."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from django.db import connection, transaction
from django.test import Client

from tests.kit.factories import NOW
from tests.kit.people import a_member, signed_in, trail
from tests.kit.tenants import TESTS, with_key
from workspaces.errors import NotAllowed, Unauthenticated
from workspaces.keys import issue
from workspaces.keys.credentials import NO_GRACE
from workspaces.keys.issue import create_key, revoke_key, rotate_key
from workspaces.keys.makers import KeyChoice, keys_of_person
from workspaces.members import members
from workspaces.members.invitations.invite import invite
from workspaces.models import APIKey, Invitation, Membership, User, Workspace


@pytest.fixture
def owner(acme: Workspace) -> Membership:
    return a_member(acme, "owner")


@pytest.fixture
def leaving(acme: Workspace) -> Membership:
    return a_member(acme, "admin")


def key_of(workspace: Workspace, user: User | None, kind: str = "live", name: str = "Server", **more: Any) -> APIKey:
    return create_key(workspace, kind, name, user.email if user else TESTS, NOW, user=user, **more)[0]


def revoked() -> set[str]:
    return set(APIKey.objects.filter(revoked_at__isnull=False).values_list("name", flat=True))


def test_removal_revokes_the_admin_keys_that_the_person_made_and_no_other(
    acme: Workspace, owner: Membership, leaving: Membership
) -> None:
    admin = key_of(acme, leaving.user, "admin", "their admin")
    live = key_of(acme, leaving.user, "live", "their live")
    key_of(acme, owner.user, "admin", "owner's admin")
    assert members.remove_member(leaving, "owner@acme.example", NOW)
    assert revoked() == {"their admin"}
    assert [entry[:2] for entry in trail(admin.public_id)[1:]] == [("owner@acme.example", "key.revoked")]
    detail = {"role": "admin", "keys_revoked": [admin.public_id], "keys_kept": [live.public_id]}
    assert trail("admin@acme.example")[-1] == ("owner@acme.example", "member.removed", detail)


def test_what_is_told_otherwise_is_done_otherwise(acme: Workspace, owner: Membership, leaving: Membership) -> None:
    kept = key_of(acme, leaving.user, "admin", "kept admin")
    live = key_of(acme, leaving.user, "live", "revoked live")
    key_of(acme, leaving.user, "admin", "made after the page was opened")
    others = key_of(acme, owner.user, "live", "owner's live")
    choice = KeyChoice(revoke={live.public_id, others.public_id}, keep={kept.public_id})
    members.remove_member(leaving, TESTS, NOW, choice)
    assert revoked() == {"revoked live", "made after the page was opened"}


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ("owner", "viewer", {"their admin"}),
        ("owner", "admin", set()),
        ("admin", "billing", {"their admin"}),
        ("admin", "viewer", {"their admin"}),
        ("admin", "owner", set()),
    ],
)
def test_demotion_revokes_when_the_new_role_manages_no_keys(
    acme: Workspace, owner: Membership, before: str, after: str, expected: set[str]
) -> None:
    person = a_member(acme, before, "ada@acme.example")
    key_of(acme, person.user, "admin", "their admin")
    key_of(acme, person.user, "live", "their live")
    members.change_role(person, after, TESTS, NOW)
    assert revoked() == expected
    detail = trail("ada@acme.example")[-1][2]
    assert ("keys_revoked" in detail) == bool(expected)


def test_keys_made_and_rotated_by_their_admin_key_are_theirs_too(
    acme: Workspace, owner: Membership, leaving: Membership
) -> None:
    first = key_of(acme, leaving.user, "admin", "first")
    second = key_of(acme, None, "admin", "second", maker=first)
    third = key_of(acme, None, "admin", "third", maker=second)
    shared = key_of(acme, owner.user, "admin", "made by the owner, rotated by the third")
    rotate_key(shared, NO_GRACE, third.public_id, NOW, maker=third)
    assert {key.name for key in keys_of_person(acme, leaving.user, NOW)} == {"first", "second", "third", shared.name}
    members.remove_member(leaving, TESTS, NOW)
    assert revoked() == {"first", "second", "third", shared.name}


def test_a_key_whose_secret_they_were_shown_is_theirs_until_that_secret_stops(
    acme: Workspace, owner: Membership, leaving: Membership
) -> None:
    shared = key_of(acme, owner.user, "admin", "shared")
    rotate_key(shared, NO_GRACE, "admin@acme.example", NOW, user=leaving.user)
    assert keys_of_person(acme, leaving.user, NOW) == [shared]
    rotate_key(shared, NO_GRACE, "owner@acme.example", NOW, user=owner.user)
    assert keys_of_person(acme, leaving.user, NOW) == []


def test_keys_of_their_other_workspaces_stay(acme: Workspace, rival: Workspace, owner: Membership, leaving: Membership) -> None:
    members.add_member(rival, "admin@acme.example", "admin", TESTS, NOW)
    key_of(rival, leaving.user, "admin", "elsewhere")
    members.remove_member(leaving, TESTS, NOW)
    assert revoked() == set()


def test_a_session_of_who_was_removed_sees_and_does_nothing_at_once(
    acme: Workspace, owner: Membership, leaving: Membership
) -> None:
    key, secret = create_key(acme, "admin", "theirs", "admin@acme.example", NOW, user=leaving.user)
    browser = signed_in(leaving.user)
    assert browser.get("/api/v1/keys").status_code == 200
    assert with_key(secret).get("/api/v1/keys").status_code == 200
    members.remove_member(leaving, TESTS, NOW)
    for path in ("/api/v1/keys", f"/api/v1/keys/{key.public_id}", "/api/v1/usage/events"):
        assert browser.get(path).status_code == 403
        assert browser.get(path, headers={"omixa-workspace": acme.public_id}).status_code == 403
        assert with_key(secret).get(path).status_code == 401
    assert "not in a workspace yet" in browser.get("/keys").content.decode()


# --- Requests that began before -----------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["create", "rotate"])
def test_a_request_that_began_before_makes_no_key_after(
    acme: Workspace, owner: Membership, leaving: Membership, how: str
) -> None:
    theirs, others = key_of(acme, leaving.user, "admin", "theirs"), key_of(acme, owner.user)
    members.remove_member(leaving, TESTS, NOW)
    count = APIKey.objects.count()

    def ask(**who: Any) -> None:
        if how == "create":
            create_key(acme, "admin", "too late", TESTS, NOW, **who)
        else:
            rotate_key(others, NO_GRACE, TESTS, NOW, **who)

    with pytest.raises(NotAllowed):
        ask(user=leaving.user)
    with pytest.raises(Unauthenticated):
        ask(maker=theirs)
    assert (APIKey.objects.count(), others.credentials.count()) == (count, 1)


@pytest.mark.django_db(transaction=True)
def test_a_key_asked_for_during_the_removal_waits_for_it_and_is_refused(acme: Workspace) -> None:
    a_member(acme, "owner")
    leaving = a_member(acme, "admin")
    asked = threading.Event()
    outcome: list[Any] = []

    def ask() -> None:
        try:
            asked.set()
            outcome.append(create_key(acme, "admin", "too late", TESTS, NOW, user=leaving.user))
        except Exception as error:
            outcome.append(error)
        finally:
            connection.close()

    thread = threading.Thread(target=ask)
    with transaction.atomic():
        members.remove_member(leaving, TESTS, NOW)
        thread.start()
        asked.wait(10)
        wait_until(somebody_waits)
    thread.join(30)
    assert [type(each) for each in outcome] == [NotAllowed]
    assert not APIKey.objects.exists()


@dataclass(frozen=True)
class Forms:
    """What an owner may do on the website and over the API, with a workspace to do it to."""

    friend: Membership
    invitation: Invitation
    key: APIKey

    def send(self, browser: Client, act: str) -> Any:
        key, json = self.key.public_id, "application/json"
        return {
            "promote": lambda: browser.post(f"/settings/members/{self.friend.pk}/role", {"role": "owner"}),
            "remove": lambda: browser.post(f"/settings/members/{self.friend.pk}/remove", {"shown": ""}),
            "invite": lambda: browser.post("/settings/members", {"email": "new@acme.example", "role": "owner"}),
            "withdraw": lambda: browser.post(f"/settings/invitations/{self.invitation.public_id}/withdraw"),
            "settings": lambda: browser.post("/settings", {"name": "Other", "email": ""}),
            "rename": lambda: browser.post(f"/keys/{key}", {"name": "other", "expires": "unchanged"}),
            "revoke": lambda: browser.post(f"/keys/{key}/revoke"),
            "rename by API": lambda: browser.patch(f"/api/v1/keys/{key}", {"name": "other"}, content_type=json),
            "revoke by API": lambda: browser.post(f"/api/v1/keys/{key}/revoke", {}, content_type=json),
        }[act]()

    def state(self) -> list[Any]:
        """Everything that these forms change, of all but the person who leaves."""
        return [
            list(Membership.objects.exclude(user__email=LEAVING).order_by("pk").values_list("pk", "role")),
            list(Invitation.objects.order_by("pk").values_list("pk", "state")),
            list(Workspace.objects.order_by("pk").values_list("pk", "name", "email")),
            list(APIKey.objects.order_by("pk").values_list("pk", "name", "revoked_at")),
        ]


LEAVING = "leaving@acme.example"
FORMS = ["promote", "remove", "invite", "withdraw", "settings", "rename", "revoke", "rename by API", "revoke by API"]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("act", FORMS)
def test_a_form_that_waits_for_the_removal_of_its_sender_does_nothing(acme: Workspace, act: str) -> None:
    owner, leaving = a_member(acme, "owner").user, a_member(acme, "owner", LEAVING)
    invitation, _ = invite(acme, "guest@acme.example", "viewer", owner, owner.email, NOW)
    forms = Forms(a_member(acme, "viewer"), invitation, key_of(acme, owner))
    browser, before, outcome = Client(), forms.state(), []
    browser.force_login(leaving.user)

    def ask() -> None:
        try:
            outcome.append(forms.send(browser, act).status_code)
        finally:
            connection.close()

    thread = threading.Thread(target=ask)
    with transaction.atomic():
        members.remove_member(leaving, owner.email, NOW)
        thread.start()
        wait_until(somebody_waits)
    thread.join(30)
    assert outcome == [403 if "API" in act else 302]
    assert forms.state() == before


@pytest.mark.parametrize("act", FORMS)
def test_the_same_forms_act_while_their_sender_is_an_owner(acme: Workspace, act: str) -> None:
    owner, other = a_member(acme, "owner").user, a_member(acme, "owner", LEAVING)
    invitation, _ = invite(acme, "guest@acme.example", "viewer", owner, owner.email, NOW)
    forms = Forms(a_member(acme, "viewer"), invitation, key_of(acme, owner))
    browser, before = Client(), forms.state()
    browser.force_login(other.user)
    assert forms.send(browser, act).status_code == (200 if "API" in act else 302)
    assert forms.state() != before


def somebody_waits() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_stat_clear_snapshot()")  # or a transaction sees for ever what it saw first
        cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()")
        return bool(cursor.fetchone()[0])


def wait_until(true: Callable[[], bool]) -> None:
    for _ in range(2000):
        if true():
            return
        threading.Event().wait(0.01)
    raise AssertionError("it never became so")


def test_operators_make_keys_without_being_members(acme: Workspace) -> None:
    operator = User.objects.create_user("ops@omixa.example", is_staff=True)
    key, _ = issue.create_key(acme, "admin", "theirs", "ops@omixa.example", NOW, user=operator)
    assert key.created_by == operator
    revoke_key(key, TESTS, NOW)
