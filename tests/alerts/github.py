"""A GitHub of our own on the loopback: it publishes keys, signs reports, and counts how often it is asked."""

import base64
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from django.test import Client

# The example of GitHub's documentation: its body, its signature, and the key that made it.
DOCUMENTED_BODY = b'[{"source":"commit","token":"some_token","type":"some_type","url":"https://example.com/base-repo-url/"}]'
DOCUMENTED_SIGNATURE = "MEQCIQDaMKqrGnE27S0kgMrEK0eYBmyG0LeZismAEz/BgZyt7AIfXt9fErtRS4XaeSt/AO1RtBY66YcAdjxji410VQV4xg=="
DOCUMENTED_IDENTIFIER = "bcb53661c06b4728e59d897fb6165d5c9cda0fd9cdf9d09ead458168deb7518c"
DOCUMENTED_KEY = (
    "-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEYAGMWO8XgCamYKMJS6jc/qgvSlAd\n"
    "AjPuDPRcXU22YxgBrz+zoN19MzuRyW87qEt9/AmtoNP5GrobzUvQSyJFVw==\n-----END PUBLIC KEY-----\n"
)
PATH = "/secret-scanning"


class GitHub:
    """`answer` is what its list of keys is answered with: a status and a body; None is the list as it is."""

    def __init__(self) -> None:
        self._private: dict[str, ec.EllipticCurvePrivateKey] = {}
        self.asked = 0
        self.answer: tuple[int, bytes] | None = None
        self.url = ""
        self.identifier = self.new_key()

    def new_key(self) -> str:
        identifier = f"{len(self._private):064x}"
        self._private[identifier] = ec.generate_private_key(ec.SECP256R1())
        return identifier

    def published(self) -> dict[str, Any]:
        keys = [
            {"key_identifier": name, "key": _pem(each), "is_current": name == self.identifier}
            for name, each in self._private.items()
        ]
        return {"public_keys": [*keys, {"key_identifier": DOCUMENTED_IDENTIFIER, "key": DOCUMENTED_KEY, "is_current": False}]}

    def headers(self, body: bytes, identifier: str | None = None) -> dict[str, str]:
        name = identifier or self.identifier
        signature = self._private[name].sign(body, ec.ECDSA(SHA256()))
        return {
            "Github-Public-Key-Identifier": name,
            "Github-Public-Key-Signature": base64.b64encode(signature).decode(),
        }

    def report(self, *tokens: str, url: str = "https://github.com/octocat/hello/blob/1/config.py") -> Any:
        """Sends a signed report to the product; its answer."""
        matches = [{"token": token, "type": "omixa_api_key", "url": url, "source": "commit"} for token in tokens]
        return self.send(json.dumps(matches).encode())

    def send(self, body: bytes, **headers: str) -> Any:
        said = headers or self.headers(body)
        return Client(headers=said).post(PATH, body, content_type="application/json")


def _pem(key: ec.EllipticCurvePrivateKey) -> str:
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


@contextmanager
def running_github() -> Iterator[GitHub]:
    github = GitHub()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            github.asked += 1
            status, body = github.answer or (200, json.dumps(github.published()).encode())
            self.send_response(status)
            if status == 302:
                self.send_header("Location", f"{github.url}/elsewhere")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        github.url = f"http://127.0.0.1:{server.server_port}/meta/public_keys/secret_scanning"
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield github
        server.shutdown()
        thread.join()
