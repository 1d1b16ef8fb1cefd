"""Two web processes as `make run` starts them, on this test's database, behind a real nginx."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

import httpx
from django.db import connection

NGINX = Path("/usr/sbin/nginx")
SECONDS_TO_START = 60
CONFIGURATION = """
daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log {folder}/nginx.log;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}; proxy_temp_path {folder}; fastcgi_temp_path {folder}; uwsgi_temp_path {folder};
    scgi_temp_path {folder};
    upstream web {{ {servers} }}
    server {{
        listen 127.0.0.1:{port};
        location / {{
            proxy_pass http://web;
            proxy_set_header Host $host;
            proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
            add_header X-Upstream $upstream_addr always;
        }}
    }}
}}
"""


@dataclass
class Site:
    """The proxy's address, and the processes behind it, which can be restarted."""

    folder: Path
    port: int
    web_ports: list[int]
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def start_web(self) -> None:
        for port in self.web_ports:
            command = [sys.executable, "-m", "granian", "omixa_billing.wsgi:application", "--interface", "wsgi"]
            command += ["--host", "127.0.0.1", "--port", str(port), "--workers", "1", "--blocking-threads", "4"]
            with (self.folder / "web.log").open("ab") as log:
                process = subprocess.Popen(command, env=environment(), stdout=log, stderr=log)
            self.processes.append(process)
        for port in self.web_ports:
            wait_for(f"http://127.0.0.1:{port}/healthz")

    def restart_web(self) -> None:
        end(self.processes)
        self.start_web()

    def browser(self, address: str) -> httpx.Client:
        """A browser at this address of loopback, which is what the proxy sees."""
        transport = httpx.HTTPTransport(local_address=address)
        return httpx.Client(base_url=f"http://127.0.0.1:{self.port}", transport=transport, timeout=30)


@contextmanager
def running_site(folder: Path) -> Iterator[Site]:
    site = Site(folder, free_port(), [free_port(), free_port()])
    servers = " ".join(f"server 127.0.0.1:{port};" for port in site.web_ports)
    (folder / "nginx.conf").write_text(CONFIGURATION.format(folder=folder, port=site.port, servers=servers))
    nginx = subprocess.Popen([str(NGINX), "-c", str(folder / "nginx.conf")])
    try:
        site.start_web()
        wait_for(f"http://127.0.0.1:{site.port}/healthz")
        yield site
    finally:
        end([*site.processes, nginx])


def environment() -> dict[str, str]:
    at = connection.get_connection_params()
    login = quote(at["user"]) + (f":{quote(at['password'])}" if at.get("password") else "")
    port = f"&port={at['port']}" if at.get("port") else ""
    url = f"postgres://{login}@/{at['dbname']}?host={at['host']}{port}"
    return os.environ | {"DATABASE_URL": url, "TRUSTED_PROXY_COUNT": "1"}


def end(processes: list[subprocess.Popen[bytes]]) -> None:
    for process in processes:
        process.terminate()
    while processes:
        processes.pop().wait(30)


def wait_for(url: str) -> None:
    deadline = time.monotonic() + SECONDS_TO_START
    while time.monotonic() < deadline:
        with suppress(httpx.HTTPError):
            if httpx.get(url).status_code == 200:
                return
        time.sleep(0.1)
    raise TimeoutError(f"{url} does not answer.")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
