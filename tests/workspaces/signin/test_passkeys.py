"""Passkeys belong to the address of PUBLIC_URL, and what is no passkey is refused in words."""

import base64
import json
from hashlib import sha256
from typing import Any

import pytest
from allauth.account.utils import user_pk_to_url_str
from allauth.mfa.models import Authenticator
from allauth.mfa.webauthn import forms
from cryptography.hazmat.primitives.asymmetric import ec
from django.core.cache import cache
from django.test import Client
from fido2.cose import ES256
from fido2.utils import websafe_encode
from fido2.webauthn import Aaguid, AttestationObject, AttestedCredentialData, AuthenticatorData

from tests.kit.factories import make_workspace
from tests.workspaces.signin.conftest import PASSWORD, code, is_signed_in, refusals, set_up_app, sign_in
from workspaces.audit import people
from workspaces.models import Membership, User
from workspaces.signin import passkeys

RP = sha256(b"localhost").digest()
KEY = ec.generate_private_key(ec.SECP256R1())
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


def a_passkey(user: User, credential: bytes) -> Authenticator:
    """Kept as the library keeps one that this browser made: with its id, and any key."""
    attested = AttestedCredentialData.create(Aaguid.NONE, credential, ES256.from_cryptography_key(KEY.public_key()))
    data = AuthenticatorData.create(RP, 0x45, 0, attested)
    credential_of = json.loads(sent("http://localhost:8000"))
    credential_of["id"] = credential_of["rawId"] = websafe_encode(credential)
    credential_of["response"]["attestationObject"] = attestation(data)
    kept = {"name": "A laptop", "credential": credential_of}
    return Authenticator.objects.create(user=user, type="webauthn", data=kept)


def attestation(data: AuthenticatorData) -> str:
    return websafe_encode(AttestationObject.create("none", data, {}))


def of(user: User, credential: bytes, origin: str = "http://localhost:8000") -> str:
    """A passkey's answer in this person's name, without a good signature."""
    read = json.loads(sent(origin))
    read["id"] = read["rawId"] = websafe_encode(credential)
    read["response"]["authenticatorData"] = websafe_encode(AuthenticatorData.create(RP, 0x05, 0))
    read["response"]["userHandle"] = websafe_encode(user_pk_to_url_str(user).encode())
    return json.dumps(read)


def test_a_refused_passkey_alone_is_an_entry_of_its_person_or_of_strangers(
    customer: User, operator: User, settings: Any, monkeypatch: Any
) -> None:
    settings.PUBLIC_URL = "http://127.0.0.1:8000"
    monkeypatch.setattr(people, "MOST_FAILURES", 1)
    Membership.objects.create(workspace=make_workspace("Acme"), user=customer, role="owner")
    a_passkey(customer, b"the laptop's")
    stranger = Client()
    stranger.get(LOGIN, headers={"accept": "application/json"})
    # Who knows no passkey of theirs cannot fill a person's trail, whatever they name.
    made_up = ["", "x", '"x"', of(customer, b"another"), of(operator, b"the laptop's"), sent("http://localhost:8000")]
    theirs = [of(customer, b"the laptop's"), of(customer, b"the laptop's", "https://evil.example")]
    for credential in (*made_up, *theirs):
        assert stranger.post(LOGIN, {"credential": credential})["Location"] == "/accounts/login/"
    kind = {"kind": "webauthn"}
    assert refusals() == [("nobody", "an unknown passkey", None, kind), ("nobody", customer.email, "Acme", kind)]


def test_a_passkey_that_cannot_be_read_is_an_entry_after_the_password_too(customer: User) -> None:
    set_up_app(customer)
    client = sign_in(customer)
    assert client.post("/accounts/2fa/authenticate/", {"credential": "{"}).status_code == 200
    assert refusals() == [("nobody", customer.email, None, {"kind": "webauthn"})]


def test_a_passkey_of_an_account_that_is_switched_off_signs_nobody_in_and_is_an_entry(
    customer: User, settings: Any, monkeypatch: Any
) -> None:
    settings.PUBLIC_URL = "http://127.0.0.1:8000"
    kept = a_passkey(customer, b"the laptop's")
    monkeypatch.setattr(
        forms.auth, "complete_authentication", lambda *_: Authenticator.objects.get(pk=kept.pk)
    )  # a good signature
    client = Client()
    client.post(LOGIN, {"credential": of(customer, b"the laptop's")})
    assert is_signed_in(client)
    User.objects.update(is_active=False)
    client = Client()
    client.post(LOGIN, {"credential": of(customer, b"the laptop's")})
    assert not is_signed_in(client)
    assert refusals() == [("nobody", customer.email, None, {"kind": "webauthn"})]
