"""Two running products for all the short stories: one on its own Redis, one on RabbitMQ with a small disk."""

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.chaos.brokers import EmbeddedRedis, private_rabbitmq
from tests.chaos.disk import NotPermitted, SmallDisk, small_disk
from tests.chaos.instance import running_instance
from tests.chaos.rabbitmq import SERVER
from tests.chaos.stage import Stage
from tests.chaos.world import make_world

SEED = 20261101
SWEEP_EVERY = 2  # seconds instead of ten, or of a minute for orders, since so many stories end with waiting for it
MOST_WAITING = 20  # batches, so that a queue that fills up is refused soon


@pytest.fixture(scope="package")
def redis_stage() -> Iterator[Stage]:
    with running_instance(INGEST_MAX_WAITING_BATCHES=str(MOST_WAITING)) as instance:
        yield Stage(instance, make_world(instance, SEED, SWEEP_EVERY), EmbeddedRedis())


@pytest.fixture(scope="package")
def disk() -> Iterator[SmallDisk | str]:
    """Or the reason why there is none."""
    with ExitStack() as stack:
        try:
            found: SmallDisk | str = stack.enter_context(small_disk())
        except NotPermitted as error:
            found = str(error)
        yield found


@pytest.fixture(scope="package")
def rabbitmq_stage(disk: SmallDisk | str) -> Iterator[Stage]:
    if not SERVER.exists():
        pytest.skip("rabbitmq-server is not installed: run scripts/debian.sh rabbitmq-server")
    home = disk.home if isinstance(disk, SmallDisk) else None
    with private_rabbitmq() as broker, running_instance(home, **broker.environment) as instance:
        yield Stage(instance, make_world(instance, SEED + 1, SWEEP_EVERY), broker)
