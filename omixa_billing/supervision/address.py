"""Where the web server listens, from HOST and PORT."""

import os
import sys


def bound_address() -> tuple[str, int]:
    host = os.environ.get("HOST") or "127.0.0.1"
    port = os.environ.get("PORT") or "8000"
    if not port.isdigit() or not 1 <= int(port) <= 65535:
        sys.exit(f"PORT is {port!r}, which is no port number between 1 and 65535.")
    return host, int(port)


def url() -> str:
    """The address as a browser on this machine would write it."""
    host, port = bound_address()
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)  # noqa: S104
    return f"http://{host}:{port}"
