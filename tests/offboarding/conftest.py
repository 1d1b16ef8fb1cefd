"""The books, which are to agree afterwards."""

from collections.abc import Iterator
from typing import Any

import pytest

from metering.reconcile.everything import money_differences
from metering.reconcile.invoices import invoice_differences
from metering.reconcile.journal import journal_differences


@pytest.fixture
def books_agree(db: None) -> Iterator[None]:
    yield
    found: list[Any] = [*journal_differences(), *money_differences(), *invoice_differences()]
    assert found == []
