"""The day on which tests play."""

from collections.abc import Iterator

import pytest
import time_machine

from tests.kit.factories import NOW


@pytest.fixture(autouse=True)
def fixed_day() -> Iterator[None]:
    with time_machine.travel(NOW, tick=False):
        yield
