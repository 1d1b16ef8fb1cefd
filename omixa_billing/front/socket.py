"""Where the page processes listen, and how they learn whom they answer.

As a program: `python -m omixa_billing.front.socket COMMAND...` becomes COMMAND, which can then listen there and ends with the
supervisor. One that was killed has left its socket behind, and nobody could listen on that again.
"""

import os
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from omixa_billing.embedded.deathsig import follow_supervisor
from omixa_billing.embedded.home import home_folder
from omixa_billing.embedded.sockets import make_socket_root, socket_root
from omixa_billing.front.head import OURS

PEER = OURS + b"peer"
_PEER = "HTTP_" + PEER.decode().upper().replace("-", "_")

PIECE = 32 * 1024

Application = Callable[[dict[str, Any], Any], Iterable[bytes]]


def pages_socket() -> Path:
    """In a folder that only our own account may enter."""
    return socket_root(home_folder()) / "pages.sock"


def behind_front(application: Application) -> Application:
    """For what listens there: REMOTE_ADDR is the client's, whatever that says of itself in headers; and answers of many small
    pieces, such as the lines of a download, go out in large ones, each of which costs both processes as much."""

    def answer(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        environ["REMOTE_ADDR"] = environ.pop(_PEER, "")
        return Gathered(application(environ, start_response))

    return answer


class Gathered:
    """An answer in pieces of at least PIECE bytes, but for the last."""

    def __init__(self, response: Iterable[bytes]) -> None:
        self._response = response

    def __iter__(self) -> Iterator[bytes]:
        waiting: list[bytes] = []
        size = 0
        for piece in self._response:
            waiting.append(piece)
            size += len(piece)
            if size >= PIECE:
                yield b"".join(waiting)
                waiting, size = [], 0
        if waiting:
            yield b"".join(waiting)

    def close(self) -> None:
        """As WSGI ends an answer, whole or not."""
        if hasattr(self._response, "close"):
            self._response.close()


if __name__ == "__main__":
    follow_supervisor()
    make_socket_root(home_folder())
    pages_socket().unlink(missing_ok=True)
    os.execvp(sys.argv[1], sys.argv[1:])  # noqa: S606  (the supervisor's own configuration names the command)
