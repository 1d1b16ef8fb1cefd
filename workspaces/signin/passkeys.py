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
from django.conf import settings
from django.contrib.auth.base_user import AbstractBaseUser
from django.core.exceptions import ValidationError

from omixa_billing.environment import is_loopback
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


class LoginForm(FromOurAddress, LoginWebAuthnForm):
    """Signing in with a passkey alone."""


class OfAPerson(FromOurAddress):
    """A refused passkey of a known person is announced as the library announces wrong codes, which it does of no passkey."""

    user: User
    reauthenticated: bool

    def clean_credential(self) -> Any:
        try:
            return super().clean_credential()
        except ValidationError:
            refused = Authenticator(user=self.user, type=Authenticator.Type.WEBAUTHN)
            about: dict[str, Any] = {"user": self.user, "authenticator": refused, "reauthentication": self.reauthenticated}
            signals.authentication_failed.send(sender=Authenticator, request=context.request, **about)
            raise


class AuthenticateForm(OfAPerson, AuthenticateWebAuthnForm):
    """After the password."""


class ReauthenticateForm(OfAPerson, ReauthenticateWebAuthnForm):
    """Confirming who acts."""


def _origin_of(credential: Any) -> str:
    """Where the browser says it was used; empty when it cannot be read. Its signature is checked by the library."""
    try:
        data = credential["response"]["clientDataJSON"]
        found = json.loads(base64.urlsafe_b64decode(data + "=" * (-len(data) % 4)))["origin"]
    except UNREADABLE:
        return ""
    return found if isinstance(found, str) else ""
