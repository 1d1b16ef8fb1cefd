"""The product as a web server calls it: raw bytes in, raw bytes out, nothing made well-formed on the way."""

from __future__ import annotations

import io
from typing import Any, NamedTuple

from omixa_billing.wsgi import application


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes


def ask(method: str, path: str, query: str, headers: dict[str, str], body: bytes) -> Answer:
    """One request; `path`, `query` and `headers` (by their WSGI names) are bytes as latin-1, as WSGI has them."""
    environ: dict[str, Any] = {
        "REQUEST_METHOD": method,
        "SCRIPT_NAME": "",
        "PATH_INFO": path,
        "QUERY_STRING": query,
        "CONTENT_LENGTH": str(len(body)),
        "CONTENT_TYPE": "application/json",
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "HTTP_HOST": "localhost",
        "REMOTE_ADDR": "127.0.0.1",
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(body),
        "wsgi.errors": io.StringIO(),
        "wsgi.version": (1, 0),
        "wsgi.multithread": False,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }
    begun: list[Any] = []
    response = application(environ | headers, lambda status, sent, _=None: begun.extend([status, sent]))
    try:
        answered = b"".join(response)
    finally:
        response.close()
    return Answer(int(begun[0][:3]), dict(begun[1]), answered)
