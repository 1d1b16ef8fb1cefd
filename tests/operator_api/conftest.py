"""A program with a key for everything."""

import pytest

from tests.operator_api.cast import Program, a_key


@pytest.fixture
def program(db: None) -> Program:
    return Program(a_key()[1])
