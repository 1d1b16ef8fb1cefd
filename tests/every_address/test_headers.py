"""Every answer to every caller tells the browser what the page may do and who may keep a copy."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.http import HttpResponse
from django.test import Client, override_settings

from omixa_billing.http.addresses import API
from tests.every_address.addresses import every_address
from tests.every_address.conftest import Look
from tests.kit.world import World

ROOT = Path(__file__).resolve().parents[2]
# What everybody may see, and so a browser may keep as long as it asks whether it is still the same.
PUBLIC = [
    "/",
    "/models",
    "/models/codex-mini",
    "/api/v1/models",
    "/api/v1/models/codex-mini",
    "/api/v1/schema/",
    "/api/v1/docs/",
]
PAGES = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; "
    "form-action 'self' https://checkout.stripe.com; frame-ancestors 'none'; base-uri 'none'; object-src 'none'"
)
CONSOLE = (
    "default-src 'none'; script-src 'self' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "font-src 'self'; connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'; object-src 'none'; "
    "style-src-elem 'self'; style-src-attr 'unsafe-inline'"
)
FILES = "default-src 'none'; form-action 'none'; frame-ancestors 'none'; base-uri 'none'"
ALWAYS = {
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


def policy_for(path: str, answer: HttpResponse) -> str:
    if not answer.headers.get("Content-Type", "").startswith("text/html"):
        return FILES
    return CONSOLE if path.startswith("/admin/") else PAGES


def check(path: str, answer: HttpResponse, may_be_kept: bool) -> None:
    assert answer.status_code < 500, path
    assert answer.headers["Content-Security-Policy"] == policy_for(path, answer), path
    assert {name: answer.headers.get(name) for name in ALWAYS} == ALWAYS, path
    assert "camera=()" in answer.headers["Permissions-Policy"]
    assert "publickey-credentials-get=(self)" in answer.headers["Permissions-Policy"]
    assert "Strict-Transport-Security" not in answer.headers
    kept = answer.headers["Cache-Control"]
    assert (kept == "no-cache") if may_be_kept else ("no-store" in kept), (path, kept)


def test_every_address_says_so_to_strangers(world: World, stranger: Client, look: Look) -> None:
    for path in every_address(world):
        check(path, look(stranger, path), may_be_kept=path in PUBLIC)


def test_every_address_says_so_to_members_and_nothing_is_kept(world: World, owner: Client, look: Look) -> None:
    for path in every_address(world):
        if "logout" not in path:
            check(path, look(owner, path), may_be_kept=False)


def test_every_address_says_so_to_operators_and_nothing_is_kept(world: World, operator: Client, look: Look) -> None:
    addresses = every_address(world)
    assert len([path for path in addresses if path.startswith("/admin/")]) > 100
    for path in addresses:
        if "logout" not in path:
            check(path, look(operator, path), may_be_kept=False)


def test_answers_to_a_key_are_not_kept(world: World) -> None:
    for caller in ("admin key", "live key", "gateway"):
        for path in every_address(world):
            if path.startswith((*API, "/gateway/")):
                answer = Client(headers=world.callers[caller], raise_request_exception=False).get(path)
                check(path, answer, may_be_kept=False)


def test_refusals_before_any_view_have_the_headers_too(client: Client) -> None:
    for path, answer in (
        ("/api/v1/usage", client.get("/api/v1/usage", headers={"host": "evil.example"})),
        ("/keys", client.get("/keys", headers={"host": "evil.example"})),
        ("/keys", client.post("/keys", CONTENT_LENGTH="-1")),
    ):
        assert answer.status_code == 400
        check(path, answer, may_be_kept=False)


def test_a_page_that_is_still_the_same_keeps_its_policy(client: Client, world: World) -> None:
    """A 304 has no type; the policy of a file would take the place of the kept page's, and its style and scripts be blocked."""
    etag = client.get("/models")["ETag"]
    again = client.get("/models", headers={"if-none-match": etag})
    assert (again.status_code, "Content-Security-Policy" in again.headers) == (304, False)


def test_a_public_page_is_kept_only_without_a_session(client: Client, world: World) -> None:
    """A page with "You have signed out." on it would say so to the next one too."""
    answer = client.get("/")
    assert (answer.headers["Cache-Control"], "Cookie" in answer.headers["Vary"]) == ("no-cache", True)
    client.cookies["sessionid"] = "x" * 32
    assert client.get("/").headers["Cache-Control"] == "no-store"


def settings_with(**environment: str) -> dict[str, object]:
    names = ["SESSION_COOKIE_NAME", "CSRF_COOKIE_NAME", "HSTS_SECONDS", "SESSION_COOKIE_SECURE", "CSRF_COOKIE_SECURE"]
    code = f"import json, omixa_billing.settings as s; print(json.dumps({{n: getattr(s, n) for n in {names}}}))"
    ran = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return json.loads(ran.stdout)


def test_where_the_address_is_https_cookies_are_bound_to_the_host_and_browsers_stay_on_https() -> None:
    assert settings_with(PUBLIC_URL="https://billing.example.com") == {
        "SESSION_COOKIE_NAME": "__Host-sessionid",
        "CSRF_COOKIE_NAME": "__Host-csrftoken",
        "HSTS_SECONDS": 31_536_000,
        "SESSION_COOKIE_SECURE": True,
        "CSRF_COOKIE_SECURE": True,
    }
    assert settings_with(PUBLIC_URL="https://b.example.com", HSTS_SECONDS="60")["HSTS_SECONDS"] == 60
    plain = settings_with(PUBLIC_URL="http://127.0.0.1:8000", HSTS_SECONDS="60")
    assert (plain["SESSION_COOKIE_NAME"], plain["HSTS_SECONDS"]) == ("sessionid", 0)


@pytest.mark.parametrize("path", ["/accounts/login/", "/healthz", "/api/v1/usage", "/nothing"])
def test_strict_transport_is_said_on_every_answer(client: Client, db: None, path: str) -> None:
    with override_settings(HSTS_SECONDS=31_536_000):
        assert client.get(path).headers["Strict-Transport-Security"] == "max-age=31536000"


@override_settings(
    SESSION_COOKIE_NAME="__Host-sessionid",
    CSRF_COOKIE_NAME="__Host-csrftoken",
    KNOWN_BROWSER_COOKIE="__Host-known_browser",
    SECURE_COOKIES=True,
    SESSION_COOKIE_SECURE=True,
    CSRF_COOKIE_SECURE=True,
)
def test_the_cookies_of_a_sign_in_are_what_their_prefix_demands(world: World) -> None:
    client = Client()
    client.get("/accounts/login/", secure=True)
    client.post("/accounts/login/", {"login": "owner@acme.example", "password": "a long enough password"}, secure=True)
    assert set(client.cookies) == {"__Host-sessionid", "__Host-csrftoken", "__Host-known_browser"}
    for cookie in client.cookies.values():
        assert (cookie["secure"], cookie["path"], cookie["domain"], cookie["samesite"]) == (True, "/", "", "Lax")
    assert client.cookies["__Host-sessionid"]["httponly"] is True
    assert client.get("/keys", secure=True).status_code == 200
