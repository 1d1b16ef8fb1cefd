"""Passkeys belong to the address of PUBLIC_URL: it names the relying party, and no page at another address may use them.

Browsers accept no IP address as a relying party. So where PUBLIC_URL is this machine, as in development, passkeys work at
`http://localhost` with its port.
"""

import base64
import json
from typing import Any
from urllib.parse import urlsplit

from allauth.core import context
from allauth.mfa import signals
from allauth.mfa.adapter import DefaultMFAAdapter, get_adapter
from allauth.mfa.models import Authenticator
from allauth.mfa.webauthn.forms import (
    AddWebAuthnForm,
    AuthenticateWebAuthnForm,
    LoginWebAuthnForm,
    ReauthenticateWebAuthnForm,
)
from allauth.mfa.webauthn.internal.auth import extract_user_from_response, get_authenticator_by_credential_id
from django.conf import settings
from django.contrib.auth.base_user import AbstractBaseUser
from django.core.exceptions import ValidationError
from fido2.utils import websafe_decode

from omixa_billing.environment import is_loopback
from workspaces.audit import people
from workspaces.models import User

LONGEST_NAME = 100


def origin() -> str:
    """The one address at which passkeys are made and used, as browsers write it: `https://billing.example.com`."""
    url = urlsplit(settings.PUBLIC_URL)
    if not is_loopback(url.hostname or ""):
        return f"{url.scheme}://{url.netloc}"
    return f"{url.scheme}://localhost" + (f":{url.port}" if url.port else "")


class MFAAdapter(DefaultMFAAdapter):
    def get_public_key_credential_rp_entity(self) -> dict[str, str]:
        return {"id": urlsplit(origin()).hostname or "", "name": settings.MFA_TOTP_ISSUER}

    def generate_authenticator_name(self, user: AbstractBaseUser, type: Authenticator.Type) -> str:
        before = Authenticator.objects.filter(user_id=user.pk, type=type).count()
        return f"Passkey {before + 1}" if before else "Passkey"


class FromOurAddress:
    """For the library's forms: what a browser sends of a passkey is readable, and was made at our own address.

    The library accepts every name below ours, and takes what it cannot read for a bug.
    """

    cleaned_data: dict[str, Any]

    def clean_credential(self) -> Any:
        if _origin_of(self.cleaned_data["credential"]) != origin():
            raise get_adapter().validation_error("incorrect_code")
        try:
            return getattr(super(), "clean_credential", lambda: self.cleaned_data["credential"])()
        except UNREADABLE as error:
            raise get_adapter().validation_error("incorrect_code") from error

    def clean(self) -> Any:
        try:
            return super().clean()  # type: ignore[misc]
        except UNREADABLE as error:
            raise get_adapter().validation_error("incorrect_code") from error


# What the library raises of a message that is no passkey's.
UNREADABLE = (TypeError, ValueError, KeyError, AttributeError, IndexError)


class AddForm(FromOurAddress, AddWebAuthnForm):
    def clean_name(self) -> str:
        return str(super().clean_name())[:LONGEST_NAME]


class Announced(FromOurAddress):
    """A refused passkey of a known person is announced as the library announces wrong codes, which it does of no passkey."""

    user: User | None
    reauthenticated: bool
    is_bound: bool
    errors: dict[str, Any]
    data: Any

    def full_clean(self) -> None:
        super().full_clean()  # type: ignore[misc]
        if not self.is_bound or not self.errors:
            return
        if (person := self.user or _owner_of(self.data.get("credential"))) is None:
            people.note_unknown_passkey()
            return
        refused = Authenticator(user=person, type=Authenticator.Type.WEBAUTHN)
        about: dict[str, Any] = {"user": person, "authenticator": refused, "reauthentication": self.reauthenticated}
        signals.authentication_failed.send(sender=Authenticator, request=context.request, **about)


class LoginForm(Announced, LoginWebAuthnForm):
    """Signing in with a passkey alone."""

    def clean_credential(self) -> Any:
        """Of an account that is switched off it is refused here, as its password is."""
        found = super().clean_credential()
        if not found.user.is_active:
            raise get_adapter().validation_error("incorrect_code")
        return found


class AuthenticateForm(Announced, AuthenticateWebAuthnForm):
    """After the password."""


class ReauthenticateForm(Announced, ReauthenticateWebAuthnForm):
    """Confirming who acts."""


def _owner_of(credential: Any) -> User | None:
    """Whose passkey was refused. Anybody can name a person; only who has met a passkey of theirs knows its id."""
    try:
        read = json.loads(credential)
        person, number = extract_user_from_response(read), websafe_decode(read["id"])
    except (*UNREADABLE, ValidationError):
        return None
    return person if get_authenticator_by_credential_id(person, number) is not None else None


def _origin_of(credential: Any) -> str:
    """Where the browser says it was used; empty when it cannot be read. Its signature is checked by the library."""
    try:
        data = credential["response"]["clientDataJSON"]
        found = json.loads(base64.urlsafe_b64decode(data + "=" * (-len(data) % 4)))["origin"]
    except UNREADABLE:
        return ""
    return found if isinstance(found, str) else ""
