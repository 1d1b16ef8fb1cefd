"""How much one caller may ask for: by credential once it is known to be good, by address until then."""

import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.test import Client
from redis import Redis

from omixa_billing.environment import Environment
from omixa_billing.rate_limits import store
from omixa_billing.rate_limits.configuration import broker_as_redis, rate_limits, redis_url
from omixa_billing.rate_limits.rates import RequestRate, parse_request_rate
from tests.kit.people import PASSWORD, a_key, a_member, acme
from workspaces.models import Workspace

__all__ = ["acme"]

KEY, KEYS, MODELS, LOGIN = "/api/v1/key", "/api/v1/keys", "/api/v1/models", "/accounts/login/"


def ask(path: str, secret: str | None = None, address: str = "192.0.2.1", browser: Client | None = None) -> Any:
    headers = {} if secret is None else {"authorization": f"Bearer {secret}"}
    return (browser or Client()).get(path, REMOTE_ADDR=address, headers=headers)


def statuses(count: int, path: str, *arguments: Any, **more: Any) -> list[int]:
    return [ask(path, *arguments, **more).status_code for _ in range(count)]


def limits_of(answer: Any) -> tuple[str, ...]:
    return tuple(answer[f"RateLimit-{name}"] for name in ("Limit", "Remaining", "Reset", "Policy"))


def test_a_key_counts_by_itself_wherever_it_comes_from(acme: Workspace, counting: Redis) -> None:
    _, secret = a_key(acme)
    _, other = a_key(acme)
    answers = [ask(KEY, secret, f"192.0.2.{number}") for number in range(6)]
    assert [answer.status_code for answer in answers] == [200] * 5 + [429]
    left = [int(answer["RateLimit-Reset"]) for answer in answers]
    assert limits_of(answers[1]) == ("5", "3", str(left[1]), "5;w=60")
    assert limits_of(answers[5]) == ("5", "0", str(left[5]), "5;w=60")
    assert 60 >= left[1] >= left[5] >= 1
    assert answers[5].json() == {
        "error": {
            "message": f"Too many requests: send the next one in {left[5]} seconds, and no more than RateLimit-Policy allows.",
            "type": "rate_limit_error",
            "code": "rate_limited",
            "param": None,
        }
    }
    assert answers[5]["Retry-After"] == str(left[5])
    assert statuses(5, KEY, other) == [200] * 5


def test_a_key_has_one_limit_however_its_header_is_written(acme: Workspace, counting: Redis) -> None:
    _, secret = a_key(acme)
    written = [f"Bearer {secret}", f"bearer  {secret}", f"BEARER   {secret} ", f"bEARER {secret}", f" Bearer {secret}"]
    answers = [Client().get(KEY, REMOTE_ADDR="192.0.2.1", headers={"authorization": each}) for each in written * 2]
    assert [answer.status_code for answer in answers] == [200] * 5 + [429] * 5


def test_another_scheme_beside_a_session_gives_it_no_other_limit(acme: Workspace, counting: Redis) -> None:
    browser = Client()
    browser.force_login(a_member(acme, "owner").user)
    schemes = [{"authorization": f"Basic {number}"} for number in range(6)]
    answers = [browser.get("/keys", REMOTE_ADDR="192.0.2.1", headers=each) for each in schemes]
    assert [answer.status_code for answer in answers] == [200] * 5 + [429]


def test_a_window_ends_after_its_time(acme: Workspace, counting: Redis) -> None:
    _, secret = a_key(acme)
    statuses(6, KEY, secret)
    for bucket in counting.scan_iter(f"{store.PREFIX}rate:*"):
        counting.pexpire(bucket, 1)
    while any(counting.scan_iter(f"{store.PREFIX}rate:*")):
        time.sleep(0.001)
    assert ask(KEY, secret).status_code == 200


def test_without_a_credential_the_address_counts(acme: Workspace, counting: Redis) -> None:
    assert statuses(4, MODELS) == [200] * 3 + [429]
    assert ask(MODELS, address="192.0.2.2").status_code == 200


def test_made_up_credentials_count_for_the_address(acme: Workspace, counting: Redis) -> None:
    refused = [ask(KEY, f"omx_live_{number:036}").status_code for number in range(4)]
    assert refused == [401] * 3 + [429]
    assert ask(MODELS, "never looked at").status_code == 429
    assert ask(MODELS, "never looked at", "192.0.2.2").status_code == 200


def test_a_key_that_is_known_is_not_refused_for_its_neighbours(acme: Workspace, counting: Redis) -> None:
    _, secret = a_key(acme)
    assert ask(KEY, secret).status_code == 200
    assert statuses(4, MODELS) == [200] * 3 + [429]
    assert statuses(4, KEY, secret) == [200] * 4


def test_a_signed_in_person_counts_by_session(acme: Workspace, counting: Redis) -> None:
    browser = Client()
    browser.force_login(a_member(acme, "owner").user)
    assert statuses(6, "/keys", browser=browser) == [200] * 5 + [429]
    page = ask("/keys", browser=browser)
    assert page["Content-Type"].startswith("text/html")
    assert "Too many requests" in page.content.decode()
    assert 1 <= int(page["Retry-After"]) <= 60


def test_sign_ins_count_by_address_whatever_becomes_of_them(acme: Workspace, counting: Redis) -> None:
    a_member(acme, "owner")
    form = {"login": "owner@acme.example", "password": PASSWORD}
    assert [Client().post(LOGIN, form, REMOTE_ADDR="192.0.2.1").status_code for _ in range(3)] == [302, 302, 429]
    assert Client().post(LOGIN, form, REMOTE_ADDR="192.0.2.2").status_code == 302


def test_secrets_of_invitations_are_tried_as_rarely_as_passwords(db: None, counting: Redis) -> None:
    assert [ask(f"/invitations/guess-{number}").status_code == 429 for number in range(3)] == [False, False, True]


@pytest.mark.parametrize("path", ["/webhooks/stripe", "/secret-scanning"])
def test_what_providers_send_counts_by_address(db: None, counting: Redis, path: str) -> None:
    answers = [Client().post(path, b"{}", content_type="application/json") for _ in range(3)]
    assert answers[2].json()["error"]["code"] == "rate_limited"
    assert [answer.status_code == 429 for answer in answers] == [False, False, True]


def test_gateways_health_and_files_are_never_counted(db: None, counting: Redis) -> None:
    for path in ("/gateway/v1/events", "/gateway/v1/batches/bat_x", "/healthz", "/static/website/website.css"):
        assert not any("RateLimit-Limit" in ask(path) for _ in range(4)), path
    assert counting.dbsize() == 0


@pytest.mark.parametrize("path", ["/static/nothing", "/healthz-nothing", "/healthz/", "/healthz/nothing", "/nothing"])
def test_addresses_that_only_begin_like_health_and_files_count(path: str, db: None, counting: Redis) -> None:
    assert statuses(4, path) == [404] * 3 + [429]


def test_no_secret_is_kept_in_the_store(acme: Workspace, counting: Redis) -> None:
    _, secret = a_key(acme)
    ask(KEY, secret)
    kept = b" ".join(counting.scan_iter("*")).decode()
    assert "rate:api:" in kept
    assert secret not in kept
    assert secret[-8:] not in kept


def test_a_group_can_be_switched_off(acme: Workspace, counting: Redis, settings: Any) -> None:
    settings.RATE_LIMITS = settings.RATE_LIMITS | {"api": "off", "anonymous": "off"}
    answers = [ask(MODELS) for _ in range(7)]
    assert [(answer.status_code, "RateLimit-Limit" in answer) for answer in answers] == [(200, False)] * 7


@pytest.fixture
def hanging(tmp_path: Path) -> Iterator[Path]:
    """A socket that takes connections and never answers."""
    path = tmp_path / "hanging.sock"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        server.listen(64)
        yield path


def test_a_store_that_hangs_refuses_nobody_and_is_asked_once_in_a_while(
    acme: Workspace, counting: Redis, hanging: Path, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.LIMITS_REDIS_URL = f"unix://{hanging}"
    monkeypatch.setattr(store, "QUIET_SECONDS", 600.0)
    monkeypatch.setattr(store, "TIMEOUT_SECONDS", 0.05)
    store.forget_connection()
    asked: list[float] = []
    registered = store._registered

    def counted(text: str) -> Any:
        asked.append(time.monotonic())
        return registered(text)

    with monkeypatch.context() as patched:
        patched.setattr(store, "_registered", counted)
        answers = [ask(MODELS) for _ in range(8)]
        assert [(answer.status_code, "RateLimit-Limit" in answer) for answer in answers] == [(200, False)] * 8
        assert len(asked) == 1
        patched.setattr(store._breaker, "_quiet_until", time.monotonic() - 1)
        assert statuses(3, MODELS) == [200] * 3
        assert len(asked) == 2


def test_a_store_that_is_away_refuses_nobody_and_counts_again_once_it_is_back(
    acme: Workspace, counting: Redis, redis_socket: Path, tmp_path: Path, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "QUIET_SECONDS", 600.0)
    place = tmp_path / "away.sock"
    settings.LIMITS_REDIS_URL = f"unix://{place}"
    store.forget_connection()
    assert statuses(8, MODELS) == [200] * 8
    assert store._breaker._quiet_until > 0
    place.symlink_to(redis_socket)
    monkeypatch.setattr(store._breaker, "_quiet_until", time.monotonic() - 1)
    assert statuses(4, MODELS) == [200] * 3 + [429]


@pytest.mark.parametrize(
    ("text", "rate"),
    [("1200/m", RequestRate(1200, 60)), ("5/s", RequestRate(5, 1)), ("1/h", RequestRate(1, 3600)), ("off", None)],
)
def test_a_rate_is_a_number_per_time(text: str, rate: RequestRate | None) -> None:
    assert parse_request_rate(text) == rate


@pytest.mark.parametrize("text", ["", "0/m", "1200", "-5/m", "1.5/m", "5/d", "5/m ", "1200/m,5/s"])
def test_what_is_no_rate_is_refused_at_the_start(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RATE_LIMITS", "on")
    monkeypatch.setenv("RATE_LIMIT_API", text)
    env = Environment()
    assert rate_limits(env)["api"] == "1200/m"
    assert str(env.faults[0]).startswith(f"RATE_LIMIT_API: {text!r} is not a rate: write one as 1200/m")


@pytest.mark.parametrize(
    ("broker", "expected"),
    [
        ("redis://:secret@cache:6379/2", "redis://:secret@cache:6379/2"),
        ("rediss://cache", "rediss://cache"),
        ("redis+socket:///run/my%20redis.sock?virtual_host=3", "unix:///run/my%20redis.sock?db=3"),
        ("redis+socket:///run/redis.sock", "unix:///run/redis.sock?db=0"),
        ("redis://a;redis://b", None),
        ("sentinel://a:26379", None),
        ("amqp://mq", None),
    ],
)
def test_processes_count_in_the_broker_when_it_is_one_redis(broker: str, expected: str | None) -> None:
    assert broker_as_redis(broker) == expected


def test_another_redis_can_be_named_and_the_embedded_one_is_the_last_resort() -> None:
    assert redis_url("redis://own", "redis://broker") == "redis://own"
    assert redis_url("", "redis://broker") == "redis://broker"
    assert redis_url("", "amqp://mq").endswith("/redis.sock")
    with pytest.raises(ImproperlyConfigured, match="REDIS_URL is not the address of a Redis server"):
        redis_url("http://cache", "")
