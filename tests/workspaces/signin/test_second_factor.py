"""With OPERATORS_NEED_SECOND_FACTOR no address of the console answers an operator without one."""

import os
import secrets
import subprocess
import sys
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from django.core.management import call_command
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

from tests.kit.factories import make_workspace
from tests.workspaces.signin.conftest import (
    OPERATOR,
    code,
    commits,
    refusals,
    set_up_app,
    set_up_app_on_the_page,
    show_code,
    sign_in,
)
from workspaces.models import Membership, User, Workspace

SET_UP = "/accounts/2fa/?needed=yes"
ADD = "/admin/workspaces/workspace/add/"


@pytest.fixture(autouse=True)
def _needed(settings: Any) -> None:
    settings.OPERATORS_NEED_SECOND_FACTOR = True


def console_addresses() -> list[str]:
    """Every address of the console, with a number wherever it names something."""
    [site] = [each for each in get_resolver().url_patterns if isinstance(each, URLResolver) and each.namespace == "admin"]

    def under(resolver: URLResolver, before: str) -> list[str]:
        found = []
        for each in resolver.url_patterns:
            route = before + str(each.pattern)
            found += under(each, route) if isinstance(each, URLResolver) else [route] if isinstance(each, URLPattern) else []
        return found

    routes = [route for route in under(site, "/admin/") if "(?P" not in route]
    names = ("<path:object_id>", "<path:content_type_id>", "<int:pk>", "<str:account>", "<id>")
    for name in names:
        routes = [route.replace(name, "1") for route in routes]
    assert not [route for route in routes if "<" in route]
    return [*routes, "/admin/workspaces/", "/admin/nowhere"]


def test_no_address_of_the_console_answers_without_one(operator: User) -> None:
    client, addresses = sign_in(operator), [each for each in console_addresses() if each != "/admin/logout/"]
    assert len(addresses) > 150
    for address in addresses:
        for answer in (client.get(address), client.post(address, {"action": "anything", "name": "x"})):
            assert (answer.status_code, answer["Location"]) == (302, SET_UP), address
    assert client.post("/admin/logout/")["Location"] == "/"
    assert "_auth_user_id" not in client.session


def test_no_act_works_without_one(operator: User) -> None:
    sign_in(operator).post(ADD, {"name": "Acme", "email": "", "form_token": "x"})
    assert not Workspace.objects.exists()


@commits
def test_the_console_opens_once_one_is_set_up(operator: User) -> None:
    client = sign_in(operator, next="/admin/")
    page = client.get("/admin/", follow=True).content.decode()
    assert "Operators need a second factor" in page
    set_up_app_on_the_page(client)
    assert client.get("/admin/").status_code == 200


def test_the_next_sign_in_asks_for_it_before_the_console(operator: User) -> None:
    set_up_app(operator)
    client = Client()
    assert client.get("/admin/")["Location"] == "/admin/login/?next=/admin/"
    redirect = client.get("/admin/login/?next=/admin/")
    assert redirect["Location"] == "/accounts/login/?next=%2Fadmin%2F"
    sign_in(operator, client, next="/admin/")
    assert client.get("/admin/").status_code == 302
    assert show_code(client)["Location"] == "/admin/"
    assert client.get("/admin/").status_code == 200


def test_the_consoles_own_form_signs_nobody_in(operator: User) -> None:
    set_up_app(operator)
    client = Client()
    answer = client.post("/admin/login/", {"username": OPERATOR, "password": "correct horse battery", "next": "/admin/"})
    assert answer["Location"] == "/accounts/login/?next=%2Fadmin%2F"
    assert "_auth_user_id" not in client.session


def test_a_recovery_code_signs_in_and_is_no_factor_of_its_own(operator: User) -> None:
    set_up_app(operator)
    codes = RecoveryCodes.activate(operator).get_unused_codes()
    client = sign_in(operator)
    client.post("/accounts/2fa/authenticate/", {"code": codes[0]})
    assert client.get("/admin/").status_code == 200
    Authenticator.objects.exclude(type="recovery_codes").delete()
    assert client.get("/admin/")["Location"] == SET_UP


def test_a_session_from_before_is_asked_too(operator: User, settings: Any) -> None:
    settings.OPERATORS_NEED_SECOND_FACTOR = False
    client = sign_in(operator)
    assert client.get("/admin/").status_code == 200
    settings.OPERATORS_NEED_SECOND_FACTOR = True
    assert client.get("/admin/")["Location"] == SET_UP


def test_a_session_that_never_showed_the_factor_shows_it_first(operator: User) -> None:
    client = sign_in(operator)
    set_up_app(operator)  # elsewhere
    asked = client.get("/admin/workspaces/workspace/?q=acme")
    assert asked["Location"] == "/accounts/2fa/reauthenticate/?next=%2Fadmin%2Fworkspaces%2Fworkspace%2F%3Fq%3Dacme"
    assert client.post(ADD, {"name": "Acme"})["Location"] == "/accounts/2fa/reauthenticate/?next=%2Fadmin%2F"
    back = client.post(asked["Location"], {"code": code(), "next": "/admin/workspaces/workspace/?q=acme"})
    assert back["Location"] == "/admin/workspaces/workspace/?q=acme"
    assert client.get("/admin/").status_code == 200


def test_a_person_who_becomes_an_operator_later_is_asked(customer: User) -> None:
    client = sign_in(customer)
    assert client.get("/admin/").status_code == 302
    User.objects.filter(pk=customer.pk).update(is_staff=True)
    assert client.get("/admin/")["Location"] == SET_UP


@commits
def test_after_the_last_factor_is_removed_the_console_is_closed(operator: User) -> None:
    client = sign_in(operator)
    set_up_app_on_the_page(client)
    assert client.get("/admin/").status_code == 200
    client.post("/accounts/2fa/totp/deactivate/")
    assert not Authenticator.objects.exists()
    assert client.get("/admin/")["Location"] == SET_UP


def test_customers_are_not_asked(customer: User) -> None:
    client = sign_in(customer)
    assert client.get("/").status_code == 200
    assert client.get("/admin/")["Location"] == "/admin/login/?next=/admin/"


def test_an_operator_is_still_made_on_the_command_line() -> None:
    os.environ["DJANGO_SUPERUSER_PASSWORD"] = "correct horse battery"
    try:
        call_command("createsuperuser", "--noinput", email="first@omixa.example")
    finally:
        del os.environ["DJANGO_SUPERUSER_PASSWORD"]
    assert sign_in(User.objects.get(email="first@omixa.example")).get("/admin/")["Location"] == SET_UP


@pytest.mark.parametrize(
    ("environment", "needed"),
    [
        ({"OMIXA_ENV": "production"}, "True"),
        ({"OMIXA_ENV": "production", "OPERATORS_NEED_SECOND_FACTOR": "off"}, "False"),
        ({}, "False"),
        ({"OPERATORS_NEED_SECOND_FACTOR": "on"}, "True"),
    ],
)
def test_production_needs_it_unless_switched_off_and_development_does_not(environment: dict[str, str], needed: str) -> None:
    fit = {
        "SECRET_KEY": secrets.token_urlsafe(50),
        "PUBLIC_URL": "https://billing.example.com",
        "ALLOWED_HOSTS": "billing.example.com",
    }
    show = "from django.conf import settings; print(settings.OPERATORS_NEED_SECOND_FACTOR)"
    known = {name: value for name, value in os.environ.items() if name not in ("OMIXA_ENV", "DEBUG")}
    known |= {"DJANGO_SETTINGS_MODULE": "omixa_billing.settings", **(fit if environment else {}), **environment}
    done = subprocess.run([sys.executable, "-c", show], env=known, capture_output=True, text=True, timeout=60)
    assert (done.stdout.strip(), done.returncode) == (needed, 0), done.stderr


def test_a_wrong_code_after_the_right_password_is_an_entry_of_each_workspace_of_the_person(customer: User) -> None:
    for name in ("Acme", "Rival"):
        Membership.objects.create(workspace=make_workspace(name), user=customer, role="owner")
    set_up_app(customer)
    Client().post("/accounts/login/", {"login": customer.email, "password": "wrong"})  # does not fold the codes away
    client = sign_in(customer)
    for wrong in ("000000", "000001", "000002"):
        assert client.post("/accounts/2fa/authenticate/", {"code": wrong}).status_code == 200
    places = ("Acme", "Rival")
    assert refusals() == [
        *(("nobody", customer.email, place, {}) for place in places),
        *(("nobody", customer.email, place, {"kind": "totp"}) for place in places),
    ]


def test_a_wrong_code_of_an_operator_is_an_entry_of_no_workspace(operator: User) -> None:
    set_up_app(operator)
    sign_in(operator).post("/accounts/2fa/authenticate/", {"code": "000000"})
    assert refusals() == [("nobody", OPERATOR, None, {"kind": "totp"})]
