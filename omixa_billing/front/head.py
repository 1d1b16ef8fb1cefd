"""A request's head, as the decisions before its body need it."""

import re
from functools import cached_property
from typing import Any

from omixa_billing.http.client_address import address_group, address_of

Headers = list[tuple[bytes, bytes]]
Scope = dict[str, Any]

# Between two neighbours only (RFC 9110, 7.6.1); the body is complete before it is passed on, so nothing is expected any more.
HOP_BY_HOP = {
    *(b"connection", b"keep-alive", b"proxy-authenticate", b"proxy-authorization", b"proxy-connection"),
    *(b"te", b"trailer", b"transfer-encoding", b"upgrade", b"expect"),
}
# Without the underscore: WSGI writes it like the dash, so X_Forwarded_For would pass for what a proxy said.
NAME = re.compile(rb"[0-9a-z!#$%&'*+.^`|~-]+")
# Headers by which the page processes learn what only the front knows: a client's of such a name are left out.
OURS = b"x-omixa-front-"


class RequestHead:
    """Of one request. `path` is decoded as far as it can be; `target` is path and query as they were sent."""

    def __init__(self, scope: Scope) -> None:
        self.method: str = scope["method"]
        self.path: str = scope["path"]
        self.raw_path: bytes = scope["raw_path"] or b""
        self.query: bytes = scope["query_string"]
        self.peer: str = (scope["client"] or ("", 0))[0]
        self.server: tuple[str, str] = scope["server"] or ("", "0")
        self.scheme: str = scope["scheme"]
        self._received: Headers = scope["headers"]
        self._is_http2: bool = scope["http_version"].startswith("2")

    @property
    def target(self) -> bytes:
        return self.raw_path + b"?" + self.query if self.query else self.raw_path

    @cached_property
    def headers(self) -> dict[bytes, bytes]:
        """What may be passed on, by lower-case name; several of one name are joined as HTTP allows."""
        found: dict[bytes, bytes] = {}
        for name, value in self._received:
            if name in HOP_BY_HOP or name.startswith(OURS) or not NAME.fullmatch(name):
                continue
            joint = b"; " if name == b"cookie" else b", "
            found[name] = found[name] + joint + value if name in found else value
        return found

    @cached_property
    def length(self) -> int | None:
        """Bytes of the body as announced; None for one that ends when it ends."""
        announced = self.headers.get(b"content-length")
        if announced is not None and announced.isdigit():
            return int(announced)
        streamed = self._is_http2 and self.method not in ("GET", "HEAD", "OPTIONS")
        chunked = any(name == b"transfer-encoding" for name, _ in self._received)
        return None if streamed or chunked else 0

    def text(self, name: bytes) -> str:
        """A header as WSGI spells bytes; empty when it is missing."""
        return self.headers.get(name, b"").decode("latin-1")

    @cached_property
    def caller(self) -> str:
        """Whom bounds count as one: an address, or a network of them."""
        return address_group(address_of(self.peer, lambda name: self.text(name.lower().encode("latin-1"))))
