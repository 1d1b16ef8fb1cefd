"""A server of a customer's on the loopback: it keeps what it receives and answers as a test wants."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from standardwebhooks import Webhook


@dataclass(frozen=True)
class ReceivedRequest:
    path: str
    headers: dict[str, str]
    body: bytes

    def verified(self, secret: str) -> Any:
        """The content, as the receivers' own library has it. Raises its WebhookVerificationError."""
        return Webhook(secret).verify(self.body, self.headers)

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]


@dataclass
class Reply:
    status: int = 200
    body: bytes = b"thanks"
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class Receiver:
    """`reply` makes the answer; it may wait, and so is called outside of any lock."""

    url: str = ""
    reply: Callable[[ReceivedRequest], Reply] = lambda request: Reply()
    received: list[ReceivedRequest] = field(default_factory=list)
    in_progress: int = 0
    most_at_once: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def ids(self) -> list[str]:
        return [request.id for request in self.received]


class ReceivingHandler(BaseHTTPRequestHandler):
    server: Any
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # an answer in one piece

    def do_POST(self) -> None:
        receiver: Receiver = self.server.receiver
        body = self.rfile.read(int(self.headers["content-length"]))
        request = ReceivedRequest(self.path, {name.lower(): value for name, value in self.headers.items()}, body)
        with receiver.lock:
            receiver.received.append(request)
            receiver.in_progress += 1
            receiver.most_at_once = max(receiver.most_at_once, receiver.in_progress)
        try:
            reply = receiver.reply(request)
        finally:
            with receiver.lock:
                receiver.in_progress -= 1
        self.send_response(reply.status)
        for name, value in reply.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(reply.body)))
        self.end_headers()
        self.wfile.write(reply.body)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: the test looks at what was received."""


class QuietServer(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 1024  # those who connect at the same time are all let in: by default a sixth has to try again
    receiver: Receiver

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A sender that hangs up is what some tests are about."""


@contextmanager
def receiving(tls: Any = None) -> Iterator[Receiver]:
    """With `tls`, an SSLContext of the server's, by https under the name of this machine."""
    server = QuietServer(("127.0.0.1", 0), ReceivingHandler)
    port = server.server_address[1]
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    server.receiver = Receiver(f"http://127.0.0.1:{port}/hooks" if tls is None else f"https://localhost:{port}/hooks")
    thread = threading.Thread(target=server.serve_forever, args=[0.01])
    thread.start()
    try:
        yield server.receiver
    finally:
        server.shutdown()
        with suppress(OSError):
            server.server_close()
        thread.join()
