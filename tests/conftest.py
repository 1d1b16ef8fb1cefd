"""What every test starts from."""

from collections.abc import Iterator

import pytest

from metering.pricing import current
from tests import factories


@pytest.fixture(autouse=True)
def _nothing_remembered() -> Iterator[None]:
    """A process remembers ids and rates between transactions; tests roll the database back under it."""
    factories.forget_names()
    current.forget()
    yield
