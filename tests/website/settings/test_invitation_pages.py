"""Invitations through the pages: sent, listed, sent again and withdrawn by owners, answered by the invited."""

import re
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.core import mail
from django.test import Client

from tests.kit.factories import NOW
from tests.kit.pages import text_of, words_of
from tests.kit.people import Browser, browser_of, person
from tests.website.conftest import Tenant
from workspaces.models import Invitation, Membership, User

NEW = "new@acme.example"
PASSWORD = "a very long secret"
SENT = "We sent an invitation to {}. They are a member once they accept it."


def invite(owner: Client, email: str = NEW, role: str = "viewer") -> str:
    """The path of the link in the mail."""
    answer = owner.post("/settings/members", {"email": email, "role": role}, follow=True)
    assert SENT.format(email) in text_of(answer)
    [path] = set(re.findall(r"http://127\.0\.0\.1:8000(/invitations/[\w-]+)", mail.outbox[-1].body))
    return str(path)


def opened(client: Client, path: str) -> Any:
    answer = client.get(path, follow=True)
    assert answer.redirect_chain == [("/invitations", 302)]
    return answer


def answer_with(client: Client, answer: str, **more: str) -> Any:
    return client.post("/invitations", {"answer": answer, **more}, follow=True)


def test_a_new_person_accepts_with_a_password_and_is_in(acme: Tenant, owner: Client, client: Client) -> None:
    path = invite(owner, role="billing")
    assert not User.objects.filter(email=NEW).exists()
    page = words_of(opened(client, path))
    assert "owner@acme.example invited new@acme.example to this workspace, as Billing." in page
    assert "Choose a password" in page
    inside = answer_with(client, "join", new_password1=PASSWORD, new_password2=PASSWORD)
    assert "Welcome. You are a member of Acme now." in text_of(inside)
    assert inside.wsgi_request.user == User.objects.get(email=NEW)
    assert client.get("/usage").status_code == 200  # signed out it would lead to the sign-in
    assert Membership.objects.get(user__email=NEW).role == "billing"
    assert User.objects.get(email=NEW).check_password(PASSWORD)
    again = Client()
    assert "This invitation was accepted already." in text_of(opened(again, path))


@pytest.mark.parametrize(
    ("first", "second"), [("short", "short"), ("new@acme.example", "new@acme.example"), (PASSWORD, "another secret")]
)
def test_a_poor_password_makes_no_account(acme: Tenant, owner: Client, client: Client, first: str, second: str) -> None:
    opened(client, invite(owner))
    page = answer_with(client, "join", new_password1=first, new_password2=second)
    assert "field__error" in text_of(page)
    assert not User.objects.filter(email=NEW).exists()


def test_a_person_with_an_account_signs_in_first(acme: Tenant, owner: Client, client: Client) -> None:
    known = User.objects.create_user(NEW, PASSWORD)
    path = invite(owner)
    page = text_of(opened(client, path))
    assert 'href="/accounts/login/?next=/invitations"' in page
    assert "Choose a password" not in page
    answer_with(client, "join", new_password1="taken over, long", new_password2="taken over, long")
    known.refresh_from_db()
    assert known.check_password(PASSWORD)
    signed = client.post("/accounts/login/?next=/invitations", {"login": NEW, "password": PASSWORD}, follow=True)
    assert "Accept" in text_of(signed)
    assert "You are a member of Acme now." in text_of(answer_with(client, "accept"))
    assert known.memberships.get().workspace == acme.workspace


def test_another_person_who_is_signed_in_cannot_accept(acme: Tenant, rival: Tenant, owner: Client) -> None:
    eve = browser_of(person(rival.workspace, "owner", "eve@rival.example"))
    page = opened(eve, invite(owner))
    assert page.status_code == 403
    assert "This invitation is for new@acme.example, and you are signed in as eve@rival.example." in words_of(page)
    assert answer_with(eve, "accept").status_code == 403
    assert not Membership.objects.filter(user__email="eve@rival.example", workspace=acme.workspace).exists()


def test_accepting_twice_leads_in_both_times(acme: Tenant, owner: Client) -> None:
    known = browser_of(User.objects.create_user(NEW))
    path = invite(owner)
    opened(known, path)
    answer_with(known, "accept")
    again = known.get(path, follow=True)
    assert again.redirect_chain == [("/invitations", 302), ("/", 302)]


def test_it_can_be_declined(acme: Tenant, owner: Client, client: Client) -> None:
    path = invite(owner)
    opened(client, path)
    assert "You declined the invitation" in text_of(answer_with(client, "decline"))
    assert Invitation.objects.get().state == "declined"
    assert "This invitation was declined." in text_of(opened(client, path))
    assert NEW not in text_of(owner.get("/settings/members"))


def test_the_link_is_in_no_address_after_the_first(acme: Tenant, owner: Client, client: Client) -> None:
    path = invite(owner)
    answer = client.get(path)
    secret = path.rsplit("/", 1)[1]
    assert (answer.status_code, answer["Location"]) == (302, "/invitations")
    assert "no-store" in answer["Cache-Control"]
    assert secret not in str(dict(client.session))
    assert secret not in text_of(client.get("/invitations"))


@pytest.mark.parametrize("path", ["/invitations", "/invitations/none", "/invitations/%00", "/invitations/" + "x" * 3000])
def test_a_link_that_is_none_is_a_404(acme: Tenant, client: Client, path: str) -> None:
    assert client.get(path, follow=True).status_code == 404


def test_an_expired_one_says_so(acme: Tenant, owner: Client, client: Client) -> None:
    path = invite(owner)
    with time_machine.travel(NOW + timedelta(days=7), tick=False):
        page = opened(client, path)
        assert (page.status_code, "This invitation has expired" in text_of(page)) == (409, True)
        assert answer_with(client, "join", new_password1=PASSWORD, new_password2=PASSWORD).status_code == 409
    assert not User.objects.filter(email=NEW).exists()


# --- The inviter's side ------------------------------------------------------------------------------------------


def test_the_answer_reads_alike_with_and_without_an_account(acme: Tenant, owner: Client) -> None:
    User.objects.create_user("known@acme.example", PASSWORD)
    pages = []
    for email in ("known@acme.example", "other@acme.example"):
        answer = owner.post("/settings/members", {"email": email, "role": "viewer"})
        messages = text_of(owner.get("/settings"))
        pages.append((answer.status_code, answer["Location"], re.findall(r"We sent[^<]+", messages)))
    assert pages[0] == (302, "/settings/members", [SENT.format("known@acme.example")])
    assert pages[1] == (302, "/settings/members", [SENT.format("other@acme.example")])


def test_pending_ones_are_listed_sent_again_and_withdrawn(acme: Tenant, owner: Client, client: Client) -> None:
    first = invite(owner, role="admin")
    listed = words_of(owner.get("/settings/members"))
    assert "Invited They are members once they accept." in listed
    assert "new@acme.example by owner@acme.example Admin" in listed
    invitation = Invitation.objects.get()
    with time_machine.travel(NOW + timedelta(hours=1), tick=False):
        sent = owner.post(f"/settings/invitations/{invitation.public_id}/send", follow=True)
        assert SENT.format(NEW) in text_of(sent)
        assert len(mail.outbox) == 2
        newest = Invitation.objects.get(state="pending")
        gone = owner.post(f"/settings/invitations/{newest.public_id}/withdraw", follow=True)
        assert "The invitation of new@acme.example is withdrawn." in text_of(gone)
    assert Invitation.objects.filter(state="pending").count() == 0
    assert "This invitation was withdrawn" in text_of(opened(client, first))


def test_too_many_are_refused_with_a_reason(acme: Tenant, owner: Client, settings: Any) -> None:
    settings.INVITATIONS_PER_HOUR = 1
    invite(owner)
    answer = owner.post("/settings/members", {"email": "second@acme.example", "role": "viewer"}, follow=True)
    assert "This workspace has sent 1 invitations within an hour: try again in 61 minutes." in text_of(answer)
    assert len(mail.outbox) == 1


@pytest.mark.parametrize("role", ["admin", "billing", "viewer"])
def test_only_owners_invite(acme: Tenant, as_role: Browser, owner: Client, role: str) -> None:
    invite(owner)
    invitation = Invitation.objects.get()
    client = as_role(role)
    assert "Invite a person" not in text_of(client.get("/settings/members"))
    assert NEW not in text_of(client.get("/settings/members"))
    client.post("/settings/members", {"email": "friend@example.com", "role": "owner"})
    for act in ("send", "withdraw"):
        assert client.post(f"/settings/invitations/{invitation.public_id}/{act}").status_code == 403
    assert [each.state for each in Invitation.objects.all()] == ["pending"]


def test_a_strangers_invitation_is_a_404(acme: Tenant, rival: Tenant, owner: Client) -> None:
    invite(owner)
    invitation = Invitation.objects.get()
    stranger = browser_of(person(rival.workspace, "owner", "eve@rival.example"))
    for act in ("send", "withdraw"):
        assert stranger.post(f"/settings/invitations/{invitation.public_id}/{act}").status_code == 404
        assert owner.get(f"/settings/invitations/{invitation.public_id}/{act}").status_code == 405
    assert Invitation.objects.get().state == "pending"
