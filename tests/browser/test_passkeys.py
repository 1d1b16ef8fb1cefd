"""A passkey in a real browser: made, signed in with, asked for after the password, and used to confirm an act."""

from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from django.core import mail
from playwright.sync_api import Page, expect

from tests.browser.conftest import PASSWORD, Visit, World, confirm_identity, sign_in
from workspaces.models import APIKey, User

pytestmark = pytest.mark.browser
DEVICE = {
    "protocol": "ctap2",
    "transport": "internal",
    "hasResidentKey": True,
    "hasUserVerification": True,
    "isUserVerified": True,
    "automaticPresenceSimulation": True,
}


@pytest.fixture
def device(visit: Visit, settings: Any) -> Any:
    """A device that keeps passkeys and unlocks them by itself. The product's address is the server's."""
    settings.PUBLIC_URL = visit.base
    settings.OPERATORS_NEED_SECOND_FACTOR = True
    protocol = visit.page.context.new_cdp_session(visit.page)
    protocol.send("WebAuthn.enable")
    protocol.send("WebAuthn.addVirtualAuthenticator", {"options": DEVICE})
    return protocol


def sign_out(page: Page, visit: Visit) -> None:
    visit.open("/accounts/logout/")
    page.locator("main").get_by_role("button", name="Sign out").click()
    page.wait_for_url(f"{visit.base}/")


def add_passkey(visit: Visit, name: str) -> None:
    page = visit.open("/accounts/2fa/")
    page.get_by_role("link", name="Add passkey").click()
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Confirm").click()
    page.get_by_label("Name, to tell it from others").fill(name)
    page.get_by_role("button", name="Add passkey").click()
    expect(page.get_by_role("heading", name="Recovery codes")).to_be_visible()


def test_a_passkey_signs_in_confirms_and_opens_the_console(visit: Visit, world: World, device: Any) -> None:
    User.objects.update(is_staff=True)
    sign_in(visit)
    page = visit.open("/admin/")
    expect(page.get_by_text("Operators need a second factor")).to_be_visible()
    add_passkey(visit, "A laptop")
    kept = Authenticator.objects.get(type="webauthn")
    assert (kept.user.email, kept.wrap().name, kept.wrap().is_passwordless) == ("owner@acme.example", "A laptop", True)
    assert [letter.subject for letter in mail.outbox] == ["A passkey was added at Omixa billing"]
    sign_out(page, visit)

    visit.open("/accounts/login/?next=/admin/")
    page.get_by_role("button", name="Sign in with a passkey").click()
    page.wait_for_url(f"{visit.base}/admin/")
    expect(page.get_by_role("heading", name="Overview").first).to_be_visible()

    visit.open("/keys/new")
    page.get_by_label("Name").fill("server")
    page.get_by_role("button", name="Create key").click()
    expect(page.get_by_role("heading", name="Confirm that it is you")).to_be_visible()
    page.get_by_role("button", name="Confirm and continue").click()
    expect(page.locator("main").get_by_role("alert")).to_have_text("Enter your password, or the code of your app.")
    assert not APIKey.objects.exists()
    page.get_by_role("button", name="Use a passkey").click()
    expect(page.locator("#secret")).to_contain_text("omx_live_")
    assert [key.name for key in APIKey.objects.all()] == ["server"]
    assert visit.trouble == []


def test_after_the_password_the_passkey_is_asked_for(visit: Visit, world: World, device: Any) -> None:
    sign_in(visit)
    add_passkey(visit, "A laptop")
    page = visit.page
    sign_out(page, visit)
    visit.open("/accounts/login/")
    page.get_by_label("Email").fill("owner@acme.example")
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()
    expect(page.get_by_role("heading", name="Two-factor authentication")).to_be_visible()
    page.get_by_role("button", name="Use a passkey").click()
    page.wait_for_url(f"{visit.base}/")

    page = visit.open("/accounts/2fa/webauthn/")
    page.get_by_role("link", name="Remove A laptop").click()
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Confirm").click()
    page.get_by_role("button", name="Remove passkey").click()
    expect(page.get_by_text("You have no passkey yet.")).to_be_visible()
    assert not Authenticator.objects.exists()
    assert visit.trouble == []


def test_a_device_without_a_passkey_says_what_to_do(visit: Visit, world: World, device: Any, settings: Any) -> None:
    page = visit.open("/accounts/login/")
    page.get_by_role("button", name="Sign in with a passkey").click()
    expect(page.get_by_role("alert")).to_have_text("No passkey was used. Try again, or choose another way.")
    settings.PUBLIC_URL = "https://billing.omixa.example"
    visit.open("/accounts/login/")
    page.get_by_role("button", name="Sign in with a passkey").click()
    words = "Passkeys do not work at this address. Open https://billing.omixa.example instead."
    expect(page.get_by_role("alert")).to_have_text(words)


def test_an_act_goes_on_after_the_password(visit: Visit, world: World) -> None:
    sign_in(visit)
    page = visit.open("/keys/new")
    page.get_by_label("Name").fill("by hand")
    page.get_by_role("button", name="Create key").click()
    confirm_identity(page)
    expect(page.locator("#secret")).to_contain_text("omx_live_")
    assert visit.trouble == []
