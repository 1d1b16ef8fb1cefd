"""Signing in and what surrounds it wears our frame; errors say what to do."""

import re

import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value, yield_hotp_counters_from_time
from django.core import mail
from django.db import OperationalError
from django.test import Client

from tests.kit.pages import text_of
from tests.kit.people import Browser, browser_of, person
from tests.website.conftest import Tenant
from workspaces.models import Membership, User


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("address", "title"),
    [
        ("/accounts/login/", "Sign in"),
        ("/accounts/password/reset/", "Reset your password"),
        ("/accounts/password/reset/done/", "Check your email"),
        ("/accounts/password/reset/key/done/", "Your new password is set"),
        ("/accounts/password/reset/key/1-nonsense/", "This link is no longer valid"),
        ("/accounts/signup/", "Sign-up is by invitation"),
        ("/accounts/inactive/", "This account is closed"),
    ],
)
def test_entrance_pages(client: Client, address: str, title: str) -> None:
    text = text_of(client.get(address))
    assert f"<h1>{title}</h1>" in text
    assert "website/website.css" in text
    assert "Menu:" not in text


@pytest.mark.parametrize(
    ("address", "title"),
    [
        ("/accounts/password/set/", "Set a password"),
        ("/accounts/2fa/", "Authenticator app"),
        ("/accounts/email/", "Your address"),
        ("/accounts/logout/", "Sign out?"),
    ],
)
def test_pages_of_an_account(owner: Client, address: str, title: str) -> None:
    answer = owner.get(address)
    assert answer.status_code == 200
    assert title in text_of(answer)
    assert "website/website.css" in text_of(answer)


@pytest.fixture
def with_password(acme: Tenant) -> User:
    user = person(acme.workspace, "owner")
    user.set_password("a long password")
    user.save()
    return user


def test_signing_in_and_out(with_password: User, client: Client) -> None:
    wrong = client.post("/accounts/login/", {"login": "owner@acme.example", "password": "wrong"})
    assert "notice--bad" in text_of(wrong)
    right = client.post(
        "/accounts/login/?next=/keys", {"login": "Owner@acme.example", "password": "a long password", "next": "/keys"}
    )
    assert right["Location"] == "/keys"
    assert "owner@acme.example" in text_of(client.get("/keys"))
    assert "Change your password" in text_of(client.get("/accounts/password/change/"))
    client.post("/accounts/logout/")
    assert client.get("/keys").status_code == 302


def test_nobody_takes_on_an_address_that_might_be_invited(with_password: User, client: Client) -> None:
    client.post("/accounts/login/", {"login": "owner@acme.example", "password": "a long password"})
    client.get("/accounts/email/")
    client.post("/accounts/email/", {"email": "boss@bank.example", "action_add": ""})
    client.post("/accounts/email/", {"email": "boss@bank.example", "action_primary": ""})
    with_password.refresh_from_db()
    assert with_password.email == "owner@acme.example"
    assert not EmailAddress.objects.filter(email="boss@bank.example").exists()


def test_a_second_factor_is_set_up_and_asked_for(with_password: User, client: Client) -> None:
    signing_in = {"login": "owner@acme.example", "password": "a long password"}
    client.post("/accounts/login/", signing_in)
    again = client.get("/accounts/2fa/totp/activate/", follow=True)
    assert "Confirm that it is you" in text_of(again)
    setting_up = {"password": "a long password", "next": "/accounts/2fa/totp/activate/"}
    page = client.post("/accounts/reauthenticate/", setting_up, follow=True)
    secret = page.context["form"].secret
    assert secret in text_of(page)
    assert 'class="qr" src="data:image/svg+xml' in text_of(page)
    code = format_hotp_value(hotp_value(secret, next(iter(yield_hotp_counters_from_time()))))
    codes = text_of(client.post("/accounts/2fa/totp/activate/", {"code": code}, follow=True))
    assert "Unused codes" in codes
    assert "Active" in text_of(client.get("/accounts/2fa/"))
    client.post("/accounts/logout/")
    asked = client.post("/accounts/login/", signing_in, follow=True)
    assert "Enter the code your authenticator app shows" in text_of(asked)
    assert client.get("/keys").status_code == 302


def test_an_invited_person_sets_a_password_by_mail(acme: Tenant, client: Client) -> None:
    User.objects.create_user("new@acme.example")
    client.post("/accounts/password/reset/", {"email": "new@acme.example"})
    [address] = re.findall(r"https?://[^/]+(/accounts/password/reset/key/\S+)", mail.outbox[0].body)
    form = client.get(address, follow=True)
    assert "Set a new password" in text_of(form)
    target = form.redirect_chain[-1][0]
    answer = client.post(target, {"password1": "a very long secret", "password2": "a very long secret"}, follow=True)
    assert "Your new password is set" in text_of(answer)
    assert User.objects.get(email="new@acme.example").check_password("a very long secret")


def test_a_browsers_own_question_for_an_icon_is_answered(client: Client) -> None:
    assert client.get("/favicon.ico")["Location"] == "/static/website/mark.svg"


@pytest.mark.django_db
def test_a_missing_page(client: Client) -> None:
    answer = client.get("/nowhere")
    assert answer.status_code == 404
    assert "There is nothing here" in text_of(answer)


def test_a_page_that_breaks_says_so_without_the_database(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(request: object) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr("metering.website.public.home.public_home", broken)
    client.raise_request_exception = False
    answer = client.get("/")
    assert answer.status_code == 500
    assert "That was our fault" in text_of(answer)
    assert "a bug" not in text_of(answer)


def test_no_page_carries_inline_scripts_or_styles(owner: Client) -> None:
    for address in (
        "/",
        "/usage",
        "/usage/events",
        "/keys",
        "/keys/new",
        "/invoices",
        "/settings",
        "/settings/members",
        "/models",
    ):
        text = text_of(owner.get(address))
        assert not re.search(r"<script(?![^>]*(?:src=|type=\"application/json\"))", text), address
        assert not re.search(r"\s(?:style|onclick|onchange)=", text), address


def test_a_member_keeps_the_navigation_where_nothing_is(owner: Client) -> None:
    answer = owner.get("/nowhere")
    text = text_of(answer)
    assert answer.status_code == 404
    assert "There is nothing here" in text
    assert 'href="/usage"' in text
    assert "workspaces" not in text


def test_somebody_with_two_workspaces_is_reminded_of_the_other(acme: Tenant, rival: Tenant) -> None:
    user = person(acme.workspace, "owner")
    Membership.objects.create(workspace=rival.workspace, user=user, role="viewer")
    assert "It may belong to another of your workspaces" in text_of(browser_of(user).get("/nowhere"))


def test_a_missing_page_needs_no_database(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(request: object) -> None:
        raise OperationalError("the database is away")

    monkeypatch.setattr("metering.website.errors.membership_of", away)
    answer = client.get("/nowhere")
    assert (answer.status_code, "There is nothing here" in text_of(answer)) == (404, True)


def test_a_program_asking_for_nothing_gets_json(owner: Client) -> None:
    assert owner.get("/api/v1/nowhere").json()["error"]["code"] == "not_found"


def test_what_a_role_does_not_include_leaves_the_navigation(as_role: Browser) -> None:
    answer = as_role("viewer").get("/invoices")
    assert answer.status_code == 403
    assert "Ask an owner of the workspace." in text_of(answer)
    assert 'href="/usage"' in text_of(answer)


def test_a_customer_at_the_console_is_told_whose_it_is(owner: Client) -> None:
    answer = owner.get("/admin/", follow=True)
    assert "This is for operators" in text_of(answer)
    assert "Ask an owner" not in text_of(answer)
