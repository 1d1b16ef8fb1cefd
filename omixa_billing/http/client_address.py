"""Who is at the other end of a request, as an IP address: the one answer for limits, the audit trail and logs.

A caller writes any header, so X-Forwarded-For counts only as far as our own proxies wrote it: `TRUSTED_PROXY_COUNT` of
them, each adding the address of its peer at the end. Whatever is missing or is no address leaves the peer of the
connection, which nobody can forge.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest

UNKNOWN = "unknown"  # the peer is a Unix socket, or a server that does not say
IPV6_PREFIX = 64  # what one connection gets: whose it is can use any address of it
BRACKETED = re.compile(r"\[([^\]]*)\](?::\d+)?", re.ASCII)
IPV4_AND_PORT = re.compile(r"([\d.]+):\d+", re.ASCII)

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def client_address(request: HttpRequest) -> str:
    """The caller's address in its canonical form, or UNKNOWN. An IPv4 address inside an IPv6 one is the IPv4 address."""
    return address_of(request.META.get("REMOTE_ADDR", ""), lambda name: request.headers.get(name, ""))


def address_of(peer: str, header: Callable[[str], str]) -> str:
    """The same of a connection's peer and the headers that came on it; `header` gives an empty text for one that did not."""
    found = _stated_by_proxy(header) or _parsed(peer)
    return UNKNOWN if found is None else str(found)


def address_group(address: str) -> str:
    """What is limited as one caller: an IPv4 address, or the /64 of an IPv6 one."""
    found = _parsed(address)
    if isinstance(found, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((found, IPV6_PREFIX), strict=False))
    return UNKNOWN if found is None else str(found)


def _stated_by_proxy(header: Callable[[str], str]) -> Address | None:
    """What the outermost proxy of ours saw. None without proxies, or when they did not say."""
    if settings.TRUSTED_CLIENT_IP_HEADER:
        return _parsed(header(settings.TRUSTED_CLIENT_IP_HEADER))
    count = settings.TRUSTED_PROXY_COUNT
    hops = header("X-Forwarded-For").rsplit(",", count)[-count:] if count else []
    # With fewer than that, the request took another way in, and what it says may all be the caller's own.
    return _parsed(hops[0]) if len(hops) == count != 0 else None


def _parsed(text: str) -> Address | None:
    """The address in `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1`, `[2001:db8::1]:80`, or None."""
    text = text.strip()
    if ported := BRACKETED.fullmatch(text) or IPV4_AND_PORT.fullmatch(text):
        text = ported[1]
    try:
        address = ipaddress.ip_address(text.partition("%")[0])  # an interface may be named behind it
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address
