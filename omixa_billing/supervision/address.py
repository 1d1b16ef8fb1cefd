"""Where the web server and the local gateway listen, from HOST, PORT and GATEWAY_PORT."""

import os
import socket
import sys


def bound_address() -> tuple[str, int]:
    return os.environ.get("HOST") or "127.0.0.1", _port("PORT", os.environ.get("PORT") or "8000")


def gateway_address() -> tuple[str, int]:
    return bound_address()[0], _port("GATEWAY_PORT", os.environ.get("GATEWAY_PORT") or "4000")


def url() -> str:
    """The address as a browser on this machine would write it."""
    return _url(*bound_address())


def gateway_url() -> str:
    return _url(*gateway_address())


def refuse_used_port(name: str, host: str, port: int, target: str = "run") -> None:
    """Ends the program with a sentence that says how to choose another one for this target of make."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            another = f"{name}={port + 1} make {target}"
            sys.exit(f"Cannot listen on {host} port {port}: {error.strerror}. Choose another one, as in {another}")


def _url(host: str, port: int) -> str:
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)  # noqa: S104
    return f"http://{host}:{port}"


def _port(name: str, stated: str) -> int:
    if not stated.isdigit() or not 1 <= int(stated) <= 65535:
        sys.exit(f"{name} is {stated!r}, which is not a port number between 1 and 65535.")
    return int(stated)
