"""Which addresses a webhook may be sent to: those of the internet, and in a self-hoster's network only if the setting says so.

Asked of the very address that is about to be connected to, so that a name may resolve to anything at any time. An address
inside another one (mapped, NAT64) counts as the inner one.
"""

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from django.conf import settings

NAT64 = ip_network("64:ff9b::/96")
# Of these nobody is a customer's server, whatever a version of Python says of them: relays, tunnels, tests, documentation.
NOT_PUBLIC = [ip_network(each) for each in ("192.0.0.0/24", "192.88.99.0/24", "2001::/23", "2002::/16", "3fff::/20")]
UNICAST = ip_network("2000::/3")  # all of IPv6 that is in use
# Where a self-hoster's servers are. Not where machines of a cloud find their own credentials, which is link-local.
PRIVATE = [
    ip_network(each)
    for each in ("10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "::1/128", "fc00::/7")
]
HTTPS, HTTP = "https", "http"


class AddressRefused(OSError):
    """Nothing is sent to this address. The message does not tell which it is: a name's address may be a secret."""


def check_address(address: str, scheme: str) -> None:
    """Raises AddressRefused."""
    found = _inner(ip_address(address.partition("%")[0]))
    if is_public(found):
        if scheme != HTTPS:
            raise AddressRefused("A public address is notified by https only.")
        return
    if not settings.WEBHOOKS_PRIVATE_ADDRESSES:
        raise AddressRefused("This is not a public address: webhooks are not sent into private networks.")
    if not _is_in(found, PRIVATE):
        raise AddressRefused("This address is not one of a server: webhooks are not sent to it.")


def is_public(address: IPv4Address | IPv6Address) -> bool:
    if not address.is_global or address.is_multicast or _is_in(address, NOT_PUBLIC):
        return False
    return address.version == 4 or _is_in(address, [UNICAST])


def _inner(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    if isinstance(address, IPv4Address):
        return address
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return IPv4Address(int(address) & 0xFFFFFFFF) if address in NAT64 else address


def _is_in(address: IPv4Address | IPv6Address, networks: list[IPv4Network | IPv6Network]) -> bool:
    return any(address in network for network in networks)
