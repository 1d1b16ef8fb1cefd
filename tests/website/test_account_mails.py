"""The mails about an account are ours, lead to our public address, and prove an address to be the reader's."""

import re
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value, yield_hotp_counters_from_time
from django.core import mail
from django.test import Client

from tests.kit.pages import text_of
from tests.kit.people import PUBLIC_URL, browser_of, with_a_public_url
from tests.website.conftest import Tenant
from workspaces.models import User

__all__ = ["with_a_public_url"]

PASSWORD = "a very long secret"


def only_letter() -> Any:
    [letter] = mail.outbox
    assert letter.body.endswith(f"Omixa billing\n{PUBLIC_URL}")
    [(page, kind)] = letter.alternatives
    assert kind == "text/html"
    for text in (letter.body, page):
        assert "testserver" not in text
        assert "Thank you for using" not in text
    return letter


def set_password_by(letter: Any, client: Client) -> None:
    [path] = set(re.findall(rf"{PUBLIC_URL}(/accounts/password/reset/key/\S+)", letter.body))
    form = client.get(path, follow=True)
    client.post(form.redirect_chain[-1][0], {"password1": PASSWORD, "password2": PASSWORD})


def activate_totp(client: Client) -> None:
    client.post("/accounts/reauthenticate/", {"password": PASSWORD})
    page = client.get("/accounts/2fa/totp/activate/")
    code = format_hotp_value(hotp_value(page.context["form"].secret, next(iter(yield_hotp_counters_from_time()))))
    client.post("/accounts/2fa/totp/activate/", {"code": code})


def has_totp(email: str) -> bool:
    return Authenticator.objects.filter(user__email=email, type="totp").exists()


@pytest.mark.parametrize("open_signup", [False, True])
def test_an_invited_member_can_turn_on_a_second_factor(
    acme: Tenant, owner: Client, client: Client, settings: Any, open_signup: bool
) -> None:
    settings.OPEN_SIGNUP, settings.MFA_ALLOW_UNVERIFIED_EMAIL = open_signup, not open_signup
    owner.post("/settings/members", {"email": "new@acme.example", "role": "viewer"})
    [path] = set(re.findall(rf"{PUBLIC_URL}(/invitations/\S+)", only_letter().body))
    client.get(path)
    client.post("/invitations", {"answer": "join", "new_password1": PASSWORD, "new_password2": PASSWORD})
    client.post("/accounts/logout/")
    assert EmailAddress.objects.get(email="new@acme.example").verified
    client.post("/accounts/login/", {"login": "new@acme.example", "password": PASSWORD})
    activate_totp(client)
    assert has_totp("new@acme.example")


def test_somebody_whom_the_operator_gave_a_password_can_turn_it_on_too(db: None, client: Client) -> None:
    User.objects.create_user("ada@acme.example", PASSWORD)
    client.post("/accounts/login/", {"login": "ada@acme.example", "password": PASSWORD})
    activate_totp(client)
    assert has_totp("ada@acme.example")


def test_where_anybody_signs_up_the_address_is_verified_first(db: None, client: Client, settings: Any) -> None:
    settings.OPEN_SIGNUP, settings.MFA_ALLOW_UNVERIFIED_EMAIL = True, False
    client.post("/accounts/signup/", {"email": "ada@acme.example", "password1": PASSWORD, "password2": PASSWORD})
    refused = text_of(client.get("/accounts/2fa/totp/activate/", follow=True))
    assert "until you have verified your email address" in refused
    assert 'href="/accounts/email/"' in refused
    assert "Send verification again" in text_of(client.get("/accounts/email/"))
    client.post("/accounts/email/", {"email": "ada@acme.example", "action_send": ""})
    letter = only_letter()
    assert letter.subject == "Confirm your address for Omixa billing"
    [path] = set(re.findall(rf"{PUBLIC_URL}(/accounts/confirm-email/\S+)", letter.body))
    assert "<h1>Confirm your address</h1>" in text_of(client.get(path))
    client.post(path)
    assert "Send verification again" not in text_of(client.get("/accounts/email/"))
    activate_totp(client)
    assert has_totp("ada@acme.example")


def test_a_changed_password_proves_no_address(db: None) -> None:
    user = User.objects.create_user("ada@acme.example", PASSWORD)
    client = browser_of(user)
    client.get("/accounts/email/")
    fields = {"oldpassword": PASSWORD, "password1": "another long one", "password2": "another long one"}
    client.post("/accounts/password/change/", fields)
    user.refresh_from_db()
    assert user.check_password("another long one")
    assert not EmailAddress.objects.get(user=user).verified


def test_the_mail_to_set_a_new_password(db: None, client: Client) -> None:
    User.objects.create_user("ada@acme.example", PASSWORD)
    client.post("/accounts/password/reset/", {"email": "ada@acme.example"})
    letter = only_letter()
    assert letter.subject == "Set a new password for Omixa billing"
    assert "It works once, for 3 days:" in letter.body
    assert f"{PUBLIC_URL}/accounts/password/reset/key/" in letter.body


def test_the_mail_to_an_unknown_address_leads_to_no_closed_page(db: None, client: Client) -> None:
    client.post("/accounts/password/reset/", {"email": "nobody@acme.example"})
    letter = only_letter()
    assert letter.subject == "No account at Omixa billing with this address"
    assert "accounts are made by invitation" in letter.body
    assert "signup" not in letter.body + letter.alternatives[0][0]


def test_the_mail_to_an_unknown_address_leads_to_an_open_page(db: None, client: Client, settings: Any) -> None:
    settings.OPEN_SIGNUP = True
    client.post("/accounts/password/reset/", {"email": "nobody@acme.example"})
    assert f"{PUBLIC_URL}/accounts/signup/" in only_letter().body


def test_the_mail_to_somebody_who_has_an_account_already(db: None, client: Client, settings: Any) -> None:
    settings.OPEN_SIGNUP, settings.ACCOUNT_EMAIL_VERIFICATION = True, "mandatory"
    User.objects.create_user("ada@acme.example", PASSWORD)
    EmailAddress.objects.create(user=User.objects.get(), email="ada@acme.example", verified=True, primary=True)
    client.post("/accounts/signup/", {"email": "ada@acme.example", "password1": PASSWORD, "password2": PASSWORD})
    letter = only_letter()
    assert letter.subject == "You have an account at Omixa billing already"
    assert f"{PUBLIC_URL}/accounts/password/reset/" in letter.body


def test_names_in_an_invitation_are_plain_words(acme: Tenant, owner: Client) -> None:
    acme.workspace.name = "Acme & <b>Sons</b>"
    acme.workspace.save()
    owner.post("/settings/members", {"email": "new@acme.example", "role": "viewer"})
    letter = only_letter()
    assert letter.subject == "You are invited to a workspace on Omixa billing"
    assert "“Acme & b Sons b”" in letter.body
    assert "“Acme &amp; b Sons b”" in letter.alternatives[0][0]
