"""How long a session lasts, and what ends it on every device."""

from datetime import timedelta
from typing import Any

import pytest
import time_machine
from allauth.mfa.models import Authenticator
from allauth.usersessions.models import UserSession
from django.core import mail
from django.test import Client
from django.urls import reverse

from tests.kit.factories import NOW
from tests.workspaces.signin.conftest import (
    PASSWORD,
    commits,
    is_signed_in,
    set_up_app,
    set_up_app_on_the_page,
    sign_in,
    sign_in_and_confirm,
)
from workspaces.models import User

NEW = "another long password"
SESSIONS = "/accounts/sessions/"


def test_a_session_ends_twelve_hours_after_its_sign_in_however_much_it_is_used(operator: User) -> None:
    client = sign_in(operator, remember="on")
    for hours in (6, 11.99):
        with time_machine.travel(NOW + timedelta(hours=hours), tick=False):
            session = client.session
            session["used"] = hours
            session.save()
            assert client.get("/admin/").status_code == 200
    with time_machine.travel(NOW + timedelta(hours=12), tick=False):
        assert client.get("/admin/")["Location"] == "/admin/login/?next=/admin/"
        assert not is_signed_in(client)


def test_the_cookie_ends_with_the_session(customer: User) -> None:
    client = sign_in(customer, remember="on")
    assert client.cookies["sessionid"]["max-age"] == 43200
    with time_machine.travel(NOW + timedelta(hours=5), tick=False):
        client.post("/accounts/password/change/", {"oldpassword": PASSWORD, "password1": NEW, "password2": NEW})
        assert client.cookies["sessionid"]["max-age"] == 7 * 3600


def test_the_hours_are_a_setting(customer: User, settings: Any) -> None:
    settings.SESSION_HOURS = 2
    client = sign_in(customer)
    with time_machine.travel(NOW + timedelta(hours=1, minutes=59), tick=False):
        assert is_signed_in(client)
    with time_machine.travel(NOW + timedelta(hours=2), tick=False):
        assert not is_signed_in(client)


def test_the_key_of_a_session_changes_at_the_sign_in(customer: User) -> None:
    client = Client()
    session = client.session
    session["before"] = "yes"
    session.save()
    client.cookies["sessionid"] = before = str(session.session_key)
    sign_in(customer, client)
    assert client.cookies["sessionid"].value != before
    thief = Client()
    thief.cookies["sessionid"] = before
    assert (is_signed_in(client), is_signed_in(thief)) == (True, False)


def test_a_changed_password_ends_all_other_sessions(customer: User) -> None:
    here, there = sign_in(customer), sign_in(customer)
    here.post("/accounts/password/change/", {"oldpassword": PASSWORD, "password1": NEW, "password2": NEW})
    assert (is_signed_in(here), is_signed_in(there)) == (True, False)


@commits
def test_a_factor_that_is_added_or_removed_ends_all_other_sessions(customer: User) -> None:
    here, there = sign_in(customer), sign_in(customer)
    set_up_app_on_the_page(here)
    assert (is_signed_in(here), is_signed_in(there)) == (True, False)
    there = Client()
    there.force_login(customer)
    there.force_login(User.objects.get(pk=customer.pk))
    assert is_signed_in(there)
    here.post("/accounts/2fa/totp/deactivate/")
    assert not Authenticator.objects.exists()
    assert (is_signed_in(here), is_signed_in(there)) == (True, False)


@commits
@pytest.mark.parametrize("where", ["on its page", "in the list"])
def test_a_factor_that_an_operator_removes_ends_the_persons_sessions_and_codes(
    operator: User, customer: User, where: str
) -> None:
    set_up_app_on_the_page(theirs := sign_in(customer))
    mail.outbox.clear()
    app = Authenticator.objects.get(user=customer, type="totp")
    page, sent = reverse("admin:mfa_authenticator_delete", args=[app.pk]), {"post": "yes"}
    if where == "in the list":
        page = reverse("admin:mfa_authenticator_changelist")
        sent |= {"action": "delete_selected", "_selected_action": str(app.pk)}
    assert sign_in_and_confirm(operator).post(page, sent).status_code == 302
    assert not is_signed_in(theirs)
    assert not Authenticator.objects.exists()
    [letter] = mail.outbox
    assert (letter.to, letter.subject) == (["ada@acme.example"], "The authenticator app was removed at Omixa billing")
    assert "An operator of Omixa billing did this on 15 Oct 2026, 12:00 UTC." in letter.body


def test_sessions_of_a_person_who_is_switched_off_do_not_come_back(operator: User, customer: User) -> None:
    theirs, console = sign_in(customer), sign_in_and_confirm(operator)
    off, on = (reverse(f"admin:workspaces_user_switch_{way}", args=[customer.pk]) for way in ("off", "on"))
    assert console.post(off, {"form_token": console.get(off).context["form_token"]}).status_code == 302
    assert not is_signed_in(theirs)
    assert console.post(on, {"form_token": console.get(on).context["form_token"]}).status_code == 302
    assert User.objects.get(pk=customer.pk).is_active
    assert not is_signed_in(theirs)
    assert is_signed_in(sign_in(customer))


def test_an_operator_signs_a_person_out_everywhere(operator: User, customer: User) -> None:
    theirs, console = [sign_in(customer), sign_in(customer)], sign_in_and_confirm(operator)
    page = reverse("admin:workspaces_user_sign_out_everywhere", args=[customer.pk])
    asked = console.get(page)
    assert [is_signed_in(each) for each in theirs] == [True, True]
    assert console.post(page, {"form_token": asked.context["form_token"]}).status_code == 302
    assert [is_signed_in(each) for each in theirs] == [False, False]
    assert is_signed_in(console)
    assert [letter.subject for letter in mail.outbox] == ["Your sessions were signed out at Omixa billing"]


def test_a_person_sees_their_sessions_and_ends_the_others(customer: User, operator: User) -> None:
    here = sign_in(customer, Client(headers={"user-agent": "Firefox on a desk"}))
    there = sign_in(customer, Client(headers={"user-agent": "Safari on a phone"}, REMOTE_ADDR="203.0.113.7"))
    stranger = sign_in(operator)
    page = here.get(SESSIONS).content.decode()
    for words in ("Firefox on a desk", "Safari on a phone", "203.0.113.7", "this session", "12 hours after"):
        assert words in page, words
    assert here.post(SESSIONS).status_code == 302
    assert [is_signed_in(each) for each in (here, there, stranger)] == [True, False, True]
    assert "You are signed in nowhere else." in here.get(SESSIONS).content.decode()
    assert [each.user_agent for each in UserSession.objects.filter(user=customer)] == ["Firefox on a desk"]
    [letter] = mail.outbox
    assert (letter.to, letter.subject) == (["ada@acme.example"], "Your sessions were signed out at Omixa billing")


def test_a_sign_in_over_a_unix_socket_has_no_address_and_works(customer: User) -> None:
    client = sign_in(customer, Client(REMOTE_ADDR=""))
    assert "unknown" in client.get(SESSIONS).content.decode()


@pytest.mark.parametrize("path", ["/admin/password_change/", "/admin/workspaces/user/nonsense/password/"])
def test_the_consoles_other_pages_of_passwords_lead_nowhere_else(operator: User, path: str) -> None:
    answer = sign_in(operator).get(path)
    assert answer.status_code in (302, 404)
    if answer.status_code == 302:
        assert answer["Location"] == "/accounts/password/change/"


def test_a_second_factor_that_is_asked_for_leaves_no_session_in_between(customer: User) -> None:
    set_up_app(customer)
    assert not is_signed_in(sign_in(customer))
    assert not UserSession.objects.exists()
