"""Nothing is sent into private networks: neither by an address, nor by a name that leads there, at whatever moment."""

import ipaddress
import socket
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp.abc import AbstractResolver, ResolveResult
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from metering.notifications.delivery import deliver
from metering.notifications.delivery.addresses import AddressRefused, check_address
from metering.notifications.delivery.send import WebhookAnswer, WebhookRequest, send_webhook
from metering.notifications.endpoints.targets import clean_url
from omixa_billing.api.errors import InvalidParameter
from tests.kit.concurrent import awaited
from tests.kit.factories import NOW
from tests.kit.receiver import receiving
from tests.notifications.cast import a_hook, tell, the_delivery
from workspaces.models import Workspace

NOT_PUBLIC = "This is not a public address: webhooks are not sent into private networks."

PRIVATE = (
    *("10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "127.0.0.1", "127.8.8.8", "100.64.0.1", "100.127.255.255"),
    *("::1", "fc00::1", "fd12:3456::1"),
)
# Of no server, also where private networks are allowed.
NEVER = (
    *("0.0.0.0", "0.1.2.3", "169.254.169.254", "169.254.1.1", "224.0.0.1", "239.1.1.1", "240.0.0.1", "255.255.255.255"),  # noqa: S104
    *("192.0.0.9", "192.0.2.1", "198.18.0.1", "198.51.100.1", "203.0.113.1", "192.88.99.1"),
    *("::", "fe80::1", "fe80::1%lo", "fec0::1", "ff02::1", "ff0e::1", "2001:db8::1", "2001::1", "2002:7f00:1::", "3fff::1"),
    *("100::1", "5f00::1", "::7f00:1", "64:ff9b:1::7f00:1", "2002:808:808::1"),
)
HIDDEN = ("::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::7f00:1", "64:ff9b::a00:1")
HIDDEN_NEVER = ("::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe", "::ffff:0.0.0.0")
PUBLIC = ("8.8.8.8", "93.184.215.14", "100.63.255.255", "100.128.0.1", "172.32.0.1", "2606:4700::1111", "2a00:1450::1")
PUBLIC_HIDDEN = ("::ffff:8.8.8.8", "64:ff9b::808:808")


@pytest.mark.parametrize("address", [*PRIVATE, *NEVER, *HIDDEN, *HIDDEN_NEVER])
def test_what_is_not_public_is_refused(address: str, settings: Any) -> None:
    settings.WEBHOOKS_PRIVATE_ADDRESSES = False
    with pytest.raises(AddressRefused, match="not a public address"):
        check_address(address, "https")


@pytest.mark.parametrize("address", [*PUBLIC, *PUBLIC_HIDDEN])
def test_what_is_public_is_sent_to_by_https_only(address: str, settings: Any) -> None:
    for allowed in (False, True):
        settings.WEBHOOKS_PRIVATE_ADDRESSES = allowed
        check_address(address, "https")
        with pytest.raises(AddressRefused, match="by https only"):
            check_address(address, "http")


@pytest.mark.parametrize("address", [*PRIVATE, *HIDDEN])
def test_self_hosters_may_allow_their_own_networks(address: str, settings: Any) -> None:
    settings.WEBHOOKS_PRIVATE_ADDRESSES = True
    check_address(address, "https")
    check_address(address, "http")


@pytest.mark.parametrize("address", [*NEVER, *HIDDEN_NEVER])
def test_what_is_no_server_is_refused_all_the_same(address: str, settings: Any) -> None:
    """Above all where machines of a cloud find their credentials."""
    settings.WEBHOOKS_PRIVATE_ADDRESSES = True
    with pytest.raises(AddressRefused, match="not one of a server"):
        check_address(address, "https")


def test_of_every_network_a_few_addresses_are_what_their_network_is(settings: Any) -> None:
    settings.WEBHOOKS_PRIVATE_ADDRESSES = False
    for network in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "127.0.0.0/8", "100.64.0.0/10", "169.254.0.0/16"):
        for address in (ipaddress.ip_network(network)[0], ipaddress.ip_network(network)[-1]):
            for written in (str(address), f"::ffff:{address}", str(ipaddress.ip_address(int(address) + (0x64FF9B << 96)))):
                with pytest.raises(AddressRefused):
                    check_address(written, "https")


REFUSED_URLS = {
    "http://hooks.acme.example/": "Webhooks are sent by https only.",
    "https://127.0.0.1/": NOT_PUBLIC,
    "https://[::1]:8443/x": NOT_PUBLIC,
    "https://[::ffff:10.0.0.1]/": NOT_PUBLIC,
    "https://169.254.169.254/latest/meta-data": NOT_PUBLIC,
    "https://localhost/hooks": "This is a name of this machine: webhooks are not sent into private networks.",
    "https://LOCALHOST./hooks": "This is a name of this machine: webhooks are not sent into private networks.",
    "https://ada:secret@acme.example/": "The URL has a user or a password: the receiver knows us by the signature instead.",
    "https://acme.example/#part": "The URL has a part behind #, which is never sent to a server.",
    "ftp://acme.example/": "The URL begins with https:// and names a server, such as https://example.com/webhooks.",
    "acme.example/hooks": "The URL begins with https:// and names a server, such as https://example.com/webhooks.",
    "https:///hooks": "The URL begins with https:// and names a server, such as https://example.com/webhooks.",
    "https://acme.example:0/": "The URL begins with https:// and names a server, such as https://example.com/webhooks.",
    "https://acme.example:99999/": "This is not a URL: write it as https://example.com/webhooks.",
    "https://[::1/": "This is not a URL: write it as https://example.com/webhooks.",
    "": "The URL is from 1 to 2,048 characters, without spaces.",
    "https://acme.example/a b": "The URL is from 1 to 2,048 characters, without spaces.",
    "https://acme.example/\x00": "The URL is from 1 to 2,048 characters, without spaces.",
    f"https://acme.example/{'x' * 2048}": "The URL is from 1 to 2,048 characters, without spaces.",
}


@pytest.mark.parametrize("url", REFUSED_URLS)
def test_such_an_address_is_refused_as_it_is_typed(url: str, settings: Any) -> None:
    settings.WEBHOOKS_PRIVATE_ADDRESSES = False
    with pytest.raises(InvalidParameter) as refused:
        clean_url(url)
    assert (refused.value.message, refused.value.param) == (REFUSED_URLS[url], "url")


@pytest.mark.parametrize("url", ["https://acme.example", "https://bücher.example:8443/hooks?a=1&b=%20", "https://8.8.8.8/"])
def test_an_https_address_on_the_internet_is_kept_as_it_is_typed(url: str, settings: Any) -> None:
    settings.WEBHOOKS_PRIVATE_ADDRESSES = False
    assert clean_url(f" {url}\n") == url


class Names(AbstractResolver):
    """A name server that answers one address after the other, as one does that an attacker runs."""

    def __init__(self, *addresses: str) -> None:
        self.addresses, self.asked = list(addresses), 0

    async def resolve(self, host: str, port: int = 0, family: Any = socket.AF_INET) -> list[ResolveResult]:
        self.asked += 1
        address = self.addresses[min(self.asked, len(self.addresses)) - 1]
        flags = socket.AI_NUMERICHOST | socket.AI_NUMERICSERV
        return [ResolveResult(hostname=host, host=address, port=port, family=socket.AF_INET, proto=0, flags=flags)]

    async def close(self) -> None:
        """Nothing is open."""


def sent_to(url: str, names: AbstractResolver | None = None, tls: ssl.SSLContext | None = None) -> WebhookAnswer:
    return awaited(send_webhook(WebhookRequest(url, {}, b"{}"), tls or deliver.tls_context(), names))


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "2130706433", "0x7f000001", "127.1"])
def test_no_way_of_writing_this_machine_reaches_it(host: str, settings: Any) -> None:
    settings.WEBHOOKS_PRIVATE_ADDRESSES = True
    with receiving() as receiver:
        settings.WEBHOOKS_PRIVATE_ADDRESSES = False
        answer = sent_to(receiver.url.replace("127.0.0.1", host))
    assert (answer.status, receiver.received) == (None, [])
    assert answer.error


def test_a_name_that_resolves_to_this_machine_is_refused_when_it_is_sent(settings: Any) -> None:
    settings.WEBHOOKS_PRIVATE_ADDRESSES = False
    with receiving() as receiver:
        answer = sent_to(receiver.url.replace("127.0.0.1", "localhost"))
    assert (answer.status, answer.error, receiver.received) == (None, NOT_PUBLIC, [])


def test_a_name_that_is_public_at_first_and_private_when_it_is_sent_is_refused(acme: Workspace, settings: Any) -> None:
    """DNS rebinding: what is connected to is what was checked, since between the two nothing is looked up."""
    settings.WEBHOOKS_PRIVATE_ADDRESSES = False
    with receiving() as receiver:
        port = receiver.url.rpartition(":")[2].partition("/")[0]
        a_hook(acme, f"https://rebinding.example:{port}/hooks")
        names = Names("93.184.215.14", "127.0.0.1")
        awaited(names.resolve("rebinding.example"))  # what a check beforehand would see
        tell(acme)
        assert deliver.deliver_due(lambda: NOW, resolver=names) == {"delivered": 0, "failed": 1}
    assert (names.asked, receiver.received) == (2, [])
    assert the_delivery().error == NOT_PUBLIC


def test_a_name_is_looked_up_once_for_a_request_and_that_address_is_connected_to(settings: Any) -> None:
    settings.WEBHOOKS_PRIVATE_ADDRESSES = True
    with receiving() as receiver:
        names = Names("127.0.0.1", "10.255.255.1")
        answer = sent_to(receiver.url.replace("127.0.0.1", "hooks.acme.example"), names)
    assert (answer.status, names.asked) == (200, 1)
    assert receiver.received[0].headers["host"].startswith("hooks.acme.example:")


def test_a_name_that_does_not_exist_says_so(settings: Any) -> None:
    settings.WEBHOOKS_PRIVATE_ADDRESSES = False

    class NoNames(Names):
        async def resolve(self, host: str, port: int = 0, family: Any = socket.AF_INET) -> list[ResolveResult]:
            raise OSError("Domain name not found")

    answer = sent_to("https://nowhere.example/", NoNames())
    assert (answer.status, answer.error) == (None, "Its name cannot be resolved.")


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, ssl.SSLContext]:
    """One that its own holder signed for `localhost`: the file to trust, and the server's side."""
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    (tmp_path / "cert.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    plain = serialization.NoEncryption()
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
    (tmp_path / "key.pem").write_bytes(private)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(tmp_path / "cert.pem", tmp_path / "key.pem")
    return tmp_path / "cert.pem", server


def test_https_asks_for_the_name_and_checks_its_certificate(certificate: tuple[Path, ssl.SSLContext], settings: Any) -> None:
    settings.WEBHOOKS_PRIVATE_ADDRESSES = True
    trusted, server = certificate
    asked: list[str] = []
    server.sni_callback = lambda _socket, name, _context: asked.append(name)
    with receiving(server) as receiver:
        known = ssl.create_default_context(cafile=str(trusted))
        assert sent_to(receiver.url, tls=known).status == 200
        unknown = sent_to(receiver.url)
        wrong_name = sent_to(receiver.url.replace("localhost", "other.example"), Names("127.0.0.1"), known)
    assert asked == ["localhost", "localhost", "other.example"]
    assert len(receiver.received) == 1
    assert unknown.error.startswith("Its certificate is not valid: ")
    assert wrong_name.error.startswith("Its certificate is not valid: ")
