"""How often a password may be tried, and that no stranger can use up another person's tries."""

import re
from typing import Any

import pytest
import time_machine
from django.contrib.auth.hashers import MD5PasswordHasher
from django.core import mail
from django.core.cache import cache
from django.test import Client
from django.utils import timezone

from tests.kit.concurrent import at_once
from tests.kit.factories import NOW
from tests.kit.people import PASSWORD, a_member
from workspaces.models import SharedValue, Workspace
from workspaces.shared_cache import forget_expired

LOGIN, RESET = "/accounts/login/", "/accounts/password/reset/"
NOT_IT = "not it"
ADA = "ada@acme.example"
WRONG, LIMITED, SIGNED_IN = "wrong", "limited", "signed in"


@pytest.fixture
def few_from_anywhere(settings: Any) -> None:
    """An account's limit over all addresses, as low as a test can wait for."""
    assert settings.ACCOUNT_RATE_LIMITS["login_failed_anywhere"] == "50/h/key"
    settings.ACCOUNT_RATE_LIMITS = settings.ACCOUNT_RATE_LIMITS | {"login_failed_anywhere": "6/h/key"}


def sign_out(browser: Client) -> None:
    assert browser.post("/accounts/logout/").status_code == 302


@pytest.fixture
def ada(acme: Workspace) -> str:
    a_member(acme, "owner", ADA)
    return ADA


def attempt(email: str, password: str = NOT_IT, address: str = "192.0.2.1", browser: Client | None = None) -> str:
    answer = (browser or Client()).post(LOGIN, {"login": email, "password": password}, REMOTE_ADDR=address)
    if answer.status_code == 302:
        return SIGNED_IN
    assert answer.status_code == 200, answer.status_code
    return LIMITED if "Too many attempts failed" in answer.content.decode() else WRONG


def attempts(count: int, *arguments: Any, **more: Any) -> list[str]:
    return [attempt(*arguments, **more) for _ in range(count)]


def test_a_sixth_try_from_one_address_is_refused_for_five_minutes(ada: str) -> None:
    with time_machine.travel(NOW, tick=False) as clock:
        assert attempts(6, ada) == [WRONG] * 5 + [LIMITED]
        assert attempt(ada, PASSWORD) == LIMITED
        clock.shift(301)
        assert attempt(ada, PASSWORD) == SIGNED_IN


def test_failures_at_other_accounts_do_not_make_them_forgotten(ada: str) -> None:
    """Each process remembered 300 entries: 160 failures of others pushed these out."""
    attempts(5, ada)
    for number in range(400):
        cache.set(f"another-{number}", [1.0], 300)
    assert attempt(ada, PASSWORD) == LIMITED


def test_one_address_tries_twenty_accounts_a_minute(ada: str) -> None:
    assert [attempt(f"person{number}@acme.example") for number in range(21)] == [WRONG] * 20 + [LIMITED]
    assert attempt(ada, PASSWORD) == LIMITED
    assert attempt(ada, PASSWORD, address="192.0.2.2") == SIGNED_IN


def test_addresses_of_one_ipv6_connection_count_together(ada: str) -> None:
    assert [attempt(ada, address=f"2001:db8::{number}") for number in range(1, 7)] == [WRONG] * 5 + [LIMITED]
    assert attempt(ada, PASSWORD, address="2001:db8:0:1::1") == SIGNED_IN


def test_an_account_attacked_from_many_addresses_still_lets_its_person_in(ada: str, few_from_anywhere: None) -> None:
    own = Client()
    assert attempt(ada, PASSWORD, "198.51.100.1", own) == SIGNED_IN
    sign_out(own)
    guesses = [attempt(ada, address=f"203.0.113.{number}") for number in range(8)]
    assert guesses == [WRONG] * 6 + [LIMITED] * 2
    assert attempt(ada, PASSWORD, "198.51.100.2") == LIMITED  # a browser that nobody knows
    assert attempts(5, ada, address="198.51.100.1", browser=own) == [WRONG] * 5  # tries of its own, which are limited too
    assert attempt(ada, PASSWORD, "198.51.100.1", own) == LIMITED


def test_a_known_browser_signs_in_during_an_attack_from_its_own_address(ada: str) -> None:
    own = Client()
    attempt(ada, PASSWORD, browser=own)
    sign_out(own)
    assert attempts(6, ada)[-1] == LIMITED
    assert attempt(ada, PASSWORD, browser=own) == SIGNED_IN


def test_a_new_password_by_mail_lets_a_browser_in_that_nobody_knows(ada: str, few_from_anywhere: None) -> None:
    for number in range(7):
        attempt(ada, address=f"203.0.113.{number}")
    browser = Client()
    assert attempt(ada, PASSWORD, "198.51.100.9", browser) == LIMITED
    browser.post(RESET, {"email": ada}, REMOTE_ADDR="198.51.100.9")
    link = re.search(r"/accounts/password/reset/key/\S+", str(mail.outbox[0].body))
    assert link is not None
    form = browser.get(link[0], follow=True)
    browser.post(form.request["PATH_INFO"], {"password1": "another long one", "password2": "another long one"})
    assert attempt(ada, "another long one", "198.51.100.9", browser) == SIGNED_IN


def test_a_cookie_that_is_not_ours_makes_no_browser_known(ada: str) -> None:
    attempts(5, ada)
    for forged in ("", "x", "eyJhIjoxfQ:1abcde:x", "\x00", "{}"):
        browser = Client()
        browser.cookies["known_browser"] = forged
        assert attempt(ada, PASSWORD, browser=browser) == LIMITED


def test_a_signed_in_persons_password_is_asked_again_whatever_others_try(ada: str, few_from_anywhere: None) -> None:
    own = Client()
    attempt(ada, PASSWORD, "198.51.100.1", own)
    del own.cookies["known_browser"]
    for number in range(8):
        attempt(ada, address=f"203.0.113.{number}")
    assert own.post("/accounts/reauthenticate/", {"password": PASSWORD}).status_code == 302


def test_guessing_in_a_stolen_session_is_limited(ada: str) -> None:
    own = Client()
    attempt(ada, PASSWORD, browser=own)
    for _ in range(5):
        assert own.post("/accounts/reauthenticate/", {"password": "wrong"}).status_code == 200
    assert own.post("/accounts/reauthenticate/", {"password": PASSWORD}).status_code == 200


def test_the_console_signs_in_by_the_same_page(ada: str) -> None:
    answer = Client().post("/admin/login/", {"username": ada, "password": PASSWORD})
    assert (answer.status_code, answer["Location"].partition("?")[0]) == (302, LOGIN)


def test_a_persons_mailbox_is_not_filled_with_links(ada: str) -> None:
    statuses = [Client().post(RESET, {"email": ada}, REMOTE_ADDR=f"192.0.2.{n}").status_code for n in range(5)]
    assert statuses == [302, 302, 302, 429, 429]
    assert len(mail.outbox) == 3


@pytest.mark.parametrize("email", [ADA, "nobody@acme.example"])
def test_a_failed_sign_in_hashes_the_password_once(ada: str, email: str, monkeypatch: pytest.MonkeyPatch) -> None:
    hashed: list[str] = []
    encode = MD5PasswordHasher.encode

    def counted(self: Any, password: str, *arguments: Any) -> str:
        hashed.append(password)
        return encode(self, password, *arguments)

    monkeypatch.setattr(MD5PasswordHasher, "encode", counted)
    assert attempt(email, "not it") == WRONG
    assert hashed == ["not it"]


def test_a_limited_sign_in_hashes_nothing(ada: str, monkeypatch: pytest.MonkeyPatch) -> None:
    attempts(5, ada)
    monkeypatch.setattr("django.contrib.auth.hashers.MD5PasswordHasher.encode", None)
    assert attempt(ada, PASSWORD) == LIMITED


def test_the_shared_cache_is_a_cache(db: None) -> None:
    with time_machine.travel(NOW, tick=False) as clock:
        assert cache.get("a") is None
        cache.set("a", [1.5, {"b": "c"}], 60)
        assert cache.get("a") == [1.5, {"b": "c"}]
        assert (cache.add("a", "later", 60), cache.add("b", 1, 30)) == (False, True)
        clock.shift(31)
        assert (cache.get("a"), cache.get("b", "gone")) == ([1.5, {"b": "c"}], "gone")
        assert cache.add("b", "again", 30)
        assert (cache.touch("a", 600), cache.touch("nothing", 600)) == (True, False)
        clock.shift(31)
        assert cache.get("a") == [1.5, {"b": "c"}]
        cache.set("for_ever", None, None)
        assert cache.get("for_ever", "absent") is None
        assert "for_ever" in cache
        assert (cache.delete("a"), cache.delete("a")) == (True, False)


@pytest.mark.django_db(transaction=True)
def test_of_many_that_add_a_key_at_once_one_is_first() -> None:
    assert sorted(at_once(*[lambda: cache.add("lock", 1, 60)] * 8)) == [False] * 7 + [True]


def test_what_is_past_its_time_is_dropped(db: None) -> None:
    with time_machine.travel(NOW, tick=False):
        cache.set("short", 1, 60)
        cache.set("long", 1, 600)
        cache.set("for_ever", 1, None)
        assert forget_expired(NOW) == 0
    with time_machine.travel(NOW, tick=False) as clock:
        clock.shift(61)
        assert forget_expired(timezone.now()) == 1
    assert sorted(SharedValue.objects.values_list("key", flat=True)) == [":1:for_ever", ":1:long"]
