"""The inbox's partitions by day, at midnight: the first to come makes the new one, and the others find it."""

import threading
import time
from collections.abc import Iterator

import psycopg
import pytest
from django.db import connection

from tests.kit.concurrent import WAITING_FOR_ME

ENSURE = "SELECT metering_ensure_day('2031-03-01T00:00:00Z')"


@pytest.fixture
def first_and_second() -> Iterator[list[psycopg.Connection]]:
    facts = connection.get_connection_params()
    keys = ("dbname", "host", "port", "user", "password")
    pair = [psycopg.connect(**{key: facts[key] for key in keys if facts.get(key)}) for _ in range(2)]
    yield pair
    for each in pair:
        each.close()


@pytest.mark.django_db(transaction=True)
def test_a_day_that_two_make_at_once_is_made_once(first_and_second: list[psycopg.Connection]) -> None:
    first, second = first_and_second
    failures: list[Exception] = []

    def come_second() -> None:
        try:
            second.execute(ENSURE)
            second.commit()
        except psycopg.Error as error:
            failures.append(error)

    first.execute(ENSURE)
    thread = threading.Thread(target=come_second)
    thread.start()
    while first.execute(WAITING_FOR_ME).fetchall() == [(False,)] and thread.is_alive():
        time.sleep(0.01)
    first.commit()
    thread.join(30)
    try:
        assert failures == []
        made = first.execute("SELECT to_regclass('metering_batch_2031_03_01') IS NOT NULL").fetchall()
        assert made == [(True,)]
    finally:
        first.execute("DROP TABLE metering_batch_2031_03_01")
        first.commit()
