"""Invitations: sent within bounds, accepted once, by the invited person, while their sender may invite."""

import json
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from allauth.account.models import EmailAddress
from django.core import mail
from django.core.management import call_command
from django.test import Client

from tests.kit.concurrent import at_once
from tests.kit.factories import NOW
from tests.kit.people import a_member, trail
from tests.kit.tenants import TESTS
from workspaces.errors import (
    AccountExists,
    AlreadyAMember,
    InvalidRole,
    InvitationForAnother,
    InvitationOver,
    NoSuchInvitation,
    TooManyInvitations,
)
from workspaces.keys import issue
from workspaces.keys.secrets import sha256
from workspaces.mails.plain_text import address_in_words, plain
from workspaces.members import members
from workspaces.members.invitations.answer import accept_invitation, decline, invitation_of, join
from workspaces.members.invitations.invite import invite, resend_invitation, withdraw_invitation
from workspaces.members.invitations.mail import deliver
from workspaces.models import AuditEntry, Invitation, Membership, User, Workspace

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
ADA = "ada@acme.example"
PASSWORD = "correct horse battery"


@pytest.fixture
def owner(acme: Workspace) -> User:
    return a_member(acme, "owner").user


def invited(
    workspace: Workspace, inviter: User | None, email: str = ADA, role: str = "viewer", now: Any = NOW, **more: Any
) -> tuple[Invitation, str]:
    invitation, secret = invite(workspace, email, role, inviter, TESTS, now, **more)
    assert secret is not None
    return invitation, secret


def states(**about: Any) -> list[str]:
    return list(Invitation.objects.filter(**about).order_by("id").values_list("state", flat=True))


def test_only_the_hash_of_the_link_is_kept_and_nobody_is_a_member_yet(acme: Workspace, owner: User) -> None:
    invitation, secret = invited(acme, owner, " Ada@Acme.Example ")
    assert (invitation.email, invitation.role, invitation.state) == (ADA, "viewer", "pending")
    assert (invitation.created_at, invitation.expires_at) == (NOW, NOW + 7 * DAY)
    assert bytes(Invitation.objects.get().sha256) == sha256(secret)
    assert invitation_of(secret) == invitation
    assert not User.objects.filter(email=ADA).exists()
    assert trail(invitation.public_id) == [(TESTS, "invitation.sent", {"email": ADA, "role": "viewer"})]
    assert secret not in str(AuditEntry.objects.values_list())
    with pytest.raises(NoSuchInvitation):
        invitation_of(secret[:-1])


def test_a_new_person_joins_with_an_account_whose_address_is_proved(acme: Workspace, owner: User) -> None:
    invitation, _ = invited(acme, owner, role="billing")
    user = join(invitation, PASSWORD, NOW + DAY)
    assert (user.email, user.check_password(PASSWORD), user.is_staff) == (ADA, True, False)
    assert EmailAddress.objects.get(user=user).verified
    assert Membership.objects.get(user=user).role == "billing"
    assert states() == ["accepted"]
    assert [entry[:2] for entry in trail(ADA)] == [(ADA, "user.created"), (ADA, "member.added")]
    assert trail(ADA)[1][2] == {"role": "billing", "invited_by": "owner@acme.example"}
    assert trail(invitation.public_id)[1:] == [(ADA, "invitation.accepted", {"email": ADA, "role": "billing"})]


def test_who_has_an_account_accepts_with_it_and_makes_no_second(acme: Workspace, rival: Workspace, owner: User) -> None:
    ada = a_member(rival, "viewer", ADA).user
    invitation, _ = invited(acme, owner, role="admin")
    with pytest.raises(AccountExists):
        join(invitation, "another long password", NOW)
    assert ada.check_password(PASSWORD)
    assert accept_invitation(invitation, ada, NOW).role == "admin"
    assert {each.workspace: each.role for each in ada.memberships.all()} == {acme: "admin", rival: "viewer"}


def test_another_person_cannot_accept(acme: Workspace, rival: Workspace, owner: User) -> None:
    eve = a_member(rival, "owner", "eve@rival.example").user
    invitation, _ = invited(acme, owner)
    with pytest.raises(InvitationForAnother, match=r"for ada@acme\.example"):
        accept_invitation(invitation, eve, NOW)
    assert not Membership.objects.filter(user=eve, workspace=acme).exists()
    assert states() == ["pending"]


def test_the_same_one_twice_is_refused_and_changes_nothing(acme: Workspace, owner: User) -> None:
    invitation, _ = invited(acme, owner)
    ada = join(invitation, PASSWORD, NOW)
    with pytest.raises(InvitationOver, match="accepted already"):
        accept_invitation(invitation, ada, NOW)
    with pytest.raises(InvitationOver, match="accepted already"):
        decline(invitation, NOW)
    assert len(trail(ADA)) == 2


def test_who_declines_is_whose_credential_the_request_carries(acme: Workspace, owner: User) -> None:
    """The link alone is no proof of the address that was invited."""
    for user, actor in ((None, "nobody"), (owner, owner.email)):
        _, secret = invited(acme, owner)
        client = Client()
        with time_machine.travel(NOW, tick=False):
            if user is not None:
                client.force_login(user)
            client.get(f"/invitations/{secret}")
            assert client.post("/invitations", {"answer": "decline"}).status_code == 200
        entry = AuditEntry.objects.get(action="invitation.declined", actor=actor)
        assert (entry.workspace, entry.detail["email"]) == (acme, ADA)


def test_a_customer_does_not_see_which_operator_invited(acme: Workspace, owner: User) -> None:
    invitation, _ = invite(acme, ADA, "viewer", owner, owner.email, NOW, by_operator=True)
    type(owner).objects.filter(pk=owner.pk).update(is_staff=True)
    join(Invitation.objects.get(pk=invitation.pk), PASSWORD, NOW)
    assert AuditEntry.objects.get(action="member.added", target=ADA).detail["invited_by"] == "Omixa staff"


def test_after_withdrawal_refusal_or_expiry_it_is_over(acme: Workspace, owner: User) -> None:
    ada = User.objects.create_user(ADA)
    first, _ = invited(acme, owner)
    assert withdraw_invitation(first, TESTS, NOW) is True
    assert withdraw_invitation(first, TESTS, NOW) is False
    with pytest.raises(InvitationOver, match="was withdrawn"):
        accept_invitation(first, ada, NOW)
    second, _ = invited(acme, owner, now=NOW + HOUR)
    decline(second, NOW + HOUR)
    with pytest.raises(InvitationOver, match="was declined"):
        accept_invitation(second, ada, NOW + HOUR)
    with pytest.raises(InvitationOver):
        withdraw_invitation(second, TESTS, NOW + HOUR)
    third, _ = invited(acme, owner, now=NOW + DAY)
    with pytest.raises(InvitationOver, match="has expired"):
        accept_invitation(third, ada, NOW + 8 * DAY)
    assert not Membership.objects.filter(user=ada).exists()
    assert states() == ["withdrawn", "declined", "pending"]
    accept_invitation(third, ada, NOW + 8 * DAY - MINUTE)
    assert Membership.objects.filter(user=ada).exists()


@pytest.mark.parametrize("loses", ["demoted", "removed", "switched off"])
def test_once_its_sender_may_no_longer_invite_it_is_over(acme: Workspace, owner: User, loses: str) -> None:
    other = a_member(acme, "owner", "other@acme.example")
    invitation, _ = invited(acme, other.user)
    kept, _ = invited(acme, owner, "bob@acme.example")
    if loses == "demoted":
        members.change_role(other, "admin", TESTS, NOW)
    elif loses == "removed":
        members.remove_member(other, TESTS, NOW)
    else:
        User.objects.filter(pk=other.user.pk).update(is_active=False)
    with pytest.raises(InvitationOver, match="withdrawn" if loses != "switched off" else "may no longer invite"):
        join(invitation, PASSWORD, NOW)
    assert states(email=ADA) == ["pending" if loses == "switched off" else "withdrawn"]
    assert join(kept, PASSWORD, NOW).memberships.count() == 1


def test_a_sender_made_less_than_owner_by_other_means_is_found_out_too(acme: Workspace, owner: User) -> None:
    invitation, _ = invited(acme, owner)
    Membership.objects.filter(user=owner).update(role="admin")
    with pytest.raises(InvitationOver, match="may no longer invite"):
        join(invitation, PASSWORD, NOW)


def test_an_operators_invitation_needs_an_operator(acme: Workspace, owner: User) -> None:
    operator = User.objects.create_user("ops@omixa.example", is_staff=True)
    invitation, _ = invited(acme, operator, role="owner", by_operator=True)
    User.objects.filter(pk=operator.pk).update(is_staff=False)
    with pytest.raises(InvitationOver, match="may no longer invite"):
        join(invitation, PASSWORD, NOW)
    User.objects.filter(pk=operator.pk).update(is_staff=True)
    assert join(invitation, PASSWORD, NOW).memberships.get().role == "owner"


def test_a_member_is_not_invited_again_and_a_role_had_meanwhile_stays(acme: Workspace, owner: User) -> None:
    with pytest.raises(AlreadyAMember):
        invite(acme, "owner@acme.example", "viewer", owner, TESTS, NOW)
    with pytest.raises(InvalidRole):
        invite(acme, ADA, "root", owner, TESTS, NOW)
    invitation, _ = invited(acme, owner, role="owner")
    ada = members.add_member(acme, ADA, "viewer", TESTS, NOW).user
    assert accept_invitation(invitation, ada, NOW).role == "viewer"
    assert [entry[1] for entry in trail(ADA)] == ["user.created", "member.added"]


# --- Sent again, and within bounds -------------------------------------------------------------------------------


def test_only_the_link_of_the_last_mail_works(acme: Workspace, owner: User) -> None:
    first, old = invited(acme, owner)
    second, new = resend_invitation(first, owner, TESTS, NOW + HOUR)
    assert new is not None
    assert (invitation_of(old).state, invitation_of(new)) == ("withdrawn", second)
    assert second.expires_at == NOW + HOUR + 7 * DAY
    assert states() == ["withdrawn", "pending"]
    with pytest.raises(InvitationOver):
        resend_invitation(invitation_of(old), owner, TESTS, NOW + HOUR)
    third, _ = invited(acme, owner, role="admin", now=NOW + HOUR)
    assert (third.role, states()) == ("admin", ["withdrawn", "withdrawn", "pending"])


def test_asked_twice_within_a_minute_is_asked_once_unless_the_mail_failed(acme: Workspace, owner: User, settings: Any) -> None:
    made, _ = invited(acme, owner)
    assert invite(acme, ADA, "viewer", owner, TESTS, NOW + MINUTE / 2) == (made, None)
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 1
    with pytest.raises(OSError, match="refused"):
        deliver(made, "a secret")
    again, secret = invite(acme, ADA, "viewer", owner, TESTS, NOW + MINUTE / 2)
    assert (again == made, secret is None) == (False, False)


def test_a_workspace_sends_only_so_many_an_hour(acme: Workspace, owner: User, rival: Workspace, settings: Any) -> None:
    settings.INVITATIONS_PER_HOUR = 3
    for number in range(3):
        invited(acme, owner, f"{number}@acme.example", now=NOW + number * MINUTE)
    with pytest.raises(TooManyInvitations, match="workspace has sent 3 invitations within an hour: try again in 56") as no:
        invite(acme, "4@acme.example", "viewer", owner, TESTS, NOW + 5 * MINUTE)
    assert (no.value.status, no.value.retry_after) == (429, 55 * 60 + 1)
    invited(rival, None, "4@acme.example", now=NOW + 5 * MINUTE)
    invited(acme, owner, "4@acme.example", now=NOW + HOUR)
    with pytest.raises(TooManyInvitations):
        invite(acme, "5@acme.example", "viewer", owner, TESTS, NOW + HOUR)


def test_an_address_gets_only_so_many_an_hour_from_whichever_workspace(
    acme: Workspace, rival: Workspace, owner: User, settings: Any
) -> None:
    settings.INVITATIONS_PER_ADDRESS = 2
    first, _ = invited(acme, owner)
    invited(rival, None)
    for attempt in (
        lambda: invite(acme, ADA, "admin", owner, TESTS, NOW),
        lambda: resend_invitation(first, owner, TESTS, NOW + HOUR / 2),
    ):
        with pytest.raises(TooManyInvitations, match="address was sent 2 invitations within an hour"):
            attempt()
    assert states(workspace=acme) == ["pending"]


# --- At once -----------------------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_racing_invitations_do_not_pass_the_bounds(acme: Workspace, rival: Workspace, settings: Any) -> None:
    settings.INVITATIONS_PER_HOUR, settings.INVITATIONS_PER_ADDRESS = 3, 2
    acts = [lambda number=number: invite(acme, f"{number}@acme.example", "viewer", None, TESTS, NOW) for number in range(6)]
    outcomes = at_once(*acts)
    assert sum(isinstance(each, TooManyInvitations) for each in outcomes) == 3
    workspaces = [issue.create_workspace(f"W{number}", "", TESTS, NOW) for number in range(6)]
    outcomes = at_once(*[lambda each=each: invite(each, ADA, "viewer", None, TESTS, NOW) for each in workspaces])
    assert sum(isinstance(each, TooManyInvitations) for each in outcomes) == 4
    assert Invitation.objects.filter(email=ADA).count() == 2


@pytest.mark.django_db(transaction=True)
def test_racing_accepts_make_one_person_and_one_member(acme: Workspace) -> None:
    invitation, _ = invited(acme, None)
    outcomes = at_once(*[lambda: join(invitation, PASSWORD, NOW)] * 6)
    refused = [each for each in outcomes if isinstance(each, InvitationOver | AccountExists)]
    assert (len(refused), User.objects.count(), Membership.objects.count()) == (5, 1, 1)
    assert AuditEntry.objects.filter(action="member.added").count() == 1


@pytest.mark.django_db(transaction=True)
def test_two_invitations_of_one_new_address_accepted_at_once_make_one_person(acme: Workspace, rival: Workspace) -> None:
    ours, theirs = invited(acme, None)[0], invited(rival, None)[0]
    outcomes = at_once(lambda: join(ours, PASSWORD, NOW), lambda: join(theirs, PASSWORD, NOW))
    assert sorted(type(each).__name__ for each in outcomes) == ["AccountExists", "User"]
    assert User.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_accept_and_withdrawal_at_once_have_one_outcome(acme: Workspace) -> None:
    invitation, _ = invited(acme, None)
    accepted, withdrawn = at_once(lambda: join(invitation, PASSWORD, NOW), lambda: withdraw_invitation(invitation, TESTS, NOW))
    member = Membership.objects.exists()
    assert states() == ["accepted" if member else "withdrawn"]
    assert isinstance(accepted, User) == member
    assert isinstance(withdrawn, InvitationOver) == member


# --- The mail ----------------------------------------------------------------------------------------------------


def test_the_mail_reads_alike_with_and_without_an_account(acme: Workspace, owner: User) -> None:
    User.objects.create_user("known@acme.example", PASSWORD)
    for email in ("known@acme.example", "newer@acme.example"):
        deliver(*invited(acme, owner, email))
    known, newer = ([letter.subject, letter.body, letter.alternatives[0][0]] for letter in mail.outbox)
    assert known[0] == newer[0] == "You are invited to a workspace on Omixa billing"
    assert [without_link(text) for text in known] == [without_link(text) for text in newer]


def without_link(text: str) -> str:
    return " ".join(word.split("/invitations/")[0] for word in text.split())


@pytest.mark.parametrize(
    ("name", "quoted"),
    [
        ("Acme, Inc.", "Acme Inc"),
        ("Pay at https://evil.example/x now", "Pay at https evil example x now"),
        ("www。evil\uff0eexample <a href='x'>", "www evil example a href 'x'"),
        ("Omixa Security\u202e\u200b support@evil.example", "Omixa Security support evil example"),
        ("Call +1 900 555 12 34", "Call"),
        ("Zoë & Søn 株式会社", "Zoë & Søn 株式会社"),
        ("x" * 200, "x" * 59 + "…"),
        ("...", ""),
    ],
)
def test_words_of_customers_become_no_link(name: str, quoted: str) -> None:
    assert plain(name) == quoted


def test_an_address_is_written_out(db: None) -> None:
    assert address_in_words("ada.l@acme.co.example") == "ada l (at) acme (dot) co (dot) example"


def test_the_mail_quotes_what_customers_wrote_and_says_whose_words_they_are(acme: Workspace, owner: User) -> None:
    Workspace.objects.filter(pk=acme.pk).update(name="Omixa: your card failed, see http://evil.example <b>now</b>")
    invitation, secret = invited(Workspace.objects.get(pk=acme.pk), owner)
    deliver(invitation, secret)
    [letter] = mail.outbox
    page = letter.alternatives[0][0]
    for text in (letter.body, page):
        assert "What its owner calls it: “Omixa your card failed see http evil example b now b”" in text
        assert "Invited by: owner (at) acme (dot) example" in text
        assert "evil.example" not in text
    assert "evil" not in letter.subject
    assert f"http://127.0.0.1:8000/invitations/{secret}" in letter.body


def test_the_command_prints_a_link_each_time(acme: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    printed = []
    for _ in range(2):
        call_command("invite", acme.public_id, ADA)
        printed.append(json.loads(capsys.readouterr().out))
    assert [each["url"].rsplit("/", 1)[0] for each in printed] == ["http://127.0.0.1:8000/invitations"] * 2
    assert printed[0]["url"] != printed[1]["url"]
    assert (printed[1]["email"], printed[1]["role"], mail.outbox) == (ADA, "owner", [])
    assert invitation_of(printed[1]["url"].rsplit("/", 1)[1]).state == "pending"
