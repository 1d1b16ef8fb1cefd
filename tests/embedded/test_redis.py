"""Which server comes along as the broker: the one that docs/running.md names, and it answers on its socket alone."""

import re
import subprocess
from pathlib import Path

import pytest
import redis as client

from omixa_billing.embedded import home, redis
from tests.first_run import REPOSITORY


def test_the_server_is_the_version_that_the_documentation_names() -> None:
    said = subprocess.run([redis.binary(), "--version"], capture_output=True, text=True, check=True, timeout=20).stdout
    documented = re.search(r"The embedded Redis is Valkey ([\d.]+),", (REPOSITORY / "docs" / "running.md").read_text())
    assert documented is not None
    assert said.startswith(f"Valkey server v={documented[1]} ")


def test_it_runs_scripts_and_listens_on_no_network_address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMIXA_HOME", str(tmp_path / "home"))
    with redis.running_redis(home.home_folder()) as socket, client.Redis(unix_socket_path=str(socket)) as connection:
        assert connection.eval("return redis.call('INCR', KEYS[1])", 1, "counted") == 1
        configured = connection.config_get("port", "save", "maxmemory-policy", "unixsocketperm")
    assert configured == {"port": "0", "save": "", "maxmemory-policy": "noeviction", "unixsocketperm": "700"}
