"""Passkeys belong to the address of PUBLIC_URL, and what is no passkey is refused in words."""

import base64
import json
from typing import Any

import pytest
from django.core.cache import cache
from django.test import Client

from tests.signin.conftest import PASSWORD, code, is_signed_in, refusals, set_up_app, sign_in
from workspaces.models import User
from workspaces.signin import passkeys

ADD = "/accounts/2fa/webauthn/add/"
LOGIN = "/accounts/2fa/webauthn/login/"


def sent(origin: str) -> str:
    """What a browser at this address would send, without a good signature."""
    data = json.dumps({"type": "webauthn.get", "challenge": "AAAA", "origin": origin}).encode()
    return json.dumps(
        {
            "id": "AAAA",
            "rawId": "AAAA",
            "type": "public-key",
            "response": {
                "clientDataJSON": base64.urlsafe_b64encode(data).decode().rstrip("="),
                "authenticatorData": "AAAA",
                "signature": "AAAA",
                "userHandle": "MQ",
                "attestationObject": "AAAA",
            },
        }
    )


@pytest.mark.parametrize(
    ("public_url", "origin", "party"),
    [
        ("https://billing.example.com", "https://billing.example.com", "billing.example.com"),
        ("https://billing.example.com:8443/", "https://billing.example.com:8443", "billing.example.com"),
        ("http://127.0.0.1:8000", "http://localhost:8000", "localhost"),
        ("http://localhost:8000", "http://localhost:8000", "localhost"),
        ("http://[::1]:9000", "http://localhost:9000", "localhost"),
    ],
)
def test_the_address_and_the_relying_party_follow_the_public_url(
    settings: Any, public_url: str, origin: str, party: str
) -> None:
    settings.PUBLIC_URL = public_url
    assert passkeys.origin() == origin
    assert passkeys.MFAAdapter().get_public_key_credential_rp_entity() == {"id": party, "name": "Omixa billing"}


def test_the_page_asks_for_our_relying_party_whatever_host_the_request_names(customer: User, settings: Any) -> None:
    settings.PUBLIC_URL, settings.ALLOWED_HOSTS = "https://billing.example.com", ["*"]
    client = sign_in(customer)
    client.post("/accounts/reauthenticate/", {"password": PASSWORD})
    page = client.get(ADD, headers={"host": "evil.example"})
    assert page.context["js_data"]["creation_options"]["publicKey"]["rp"]["id"] == "billing.example.com"


BAD = ["", "x", "null", "[]", "1", '"x"', "{}", '{"response": 1}', '{"response": {"clientDataJSON": "é"}}']
BAD += [sent("https://evil.example"), sent("http://sub.localhost:8000"), sent("http://localhost:8000")]


@pytest.mark.parametrize("credential", BAD)
def test_what_is_no_passkey_is_refused_everywhere(customer: User, settings: Any, credential: str) -> None:
    settings.PUBLIC_URL = "http://127.0.0.1:8000"
    set_up_app(customer)
    stranger = Client()
    stranger.get(LOGIN, headers={"accept": "application/json"})
    assert stranger.post(LOGIN, {"credential": credential})["Location"] == "/accounts/login/"
    assert not is_signed_in(stranger)

    half = sign_in(customer)
    half.get("/accounts/2fa/authenticate/")
    assert half.post("/accounts/2fa/authenticate/", {"credential": credential}).status_code == 200
    assert not is_signed_in(half)
    cache.clear()
    half.post("/accounts/2fa/authenticate/", {"code": code()})
    assert is_signed_in(half)
    half.post("/accounts/reauthenticate/", {"password": PASSWORD})
    half.get(ADD)
    assert half.post(ADD, {"name": "x", "credential": credential}).status_code == 200
    assert not customer.authenticator_set.filter(type="webauthn").exists()


def test_a_passkey_made_at_another_address_below_ours_is_refused_before_its_signature(settings: Any) -> None:
    settings.PUBLIC_URL = "https://example.com"
    assert passkeys._origin_of(json.loads(sent("https://sub.example.com"))) == "https://sub.example.com" != passkeys.origin()


def test_a_refused_passkey_of_a_known_person_is_an_entry(customer: User) -> None:
    set_up_app(customer)
    client = sign_in(customer)
    for credential in (sent("https://evil.example"), '"x"'):
        assert client.post("/accounts/2fa/authenticate/", {"credential": credential}).status_code == 200
    assert refusals() == [("nobody", customer.email, None, {"kind": "webauthn"})]
