from datetime import timedelta

import pytest

from tests.kit.concurrent import at_once
from tests.kit.factories import NOW
from tests.kit.people import a_member, trail
from tests.kit.tenants import TESTS
from workspaces.errors import AlreadyAMember, InvalidEmail, InvalidRole, LastOwner, NotAMember
from workspaces.keys import issue
from workspaces.members import members
from workspaces.models import AuditEntry, Membership, User, Workspace

OWNER = "owner@acme.example"


def test_a_new_member_gets_an_account_that_no_password_opens(acme: Workspace) -> None:
    membership = members.add_member(acme, " Ada@Acme.Example ", "billing", OWNER, NOW)
    user = User.objects.get()
    assert (user.email, user.is_staff, user.is_active) == ("ada@acme.example", False, True)
    assert not user.has_usable_password()
    assert (membership.workspace, membership.user, membership.role) == (acme, user, "billing")
    assert [entry[1] for entry in trail("ada@acme.example")] == ["user.created", "member.added"]
    assert trail("ada@acme.example")[1] == (OWNER, "member.added", {"role": "billing"})


def test_somebody_with_an_account_keeps_it(acme: Workspace, rival: Workspace) -> None:
    user = a_member(rival, "owner", "ada@acme.example").user
    password = user.password
    membership = members.add_member(acme, "ada@acme.example", "viewer", OWNER, NOW)
    user.refresh_from_db()
    assert membership.user == user
    assert user.password == password
    assert {each.workspace: each.role for each in user.memberships.all()} == {rival: "owner", acme: "viewer"}


def test_adding_twice_changes_nothing_and_as_something_else_is_refused(acme: Workspace) -> None:
    first = members.add_member(acme, OWNER, "owner", TESTS, NOW)
    assert members.add_member(acme, OWNER, "owner", TESTS, NOW + timedelta(days=1)) == first
    with pytest.raises(AlreadyAMember):
        members.add_member(acme, OWNER, "viewer", TESTS, NOW)
    assert Membership.objects.get().role == "owner"
    assert [entry[1] for entry in trail(OWNER)] == ["user.created", "member.added"]


def test_an_unknown_role_or_a_broken_address_is_refused(acme: Workspace) -> None:
    with pytest.raises(InvalidRole):
        members.add_member(acme, "ada@acme.example", "root", OWNER, NOW)
    with pytest.raises(InvalidEmail):
        members.add_member(acme, "ada", "viewer", OWNER, NOW)
    assert not User.objects.exists()


def test_a_role_is_changed_on_record(acme: Workspace) -> None:
    membership = a_member(acme, "viewer")
    members.change_role(membership, "admin", OWNER, NOW)
    members.change_role(membership, "admin", OWNER, NOW)
    membership.refresh_from_db()
    assert membership.role == "admin"
    assert trail("viewer@acme.example")[3:] == [(OWNER, "member.role_changed", {"before": "viewer", "after": "admin"})]


def test_the_last_owner_stays_an_owner(acme: Workspace, rival: Workspace) -> None:
    owner = a_member(acme, "owner")
    a_member(acme, "admin")
    a_member(rival, "owner", "boss@rival.example")
    with pytest.raises(LastOwner):
        members.change_role(owner, "admin", OWNER, NOW)
    with pytest.raises(LastOwner):
        members.remove_member(owner, OWNER, NOW)
    owner.refresh_from_db()
    assert owner.role == "owner"
    second = a_member(acme, "owner", "second@acme.example")
    members.change_role(owner, "viewer", OWNER, NOW)
    with pytest.raises(LastOwner):
        members.remove_member(second, OWNER, NOW)


def test_whoever_is_removed_keeps_the_account_and_the_other_workspaces(acme: Workspace, rival: Workspace) -> None:
    a_member(acme, "owner")
    membership = a_member(acme, "viewer", "ada@acme.example")
    a_member(rival, "owner", "ada@acme.example")
    assert members.remove_member(membership, OWNER, NOW) is True
    assert members.remove_member(membership, OWNER, NOW) is False
    assert [each.workspace for each in Membership.objects.filter(user__email="ada@acme.example")] == [rival]
    removed = [entry for entry in trail("ada@acme.example") if entry[1] == "member.removed"]
    assert removed == [(OWNER, "member.removed", {"role": "viewer", "keys_revoked": [], "keys_kept": []})]


def test_the_role_of_somebody_who_left_is_not_changed(acme: Workspace) -> None:
    a_member(acme, "owner")
    membership = a_member(acme, "viewer")
    stale = Membership.objects.get(pk=membership.pk)
    members.remove_member(membership, OWNER, NOW)
    with pytest.raises(NotAMember):
        members.change_role(stale, "owner", OWNER, NOW)


@pytest.mark.django_db(transaction=True)
def test_two_owners_who_leave_at_once_do_not_both_leave() -> None:
    acme = issue.create_workspace("Acme", "", TESTS, NOW)
    pair = [a_member(acme, "owner", f"{name}@acme.example") for name in ("ada", "bob")]
    left = at_once(*[lambda each=each: members.remove_member(each, OWNER, NOW) for each in pair])
    assert sorted(type(result).__name__ for result in left) == ["LastOwner", "bool"]
    assert Membership.objects.get().role == "owner"


@pytest.mark.django_db(transaction=True)
def test_one_person_added_many_times_at_once_is_one_member() -> None:
    acme = issue.create_workspace("Acme", "", TESTS, NOW)
    added = at_once(*[lambda: members.add_member(acme, "ada@acme.example", "viewer", OWNER, NOW)] * 6)
    assert len({membership.pk for membership in added}) == 1
    assert User.objects.count() == 1
    assert AuditEntry.objects.filter(action="member.added").count() == 1
