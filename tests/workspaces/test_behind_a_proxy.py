"""Sign-in limits as they hold in production: two web processes behind a real proxy, and a restart."""

from pathlib import Path
from typing import Any

import httpx
import pytest
from django.conf import global_settings

from tests.kit.people import PASSWORD, a_member
from tests.workspaces.behind_a_proxy import NGINX, Site, running_site
from workspaces.models import Workspace

LOGIN = "/accounts/login/"
TOO_MANY = "Too many attempts failed."
WRONG = "The email address and/or password you specified are not correct."

pytestmark = pytest.mark.skipif(not NGINX.exists(), reason="nginx is not installed: run scripts/debian.sh nginx-light")


@pytest.fixture(autouse=True)
def _hashes_that_other_processes_know(_passwords_are_cheap: None, settings: Any) -> None:
    settings.PASSWORD_HASHERS = global_settings.PASSWORD_HASHERS


def sign_in(browser: httpx.Client, email: str, password: str, **headers: str) -> httpx.Response:
    if "csrftoken" not in browser.cookies:
        browser.get(LOGIN)
    form = {"login": email, "password": password, "csrfmiddlewaretoken": browser.cookies["csrftoken"]}
    return browser.post(LOGIN, data=form, headers=headers)


def outcome(answer: httpx.Response) -> str:
    if answer.status_code == 302:
        return "signed in"
    return "limited" if TOO_MANY in answer.text else "wrong" if WRONG in answer.text else f"{answer.status_code}"


def test_limits_hold_across_processes_and_restarts_and_count_the_caller_and_not_the_proxy(
    transactional_db: None, acme: Workspace, tmp_path: Path
) -> None:
    for email in ("ada@acme.example", "bob@acme.example"):
        a_member(acme, "owner", email)
    with running_site(tmp_path) as site:
        attacked_from_one_address(site)


def attacked_from_one_address(site: Site) -> None:
    attacker, person = site.browser("127.0.0.2"), site.browser("127.0.0.3")
    answers = [sign_in(attacker, "ada@acme.example", "wrong", **{"X-Forwarded-For": f"8.8.8.{n}"}) for n in range(5)]
    assert [outcome(answer) for answer in answers] == ["wrong"] * 5
    assert {answer.headers["X-Upstream"] for answer in answers} == {f"127.0.0.1:{port}" for port in site.web_ports}
    # Too many for this account from there: not even with the right password, in neither process, nor after a restart.
    assert [outcome(sign_in(attacker, "ada@acme.example", PASSWORD)) for _ in range(2)] == ["limited"] * 2
    site.restart_web()
    assert [outcome(sign_in(attacker, "ada@acme.example", PASSWORD)) for _ in range(2)] == ["limited"] * 2
    # Nine attempts so far; eleven more on other accounts are too many for the address.
    others = [outcome(sign_in(attacker, f"other{n}@acme.example", "wrong")) for n in range(11)]
    assert others == ["wrong"] * 11
    assert outcome(sign_in(attacker, "bob@acme.example", PASSWORD)) == "limited"
    # None of it reaches the people, who come through the same proxy.
    assert outcome(sign_in(person, "ada@acme.example", PASSWORD)) == "signed in"
    assert outcome(sign_in(site.browser("127.0.0.3"), "bob@acme.example", PASSWORD)) == "signed in"
