import os
import subprocess
import sys
from pathlib import Path

import pytest

from omixa_billing.embedded import home, locks, postgres, redis

from .conftest import REPOSITORY


@pytest.fixture
def at_home(base: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("OMIXA_HOME", str(base))
    return base


def test_the_secret_key_is_made_once_and_readable_by_its_owner_only(at_home: Path) -> None:
    first = home.secret_key()
    assert len(first) > 60
    assert home.secret_key() == first
    assert (at_home / "secret_key").stat().st_mode & 0o777 == 0o600
    assert [path.name for path in at_home.iterdir()] == ["secret_key"]


def test_another_home_has_another_secret_key(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keys = set()
    for name in ("one", "two"):
        monkeypatch.setenv("OMIXA_HOME", str(folder / name))
        keys.add(home.secret_key())
    assert len(keys) == 2


def test_asking_for_addresses_touches_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    absent = folder / "absent"
    monkeypatch.setenv("OMIXA_HOME", str(absent))
    assert postgres.database_settings() == {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": "omixa",
        "USER": "omixa",
        "HOST": f"{absent}/run/postgres",
        "PORT": "5432",
    }
    assert redis.broker_url() == f"redis+socket://{absent}/run/redis.sock"
    assert not absent.exists()


def test_the_database_and_the_broker_are_replaced_independently(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgres://user@db.example/billing")
    monkeypatch.setenv("CELERY_BROKER_URL", "")
    assert not home.uses_embedded_postgres()
    assert home.uses_embedded_redis()
    monkeypatch.setenv("DATABASE_URL", "")
    monkeypatch.setenv("CELERY_BROKER_URL", "amqp://broker.example")
    assert home.uses_embedded_postgres()
    assert not home.uses_embedded_redis()


def test_celery_reaches_the_embedded_redis_by_its_url(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from kombu import Connection

    monkeypatch.setenv("OMIXA_HOME", str(folder / "with a space"))
    with redis.running_redis(), Connection(redis.broker_url()) as broker:
        queue = broker.SimpleQueue("words")
        queue.put("there is work")
        assert queue.get(timeout=5).payload == "there is work"
        queue.close()


def test_a_second_instance_on_the_same_home_is_refused_by_name(base: Path, environment: dict[str, str]) -> None:
    lock = home.run_directory(base) / "lock"
    with locks.exclusive(lock) as descriptor:
        os.write(descriptor, b"process 4711 at http://127.0.0.1:8000")
        refused = run_instance({**environment, "PORT": "0"}), run_instance({**environment, "PORT": "8000"})
    assert [done.returncode for done in refused] == [1, 1]
    assert f"{base} is already run by process 4711 at http://127.0.0.1:8000. Stop that first" in refused[1].stderr
    assert not (base / "postgres").exists()


def test_a_taken_port_is_refused_before_anything_starts(base: Path, environment: dict[str, str]) -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        refused = run_instance({**environment, "HOST": "127.0.0.1", "PORT": str(port)})
    assert refused.returncode == 1
    assert refused.stderr.startswith(f"Cannot listen on 127.0.0.1 port {port}: Address already in use. Choose another")
    assert not (base / "postgres").exists()


def test_an_impossible_port_is_named(environment: dict[str, str]) -> None:
    refused = run_instance({**environment, "PORT": "eighty"})
    assert refused.stderr == "PORT is 'eighty', which is not a port number between 1 and 65535.\n"


def run_instance(environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "omixa_billing.supervision"]
    return subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, timeout=20, check=False)
