"""Before an act a person confirms who they are. What was typed is kept meanwhile, and acts once."""

import os
import re
import zlib
from base64 import urlsafe_b64encode
from datetime import timedelta
from decimal import Decimal
from html import unescape
from typing import Any

import pytest
import time_machine
from django.conf import settings as project
from django.core.cache import cache
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, reverse

from metering.catalogue.imports.models import PriceImport
from metering.credits.models import CreditGrant
from tests.kit.factories import NOW, make_key, make_workspace
from tests.workspaces.signin.conftest import PASSWORD, code, refusals, set_up_app, show_code, sign_in
from workspaces.keys import issue
from workspaces.models import APIKey, Membership, User, Workspace

IMPORT = "/admin/metering/priceimport/add/"
ASKED = "<h1>Confirm that it is you</h1>"


@pytest.fixture
def acme(customer: User) -> Workspace:
    workspace = make_workspace("Acme")
    Membership.objects.create(workspace=workspace, user=customer, role="owner")
    return workspace


def asks(answer: Any) -> bool:
    return answer.status_code == 200 and ASKED in answer.content.decode()


def confirmed(client: Client, path: str, answer: Any, **with_what: str) -> Any:
    """What the page that asks sends: what it kept, and what confirms it."""
    fields = re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)">', answer.content.decode())
    kept = {unescape(name): unescape(value) for name, value in fields if name != "csrfmiddlewaretoken"}
    return client.post(path, kept | {f"confirm-{name}": value for name, value in with_what.items()})


def acts() -> list[tuple[str, str]]:
    """Every page of the console and the customers, and every address of the API, as (name, path)."""
    found = []

    def under(resolver: URLResolver, name: str, before: str) -> None:
        for each in resolver.url_patterns:
            path = before + str(each.pattern)
            if isinstance(each, URLResolver):
                under(each, each.namespace or name, path)
            elif isinstance(each, URLPattern) and (name or path.startswith("/api/")):
                found.append((f"{name}:{each.name}", re.sub(r"<[^>]+>", "1", path)))

    under(get_resolver(), "", "/")
    return [(name, "/admin/nowhere" if "(?P<url>" in path else re.sub(r"\(\?P.*", "workspaces/", path)) for name, path in found]


def test_every_act_of_the_console_the_pages_and_the_api_asks_but_for_a_short_list(acme: Workspace, operator: User) -> None:
    Membership.objects.create(workspace=acme, user=operator, role="owner")
    client, asked, free = sign_in(operator), [], set()
    for name, path in acts():
        cache.clear()
        if name in project.ACTS_WITHOUT_CONFIRMATION:
            free.add(name)
            continue
        answer = client.post(path.replace("^", ""), {"name": "typed", "form_token": "x"})
        if path.startswith("/api/"):
            assert (answer.status_code, answer.json()["error"]["code"]) == (403, "confirmation_required"), path
        else:
            assert asks(answer), (name, path, answer.status_code)
        asked.append(name)
    assert free == set(project.ACTS_WITHOUT_CONFIRMATION)
    assert len(asked) > 200
    for name in (
        *("invoice_mark_paid", "invoice_void", "invoice_finalize", "invoice_credit", "invoice_close_month", "payment_refund"),
        *("creditgrant_withdraw", "priceversion_succeed", "priceversion_withdraw", "rerating_order", "webhookevent_replay"),
        *("languagemodel_add_price", "jobrun_now", "taxrate_add", "creditnote_retry_refund_of_note", "invoice_changelist"),
    ):
        assert f"admin:metering_{name}" in asked
    for name in (
        *("gateway_add", "gateway_rotate", "gateway_revoke", "apikey_add", "apikey_rotate", "user_add", "user_change"),
        *("membership_change_role", "membership_remove", "workspace_billing_terms", "workspace_grant_credit"),
    ):
        assert f"admin:workspaces_{name}" in asked
    for name in (
        *("key_new", "key_rotate", "key_revoke", "members", "member_role", "member_remove"),
        *("billing_pay", "billing_failed", "billing_method", "billing_buy", "billing_preferences"),
    ):
        assert f"pages:{name}" in asked
    assert not APIKey.objects.exists()


def test_what_was_typed_is_kept_and_acts_once_confirmed(acme: Workspace, customer: User) -> None:
    client = sign_in(customer)
    typed = {"kind": "live", "name": 'Acme\'s <"key">', "expires": ""}
    asked = client.post("/keys/new", typed)
    assert asks(asked)
    assert not APIKey.objects.exists()
    wrong = confirmed(client, "/keys/new", asked, password="wrong")
    assert asks(wrong)
    assert "Incorrect password" in wrong.content.decode()
    empty = confirmed(client, "/keys/new", wrong, password="")
    assert "Enter your password" in empty.content.decode()
    made = confirmed(client, "/keys/new", empty, password=PASSWORD)
    assert "omx_live_" in made.content.decode()
    assert [key.name for key in APIKey.objects.all()] == ['Acme\'s <"key">']


def test_a_form_of_the_console_acts_once_however_often_its_confirmation_is_sent(acme: Workspace, operator: User) -> None:
    path = reverse("admin:workspaces_workspace_grant_credit", args=[acme.pk])
    client = sign_in(operator)
    token = client.get(path).context["form_token"]
    asked = client.post(path, {"kind": "goodwill", "amount": "50.00", "priority": "100", "form_token": token})
    assert asks(asked)
    assert not CreditGrant.objects.exists()
    assert confirmed(client, path, asked, password=PASSWORD).status_code == 302
    again = confirmed(client, path, asked, password=PASSWORD)
    assert "This form was already sent" in again.content.decode()
    assert [grant.amount for grant in CreditGrant.objects.all()] == [Decimal("50.00")]


def test_whoever_confirmed_is_not_asked_for_some_minutes(acme: Workspace, customer: User) -> None:
    client = sign_in(customer)
    client.post("/accounts/reauthenticate/", {"password": PASSWORD})
    with time_machine.travel(NOW + timedelta(minutes=14, seconds=59), tick=False):
        assert "omx_live_" in client.post("/keys/new", {"kind": "live", "name": "Server"}).content.decode()
    with time_machine.travel(NOW + timedelta(minutes=15), tick=False):
        assert asks(client.post("/keys/new", {"kind": "live", "name": "Another"}))
    assert APIKey.objects.count() == 1


def test_the_code_of_an_app_confirms_too(acme: Workspace, customer: User) -> None:
    set_up_app(customer)
    client = sign_in(customer)
    show_code(client)
    asked = client.post("/keys/new", {"kind": "live", "name": "Server"})
    assert "Or a code of your authenticator app" in asked.content.decode()
    wrong = confirmed(client, "/keys/new", asked, code="000000" if code() != "000000" else "000001")
    assert asks(wrong)
    cache.clear()
    assert "omx_live_" in confirmed(client, "/keys/new", wrong, code=code()).content.decode()


def test_guesses_are_counted(acme: Workspace, customer: User) -> None:
    client = sign_in(customer)
    for guess in range(12):
        answer = client.post("/keys/new", {"kind": "live", "name": "Server", "confirm-password": f"guess {guess}"})
    assert answer.status_code == 429
    assert not APIKey.objects.exists()


def test_in_the_api_a_person_confirms_and_a_key_is_not_asked(acme: Workspace, customer: User) -> None:
    client = sign_in(customer)
    refused = client.post("/api/v1/keys", {"name": "Server"}, content_type="application/json")
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "confirmation_required")
    client.post("/accounts/reauthenticate/", {"password": PASSWORD})
    assert client.post("/api/v1/keys", {"name": "Server"}, content_type="application/json").status_code == 201
    _, secret = issue.create_key(acme, "admin", "Admin", "a test", NOW)
    other = sign_in(customer)  # has a session that did not confirm, and sends a key
    made = other.post(
        "/api/v1/keys", {"name": "Other"}, content_type="application/json", headers={"authorization": f"Bearer {secret}"}
    )
    assert made.status_code == 201


def test_without_its_csrf_token_nothing_is_confirmed(acme: Workspace, customer: User) -> None:
    client = sign_in(customer, Client(enforce_csrf_checks=False))
    strict = Client(enforce_csrf_checks=True)
    strict.cookies = client.cookies
    answer = strict.post("/keys/new", {"kind": "live", "name": "Server", "confirm-password": PASSWORD})
    assert answer.status_code == 403
    assert not APIKey.objects.exists()


def test_the_page_that_asks_is_kept_by_no_cache_and_leads_back_only_here(acme: Workspace, customer: User) -> None:
    client, key = sign_in(customer), make_key(acme)
    path = f"/keys/{key.public_id}/rotate"
    for referer, back in ((f"http://testserver{path}", f"http://testserver{path}"), ("https://evil.example/", "/")):
        answer = client.post(path, {"grace": "0"}, headers={"referer": referer})
        assert "no-store" in answer["Cache-Control"]
        assert f'href="{back}">Cancel</a>' in answer.content.decode()


def test_a_stranger_is_led_to_the_sign_in_and_not_asked() -> None:
    assert Client().post("/keys/new", {"name": "x"})["Location"].startswith("/accounts/login/")


def test_a_wrong_code_and_a_wrong_password_that_should_confirm_are_entries(acme: Workspace, customer: User) -> None:
    set_up_app(customer)
    client = sign_in(customer)
    show_code(client)
    cache.clear()
    asked = client.post("/keys/new", {"kind": "live", "name": "Server", "expires": ""})
    assert asks(confirmed(client, "/keys/new", asked, code="000000"))
    assert asks(confirmed(client, "/keys/new", asked, password="wrong"))
    expected = [("nobody", customer.email, "Acme", {"kind": "totp"}), ("nobody", customer.email, "Acme", {})]
    assert refusals() == expected
    with time_machine.travel(NOW + timedelta(hours=1), tick=False):
        cache.clear()
        assert client.post("/accounts/2fa/reauthenticate/", {"code": "000000"}).status_code == 200
        assert client.post("/accounts/reauthenticate/", {"password": "wrong"}).status_code == 200
    assert refusals() == expected * 2


def import_of(content: bytes, name: str = "prices.csv") -> dict[str, Any]:
    return {"file": SimpleUploadedFile(name, content, "text/csv")}


def ask_to_import(client: Client, content: bytes, name: str = "prices.csv") -> Any:
    page = client.get(IMPORT)
    return client.post(IMPORT, {"form_token": page.context["form_token"], "markup": "10%", **import_of(content, name)})


def test_an_uploaded_file_is_kept_in_the_page_that_asks_also_after_a_wrong_password(operator: User) -> None:
    content = "model,input,output\nfür-alle,1,2\n".encode()
    client = sign_in(operator)
    asked = ask_to_import(client, content, 'pri"ces & co.csv')
    assert asks(asked)
    assert not PriceImport.objects.exists()
    again = confirmed(client, IMPORT, asked, password="wrong")
    assert asks(again)
    assert confirmed(client, IMPORT, again, password=PASSWORD).status_code == 302
    kept = PriceImport.objects.get()
    assert (kept.name, kept.text.encode(), kept.markup) == ('pri"ces & co.csv', content, Decimal("0.1"))


def test_a_file_that_is_too_large_for_the_page_is_asked_for_again(operator: User, settings: Any) -> None:
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 4_000
    asked = ask_to_import(sign_in(operator), os.urandom(3_000))
    assert asks(asked)
    assert "prices.csv is too large to come along" in asked.content.decode()
    assert "confirm-file-" not in asked.content.decode()


@pytest.mark.parametrize("sent", ["", ".", "x.y", "eA==.eA==", "é.é"])
def test_what_is_no_kept_file_is_no_file(operator: User, sent: str) -> None:
    client = sign_in(operator)
    token = client.get(IMPORT).context["form_token"]
    answer = client.post(IMPORT, {"form_token": token, "confirm-file-file": sent, "confirm-password": PASSWORD})
    assert "Choose a file, or paste its text" in answer.content.decode()


def test_a_kept_file_unpacks_to_no_more_than_an_upload_may_be(operator: User, settings: Any) -> None:
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 100_000
    client = sign_in(operator)
    token = client.get(IMPORT).context["form_token"]
    bomb = f"eA==.{urlsafe_b64encode(zlib.compress(b'x' * 1_000_000)).decode()}"
    answer = client.post(IMPORT, {"form_token": token, "confirm-file-file": bomb, "confirm-password": PASSWORD})
    assert "Choose a file, or paste its text" in answer.content.decode()
