"""Whose address a request carries: what our own proxies wrote, and never what the caller did."""

import logging

import pytest
import structlog
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest, HttpResponse
from django.test import RequestFactory
from pytest_django import Settings

from omixa_billing.environment import Environment
from omixa_billing.http.client_address import UNKNOWN, address_group, client_address
from omixa_billing.http.middleware import name_caller
from omixa_billing.rate_limits.configuration import proxy_count
from workspaces.signin.accounts import AccountAdapter


def request(peer: str = "192.0.2.10", **headers: str) -> HttpRequest:
    return RequestFactory().get("/", REMOTE_ADDR=peer, headers={name.replace("_", "-"): each for name, each in headers.items()})


def test_without_a_proxy_it_is_the_peer_whatever_the_headers_say() -> None:
    assert (
        client_address(request(X_Forwarded_For="203.0.113.7", X_Real_IP="203.0.113.8", Forwarded="for=203.0.113.9"))
        == "192.0.2.10"
    )


@pytest.mark.parametrize(
    ("count", "sent", "expected"),
    [
        (1, "203.0.113.7", "203.0.113.7"),
        (1, "198.51.100.1, 203.0.113.7", "203.0.113.7"),
        (1, "198.51.100.1,203.0.113.7", "203.0.113.7"),
        (2, "203.0.113.7, 198.51.100.1", "203.0.113.7"),
        (2, "8.8.8.8, 203.0.113.7, 198.51.100.1", "203.0.113.7"),
        (3, ", ".join(["8.8.8.8"] * 500 + ["203.0.113.7", "1.1.1.1", "2.2.2.2"]), "203.0.113.7"),
    ],
)
def test_behind_proxies_it_is_what_the_outermost_of_them_saw(count: int, sent: str, expected: str, settings: Settings) -> None:
    settings.TRUSTED_PROXY_COUNT = count
    assert client_address(request(X_Forwarded_For=sent)) == expected


@pytest.mark.parametrize(
    ("count", "sent"),
    [
        (1, ""),
        (1, ","),
        (1, "unknown"),
        (1, "203.0.113.7, _hidden"),
        (1, "203.0.113.7, 1.2.3"),
        (1, "203.0.113.7, 1.2.3.4.5:80"),
        (1, "203.0.113.7, '; DROP TABLE"),
        (1, "٢٠٣.0.113.7"),
        (1, "203.0.113.007"),
        (1, "[::1"),
        (2, "203.0.113.7"),  # it passed one proxy only, so the entry may be the caller's own
    ],
)
def test_what_is_missing_or_no_address_leaves_the_peer(count: int, sent: str, settings: Settings) -> None:
    settings.TRUSTED_PROXY_COUNT = count
    assert client_address(request(X_Forwarded_For=sent)) == "192.0.2.10"


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        ("203.0.113.7:51200", "203.0.113.7"),
        ("2001:DB8:0:0:0:0:0:1", "2001:db8::1"),
        ("[2001:db8::1]", "2001:db8::1"),
        ("[2001:db8::1]:51200", "2001:db8::1"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("[::ffff:203.0.113.7]:80", "203.0.113.7"),
        ("fe80::1%eth0", "fe80::1"),
    ],
)
def test_one_address_has_one_form(sent: str, expected: str, settings: Settings) -> None:
    assert client_address(request(peer=sent)) == expected
    settings.TRUSTED_PROXY_COUNT = 1
    assert client_address(request(X_Forwarded_For=sent)) == expected


def test_a_proxy_may_name_the_caller_in_a_header_of_its_own(settings: Settings) -> None:
    settings.TRUSTED_CLIENT_IP_HEADER = "CF-Connecting-IP"
    settings.TRUSTED_PROXY_COUNT = 1
    assert client_address(request(CF_Connecting_IP="203.0.113.7", X_Forwarded_For="8.8.8.8")) == "203.0.113.7"
    assert client_address(request(CF_Connecting_IP="203.0.113.7, 8.8.8.8", X_Forwarded_For="8.8.8.8")) == "192.0.2.10"
    assert client_address(request(X_Forwarded_For="8.8.8.8")) == "192.0.2.10"


@pytest.mark.parametrize("peer", ["", "/run/omixa.sock", "local"])
def test_a_peer_without_an_address_is_unknown(peer: str) -> None:
    assert client_address(request(peer=peer)) == UNKNOWN


@pytest.mark.parametrize(
    ("address", "group"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("2001:db8:1:2:aaaa:bbbb:cccc:dddd", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::", "2001:db8:1:2::/64"),
        ("2001:db8:1:3::", "2001:db8:1:3::/64"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        (UNKNOWN, UNKNOWN),
    ],
)
def test_ipv6_callers_are_limited_by_what_one_connection_gets(address: str, group: str) -> None:
    assert address_group(address) == group


def test_sign_in_limits_count_by_the_same_address(settings: Settings) -> None:
    settings.TRUSTED_PROXY_COUNT = 1
    asked = request(X_Forwarded_For="8.8.8.8, ::ffff:203.0.113.7")
    assert AccountAdapter(asked).get_client_ip(asked) == "203.0.113.7"


def test_what_is_logged_during_a_request_says_from_where_it_came(settings: Settings) -> None:
    settings.TRUSTED_PROXY_COUNT = 1
    seen: list[dict[str, object]] = []

    def view(_: HttpRequest) -> HttpResponse:
        seen.append(structlog.contextvars.merge_contextvars(logging.getLogger(), "info", {"event": "x"}))  # type: ignore[arg-type]
        return HttpResponse()

    name_caller(view)(request(X_Forwarded_For="203.0.113.7"))
    assert seen == [{"event": "x", "client": "203.0.113.7"}]
    assert "client" not in structlog.contextvars.get_contextvars()


@pytest.mark.parametrize("count", ["-1", "11"])
def test_a_count_of_proxies_that_cannot_be_is_refused(count: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRUSTED_PROXY_COUNT", count)
    with pytest.raises(ImproperlyConfigured, match="TRUSTED_PROXY_COUNT is how many proxies"):
        proxy_count(Environment())
