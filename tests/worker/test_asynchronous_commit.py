"""The recording of a batch does not wait for the disk, since the batch itself did: what a power cut takes is done again."""

from collections.abc import Iterator

import pytest
from django.db import connection

from metering.worker.attempts import try_together

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _durable() -> Iterator[None]:
    """As where the product runs; the server of the tests waits for no disk at all."""
    with connection.cursor() as cursor:
        cursor.execute("SET synchronous_commit = on")
        yield
        cursor.execute("RESET synchronous_commit")


def setting() -> str:
    with connection.cursor() as cursor:
        cursor.execute("SHOW synchronous_commit")
        return str(cursor.fetchone()[0])


def test_what_becomes_of_batches_does_not_wait_and_what_comes_after_does() -> None:
    during: list[str] = []
    assert try_together(lambda: during.append(setting()), [])
    assert (during, setting()) == (["off"], "on")
