"""People who sign in as people do: through the pages, with a password and what else they are asked for."""

from collections.abc import Iterator
from typing import Any

import pytest
import time_machine
from allauth.mfa.totp.internal.auth import TOTP, format_hotp_value, hotp_value, yield_hotp_counters_from_time
from django.core.cache import cache
from django.test import Client

from tests.kit.factories import NOW
from workspaces.models import AuditEntry, User

# For tests of what follows the set-up of a factor: the library does it once the set-up is committed.
commits = pytest.mark.django_db(transaction=True)
PASSWORD = "correct horse battery"
LOGIN = "/accounts/login/"
SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
OPERATOR = "operator@omixa.example"


@pytest.fixture(autouse=True)
def _the_day(db: None) -> Iterator[None]:
    """A code is good once and for half a minute, and limits of earlier tests count on: each test has its own."""
    cache.clear()
    with time_machine.travel(NOW, tick=False):
        yield


@pytest.fixture
def operator() -> User:
    return User.objects.create_user(OPERATOR, PASSWORD, is_staff=True)


@pytest.fixture
def customer() -> User:
    return User.objects.create_user("ada@acme.example", PASSWORD)


def set_up_app(user: User) -> None:
    """The person has an authenticator app with our SECRET."""
    TOTP.activate(user, SECRET)


def code(secret: str = SECRET) -> str:
    """What the app shows now."""
    return format_hotp_value(hotp_value(secret, next(iter(yield_hotp_counters_from_time()))))


def sign_in(user: User, client: Client | None = None, **more: str) -> Client:
    """Address and password, and no more: a second factor is still to be asked for."""
    client = client or Client()
    client.post(LOGIN, {"login": user.email, "password": PASSWORD, **more})
    return client


def sign_in_and_confirm(user: User, client: Client | None = None) -> Client:
    """For acts that ask who acts: the password once more."""
    client = sign_in(user, client)
    client.post("/accounts/reauthenticate/", {"password": PASSWORD})
    return client


def show_code(client: Client) -> Any:
    cache.clear()  # a code is good once, and tests use it twice in the same half minute
    return client.post("/accounts/2fa/authenticate/", {"code": code()})


def is_signed_in(client: Client) -> bool:
    """Whether the account's own page answers."""
    return client.get("/accounts/2fa/").status_code == 200


def set_up_app_on_the_page(client: Client) -> None:
    """As a person does it: confirm the password, enter the code. What follows from it follows its commit."""
    cache.clear()
    client.post("/accounts/reauthenticate/", {"password": PASSWORD})
    page = client.get("/accounts/2fa/totp/activate/")
    done = client.post("/accounts/2fa/totp/activate/", {"code": code(page.context["form"].secret)})
    assert done.status_code == 302, done.context["form"].errors


def refusals() -> list[tuple[str, str, str | None, dict[str, str]]]:
    """(actor, target, name of the workspace, detail) of what the trail holds of them, oldest first."""
    found = AuditEntry.objects.filter(action="session.refused").select_related("workspace").order_by("id")
    return [(each.actor, each.target, each.workspace and each.workspace.name, each.detail) for each in found]
