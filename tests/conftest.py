"""What every test starts from."""

import pytest

from metering.pricing import current
from tests import factories


@pytest.fixture(autouse=True)
def _nothing_remembered() -> None:
    """A process remembers ids and rates between transactions; tests roll the database back under it."""
    factories.forget_names()
    current.forget()
