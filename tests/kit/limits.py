"""A Redis of this test's own, and rates that a test can reach."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from omixa_billing.embedded import redis
from omixa_billing.rate_limits import store

RATES = {"api": "5/m", "pages": "5/m", "anonymous": "3/m", "sign_in": "2/m", "webhooks": "2/m"}


@pytest.fixture(scope="session")
def redis_socket(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with redis.running_redis(tmp_path_factory.mktemp("limits")) as socket:
        yield socket


@pytest.fixture
def counting(redis_socket: Path, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Redis]:
    """Limits are on, and nothing was counted yet. A busy machine may take its time to answer."""
    monkeypatch.setattr(store, "TIMEOUT_SECONDS", 60.0)
    settings.RATE_LIMITS = RATES
    settings.LIMITS_REDIS_URL = f"unix://{redis_socket}"
    store.forget_connection()
    client = Redis(unix_socket_path=str(redis_socket))
    client.flushall()
    yield client
    client.close()
    store.forget_connection()
