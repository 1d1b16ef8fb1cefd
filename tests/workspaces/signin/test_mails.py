"""Each change of how a person signs in is mailed to them, with what they need to know whether it was them."""

from typing import Any

import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from django.core import mail
from django.template.loader import get_template
from django.test import Client
from django.urls import reverse

from tests.kit.people import PUBLIC_URL, with_a_public_url
from tests.workspaces.signin.conftest import OPERATOR, PASSWORD, commits, set_up_app_on_the_page, sign_in, sign_in_and_confirm
from workspaces.models import User
from workspaces.signin.accounts import AccountAdapter

__all__ = ["with_a_public_url"]

NEW = "another long password"
BY = 'from the address 203.0.113.7, with Firefox on <a> "desk"'
ALL = [
    *(
        f"account/email/{name}"
        for name in ("password_changed", "password_set", "password_reset", "email_changed", "email_deleted")
    ),
    "account/email/sessions_ended",
    *(f"mfa/email/{name}" for name in ("totp_activated", "totp_deactivated", "webauthn_added", "webauthn_removed")),
    "mfa/email/recovery_codes_generated",
]


@pytest.fixture
def browser() -> Client:
    return Client(headers={"user-agent": 'Firefox on <a> "desk"'}, REMOTE_ADDR="203.0.113.7")


def letters() -> list[tuple[list[str], str]]:
    """To whom and about what, and the outbox is empty again. All of them name no link that acts."""
    found = []
    for letter in mail.outbox:
        [(page, kind)] = letter.alternatives
        assert kind == "text/html"
        assert "<a> " not in page
        for text in (letter.body, page):
            assert text.count("http") == text.count(PUBLIC_URL) > 0
            assert f"{PUBLIC_URL}/" not in text
            assert "15 Oct 2026, 12:00 UTC" in text
        assert letter.subject.endswith(" at Omixa billing")
        found.append((letter.to, letter.subject.removesuffix(" at Omixa billing")))
    mail.outbox.clear()
    return found


def test_a_changed_password_is_told(customer: User, browser: Client) -> None:
    client = sign_in(customer, browser)
    assert mail.outbox == []
    client.post("/accounts/password/change/", {"oldpassword": PASSWORD, "password1": NEW, "password2": NEW})
    [letter] = mail.outbox
    assert BY in letter.body
    assert "203.0.113.7, with Firefox on &lt;a&gt; &quot;desk&quot;" in letter.alternatives[0][0]
    assert "If that was not you, set a new password at once" in letter.body
    assert letters() == [(["ada@acme.example"], "Your password was changed")]


@commits
def test_factors_that_are_set_up_and_removed_are_told(customer: User, browser: Client) -> None:
    client = sign_in(customer, browser)
    set_up_app_on_the_page(client)
    assert BY in mail.outbox[0].body
    assert letters() == [(["ada@acme.example"], "An authenticator app was set up")]
    client.post("/accounts/2fa/recovery-codes/generate/")
    assert letters() == [(["ada@acme.example"], "New recovery codes were generated")]
    client.post("/accounts/2fa/totp/deactivate/")
    assert letters() == [(["ada@acme.example"], "The authenticator app was removed")]
    assert not Authenticator.objects.exists()


def test_a_password_set_by_a_link_is_told(customer: User, browser: Client) -> None:
    browser.post("/accounts/password/reset/", {"email": customer.email})
    path = next(word for word in mail.outbox.pop().body.split() if "/reset/key/" in word).removeprefix(PUBLIC_URL)
    form = browser.get(path, follow=True)
    browser.post(form.redirect_chain[-1][0], {"password1": NEW, "password2": NEW})
    assert BY in mail.outbox[0].body
    assert letters() == [(["ada@acme.example"], "Your password was set by mail")]


def test_what_an_operator_changes_is_told_without_their_address(operator: User, customer: User, browser: Client) -> None:
    client = sign_in_and_confirm(operator, browser)
    password = reverse("admin:auth_user_password_change", args=[customer.pk])
    client.post(password, {"usable_password": "true", "password1": NEW, "password2": NEW, "set-password": "yes"})
    assert User.objects.get(pk=customer.pk).check_password(NEW)
    person = {"email": "Ada@new.example"}
    person |= {"memberships-TOTAL_FORMS": "0", "memberships-INITIAL_FORMS": "0"}
    client.post(reverse("admin:workspaces_user_change", args=[customer.pk]), person)
    assert User.objects.get(pk=customer.pk).email == "ada@new.example"
    for letter in mail.outbox:
        assert "An operator of Omixa billing did this" in letter.body
        assert "203.0.113.7" not in letter.body
        assert OPERATOR not in letter.body
    assert letters() == [
        (["ada@acme.example"], "Your password was changed"),
        (["ada@acme.example"], "The address of your account was changed"),
        (["ada@new.example"], "The address of your account was changed"),
    ]


@pytest.mark.parametrize("spelling", ["+{}", "%20{}", "{}%20", "{:012d}"])
def test_no_other_spelling_of_a_persons_number_sets_a_password_unseen(
    operator: User, customer: User, browser: Client, spelling: str
) -> None:
    client, before = sign_in_and_confirm(operator, browser), customer.password
    page = f"/admin/workspaces/user/{spelling.format(customer.pk)}/password/"
    sent = {"usable_password": "true", "password1": NEW, "password2": NEW, "set-password": "yes"}
    assert client.post(page, sent).status_code == 404
    assert User.objects.get(pk=customer.pk).password == before
    assert letters() == []


def test_what_an_operator_leaves_as_it_is_is_not_told(operator: User, customer: User) -> None:
    client = sign_in_and_confirm(operator)
    password = reverse("admin:auth_user_password_change", args=[customer.pk])
    client.post(password, {"usable_password": "true", "password1": NEW, "password2": "x", "set-password": "yes"})
    person = {"email": customer.email, "first_name": "Ada"}
    person |= {"memberships-TOTAL_FORMS": "0", "memberships-INITIAL_FORMS": "0"}
    client.post(reverse("admin:workspaces_user_change", args=[customer.pk]), person)
    assert User.objects.get(pk=customer.pk).first_name == "Ada"
    assert mail.outbox == []


def test_a_mail_server_that_is_away_does_not_undo_the_change(
    customer: User, browser: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: Any) -> None:
        raise ConnectionRefusedError("the mail server is away")

    monkeypatch.setattr(AccountAdapter, "send_mail", away)
    form = {"oldpassword": PASSWORD, "password1": NEW, "password2": NEW}
    assert sign_in(customer, browser).post("/accounts/password/change/", form).status_code == 302
    assert User.objects.get(pk=customer.pk).check_password(NEW)


@pytest.mark.parametrize("name", ALL)
def test_every_mail_of_the_library_is_ours(name: str) -> None:
    for ending in ("_subject.txt", "_message.txt", "_message.html"):
        origin = get_template(f"{name}{ending}").origin.name
        assert "site-packages" not in origin, origin


def test_an_address_on_file_gets_the_mail(customer: User, browser: Client) -> None:
    EmailAddress.objects.create(user=customer, email="ada@acme.example", primary=True, verified=True)
    sign_in(customer, browser).post("/accounts/password/change/", {"oldpassword": PASSWORD, "password1": NEW, "password2": NEW})
    assert letters() == [(["ada@acme.example"], "Your password was changed")]


def test_a_changed_address_leaves_nothing_to_the_old_one(operator: User, customer: User) -> None:
    EmailAddress.objects.create(user=customer, email="ada@acme.example", primary=True, verified=True)
    person = {"email": "ada@new.example"}
    person |= {"memberships-TOTAL_FORMS": "0", "memberships-INITIAL_FORMS": "0"}
    sign_in_and_confirm(operator).post(reverse("admin:workspaces_user_change", args=[customer.pk]), person)
    mail.outbox.clear()
    for email in ("ada@acme.example", "ada@new.example"):
        Client().post("/accounts/password/reset/", {"email": email})
    reset = [letter.to for letter in mail.outbox if "/password/reset/key/" in letter.body]
    assert reset == [["ada@new.example"]]
