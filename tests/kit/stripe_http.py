"""Our recording Stripe over HTTP: idempotency replayed as Stripe documents it, and faults wherever a test wants them."""

import json
import re
import socket
import threading
import time
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from tests.kit.stripe_server import TOO_LATE_SECONDS, Params, Recorded, Refused, StripeServer


def shown(answer: Any, with_charge: bool) -> Any:
    """A payment's charge is an id, unless it is asked for."""
    if isinstance(answer, dict) and isinstance(answer.get("data"), list):
        return answer | {"data": [shown(each, with_charge) for each in answer["data"]]}
    if isinstance(answer, dict) and answer.get("latest_charge") and not with_charge:
        return answer | {"latest_charge": answer["latest_charge"]["id"]}
    return answer


def nested(pairs: list[tuple[str, str]]) -> Params:
    """`a[b][0]=1` as {"a": {"b": {"0": "1"}}}."""
    found: Params = {}
    for name, value in pairs:
        parts = re.findall(r"[^\[\]]+", name)
        at = found
        for part in parts[:-1]:
            at = at.setdefault(part, {})
        at[parts[-1]] = value
    return found


class Handler(BaseHTTPRequestHandler):
    server: Any
    protocol_version = "HTTP/1.1"
    # An answer in one piece: in two, each waits for the other side to acknowledge the first.
    wbufsize = -1

    def do_GET(self) -> None:
        self.respond("GET", parse_qsl(urlsplit(self.path).query))

    def do_POST(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        self.respond("POST", parse_qsl(self.rfile.read(length).decode(), keep_blank_values=True))

    def respond(self, method: str, pairs: list[tuple[str, str]]) -> None:
        stripe: StripeServer = self.server.stripe
        path, params = urlsplit(self.path).path, nested(pairs)
        key = self.headers.get("Idempotency-Key") or ""
        with stripe.lock:
            stripe.requests.append(Recorded(method, path, params, key, self.headers.get("Stripe-Version") or ""))
            fault = stripe.faults.pop(len(stripe.requests), "")
            if fault == "die_before":
                self.hang_up()
                return
            status, answer, replayed = self.work(stripe, method, path, params, key, fault)
        if fault == "too_late":
            time.sleep(TOO_LATE_SECONDS)
        if fault in ("die_after", "too_late"):
            self.hang_up()
            return
        body = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Stripe-Should-Retry", "false")
        if replayed:
            self.send_header("Idempotent-Replayed", "true")
        self.end_headers()
        self.wfile.write(body)

    def work(self, stripe: StripeServer, method: str, path: str, params: Params, key: str, fault: str) -> tuple[int, Any, bool]:
        """Status, answer, and whether it is an earlier one's."""
        asked = f"{method} {path} {json.dumps(params, sort_keys=True)}"
        if key in stripe.answers and method == "POST":
            before, status, answer = stripe.answers[key]
            if before != asked:
                message = "Keys for idempotent requests can only be used with the same parameters they were first used with."
                return 400, {"error": {"type": "idempotency_error", "message": message}}, False
            return status, answer, True
        broken = {"error": {"type": "api_error", "message": "An unknown error occurred"}}
        try:
            status, answer = (500, broken) if fault == "error_500_before" else (200, stripe.answer(method, path, params))
            answer = shown(answer, "latest_charge" in json.dumps(params.get("expand", {})))
        except Refused as refused:
            status, answer = refused.status, {"error": refused.error}
        if fault == "error_500_after":
            status, answer = 500, broken
        if key and method == "POST" and status not in (400, 401, 403):
            stripe.answers[key] = (asked, status, json.loads(json.dumps(answer)))
        return status, json.loads(json.dumps(answer)), False

    def hang_up(self) -> None:
        self.close_connection = True
        self.connection.close()

    def log_message(self, *_: Any) -> None:
        """Quiet: the requests are on record."""


class Server(ThreadingHTTPServer):
    """Ends its threads when it is closed, also those that wait on a connection which a client keeps open."""

    daemon_threads = True

    def __init__(self, stripe: StripeServer) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.stripe = stripe
        self.open_connections: set[socket.socket] = set()

    def process_request(self, request: Any, client_address: Any) -> None:
        self.open_connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self.open_connections.discard(request)
        super().shutdown_request(request)

    def server_close(self) -> None:
        super().server_close()
        for each in tuple(self.open_connections):
            with suppress(OSError):  # the client, or a fault of the test, was faster
                each.shutdown(socket.SHUT_RDWR)


def start() -> tuple[StripeServer, Server]:
    stripe = StripeServer()
    http = Server(stripe)
    stripe.port = http.server_address[1]
    threading.Thread(target=http.serve_forever, args=[0.02], daemon=True).start()
    return stripe, http
