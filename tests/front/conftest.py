"""A whole product under its supervisor, with little patience, so that a test need not have much."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.chaos.instance import Instance, running_instance

SETTINGS = {
    "HEAD_SECONDS": "3",
    "BODY_SECONDS": "6",
    "BODY_GRACE_SECONDS": "2",
    "BODY_LEAST_RATE": "1000",
    "PAGES_WAIT_SECONDS": "15",
    "RESPONSE_STALL_SECONDS": "3",
    "LOG_LEVEL": "INFO",
    "METRICS_TOKEN": "a-token-for-metrics",
}


@dataclass(frozen=True)
class Live:
    """The product, and credentials that it knows."""

    instance: Instance
    token: str
    admin_key: str
    live_key: str
    live_key_id: str

    @property
    def port(self) -> int:
        return self.instance.port


@pytest.fixture(scope="package")
def live() -> Iterator[Live]:
    with running_instance(**SETTINGS) as instance:
        workspace = instance.manage("create_workspace", "Acme")
        gateway = instance.manage("create_gateway", "eu-1")
        yield Live(instance, gateway["token"], workspace["admin_key"], workspace["live_key"], workspace["live_key_id"])


@pytest.fixture(scope="package")
def much_usage(live: Live) -> Live:
    from tests.front.usage import send_usage  # which needs Live

    send_usage(live)
    return live
