"""Where the page processes listen, and how they learn whom they answer.

As a program: `python -m omixa_billing.front.socket COMMAND...` becomes COMMAND, which can then listen there and ends with the
supervisor. One that was killed has left its socket behind, and nobody could listen on that again.
"""

import os
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from omixa_billing.embedded.deathsig import follow_supervisor
from omixa_billing.embedded.home import home
from omixa_billing.embedded.sockets import make_socket_root, socket_root
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


if __name__ == "__main__":
    follow_supervisor()
    make_socket_root(home())
    pages_socket().unlink(missing_ok=True)
    os.execvp(sys.argv[1], sys.argv[1:])  # noqa: S606  (the supervisor's own configuration names the command)
