"""Where the page processes listen, and how they learn whom they answer."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from omixa_billing.embedded.home import home
from omixa_billing.embedded.sockets import socket_root
from omixa_billing.front.head import OURS

PEER = OURS + b"peer"
_PEER = "HTTP_" + PEER.decode().upper().replace("-", "_")

Application = Callable[[dict[str, Any], Any], Iterable[bytes]]


def pages_socket() -> Path:
    """In a folder that only our own account may enter."""
    return socket_root(home()) / "pages.sock"


def behind_front(application: Application) -> Application:
    """For what listens there: REMOTE_ADDR is the client's, whatever that says of itself in headers."""

    def answer(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        environ["REMOTE_ADDR"] = environ.pop(_PEER, "")
        return application(environ, start_response)

    return answer
