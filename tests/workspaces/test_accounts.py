"""People sign in with their address: through allauth's own pages, as a browser does."""

import re
from typing import Any

import pytest
import time_machine
from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value, yield_hotp_counters_from_time
from django.core import mail
from django.core.cache import cache
from django.test import Client

from tests.kit.factories import NOW
from tests.kit.people import PASSWORD, a_member
from tests.kit.tenants import TESTS
from workspaces.members import members
from workspaces.models import User, Workspace

LOGIN, SIGNUP, RESET = "/accounts/login/", "/accounts/signup/", "/accounts/password/reset/"


def who(client: Client) -> str | None:
    """The address that the browser is signed in as."""
    pk = client.session.get("_auth_user_id")
    return None if pk is None else User.objects.get(pk=pk).email


def sign_in(client: Client, email: str, password: str = PASSWORD) -> Any:
    return client.post(LOGIN, {"login": email, "password": password})


@pytest.mark.parametrize("typed", ["ada@acme.example", "Ada@Acme.Example"])
def test_a_member_signs_in_with_address_and_password(acme: Workspace, client: Client, typed: str) -> None:
    a_member(acme, "owner", "ada@acme.example")
    answer = sign_in(client, typed)
    assert (answer.status_code, answer["Location"]) == (302, "/")
    assert who(client) == "ada@acme.example"


def test_a_wrong_password_or_address_is_refused_alike(acme: Workspace, client: Client) -> None:
    a_member(acme, "owner", "ada@acme.example")
    answers = [sign_in(client, "ada@acme.example", "wrong"), sign_in(client, "bob@acme.example")]
    for answer in answers:
        assert answer.status_code == 200
        assert answer.context["form"].errors == answers[0].context["form"].errors
    assert who(client) is None


def test_guessing_passwords_is_slowed_down(acme: Workspace, client: Client) -> None:
    a_member(acme, "owner", "ada@acme.example")
    for guess in range(10):
        sign_in(client, "ada@acme.example", f"guess {guess}")
    sign_in(client, "ada@acme.example")
    assert who(client) is None


def test_a_person_who_was_shut_out_does_not_sign_in(acme: Workspace, client: Client) -> None:
    a_member(acme, "owner", "ada@acme.example")
    User.objects.update(is_active=False)
    sign_in(client, "ada@acme.example")
    assert who(client) is None


def test_signing_up_is_closed(db: None, client: Client) -> None:
    form = {"email": "eve@evil.example", "password1": PASSWORD, "password2": PASSWORD}
    assert client.get(SIGNUP).status_code == 200
    client.post(SIGNUP, form)
    assert not User.objects.exists()
    assert who(client) is None


def test_signing_up_is_open_once_the_operator_says_so(db: None, client: Client, settings: Any) -> None:
    settings.OPEN_SIGNUP = True
    form = {"email": "Ada@Acme.Example", "password1": PASSWORD, "password2": PASSWORD}
    assert client.post(SIGNUP, form).status_code == 302
    user = User.objects.get()
    assert (user.email, user.is_staff, user.is_superuser) == ("ada@acme.example", False, False)
    assert user.memberships.count() == 0
    assert who(client) == "ada@acme.example"


def test_a_new_member_sets_a_first_password_by_mail(acme: Workspace, client: Client) -> None:
    members.add_member(acme, "ada@acme.example", "viewer", TESTS, NOW)
    assert client.post(RESET, {"email": "ADA@acme.example"}).status_code == 302
    (letter,) = mail.outbox
    assert letter.to == ["ada@acme.example"]
    link = re.search(r"http://\S+(/accounts/password/reset/key/\S+)", str(letter.body))
    assert link is not None
    form = client.get(link[1], follow=True)
    client.post(form.request["PATH_INFO"], {"password1": PASSWORD, "password2": PASSWORD})
    sign_in(client, "ada@acme.example")
    assert who(client) == "ada@acme.example"


def test_nobody_learns_from_a_reset_whether_an_address_has_an_account(db: None, client: Client) -> None:
    assert client.post(RESET, {"email": "nobody@acme.example"}).status_code == 302
    assert [letter.to for letter in mail.outbox] in ([], [["nobody@acme.example"]])
    assert not any("/password/reset/key/" in str(letter.body) for letter in mail.outbox)


@time_machine.travel(NOW, tick=False)  # a code is good for half a minute: it must not end between two lines
def test_with_a_second_factor_the_password_is_not_enough(acme: Workspace, client: Client) -> None:
    a_member(acme, "owner", "ada@acme.example")
    sign_in(client, "ada@acme.example")
    asked = client.get("/accounts/2fa/totp/activate/", follow=True)
    assert asked.request["PATH_INFO"] == "/accounts/reauthenticate/"
    client.post("/accounts/reauthenticate/", {"password": PASSWORD})
    page = client.get("/accounts/2fa/totp/activate/")
    assert page.status_code == 200
    secret = page.context["form"].secret
    done = client.post("/accounts/2fa/totp/activate/", {"code": _code(secret)})
    assert done.status_code == 302, done.context["form"].errors
    cache.clear()  # a code is good once; the sign-in below falls into the same half minute

    browser = Client()
    asked = sign_in(browser, "ada@acme.example")
    assert asked["Location"].startswith("/accounts/2fa/authenticate/")
    assert who(browser) is None
    browser.post("/accounts/2fa/authenticate/", {"code": "000000" if _code(secret) != "000000" else "000001"})
    assert who(browser) is None
    browser.post("/accounts/2fa/authenticate/", {"code": _code(secret)})
    assert who(browser) == "ada@acme.example"


def _code(secret: str) -> str:
    return format_hotp_value(hotp_value(secret, next(iter(yield_hotp_counters_from_time()))))
